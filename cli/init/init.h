/*
 * elexgate init: what is asked, what is made of it, what is done. cmd_init.c leads through it,
 * init_config.c makes the configuration, init_account.c the keeper's account on the server.
 */
#ifndef ELEXGATE_CLI_INIT_INIT_H
#define ELEXGATE_CLI_INIT_INIT_H

#include "cli/cli.h"

#define INIT_TEXT 512 /* room for an answer */

struct init {
    struct cli *cli;
    bool yes, dry_run, force, no_grants, no_certificate;
    bool binlog;                                /* its binary log is archived */
    bool account_only;                          /* nothing but the account on the server */
    bool mysql;                                 /* the server is MySQL: dumps only */
    const char *login, *login_file, *login_way; /* who makes it; NULL: root by unix_socket */
    const char *path;                           /* of the configuration */
    char *old_text;                             /* what stands in it; NULL: there is none */
    size_t old_len;
    char *new_text;
    size_t new_len;
    char *secret_path;
    char *password; /* as read, or new */
    bool new_password;
    char *sql; /* what makes the account; with the password in it */
    /* the answers */
    char socket[INIT_TEXT], db_host[INIT_TEXT], db_port[INIT_TEXT]; /* socket "" = host and port */
    char database[INIT_TEXT], names[INIT_TEXT], port[INIT_TEXT];
    char folder[INIT_TEXT], schedule[INIT_TEXT], user[INIT_TEXT];
};

/* Reads the present configuration, if there is one, and sets the answers to what it says, or to
 * what fits this machine. Exit code. */
int init_config_begin(struct init *in) MUSTCHECK;
/* Puts the answers into the text of the configuration and checks the result. EXIT_REFUSED: that
 * would change what stands there, and --force was not given. */
int init_config_make(struct init *in) MUSTCHECK;
/* Writes it; what was there is kept as FILE~. */
int init_config_write(struct init *in) MUSTCHECK;

/* Puts back what was there before. */
void init_config_undo(const struct init *in);
/* Whether a certificate can be made for the names, before anything is written. Exit code. */
int init_names_check(struct init *in) MUSTCHECK;

/* The password, read from its file or made, and the statements; and whether the server is MySQL.
 * EXIT_REFUSED: what was asked for is not to be had there. Else an exit code. */
int init_account_prepare(struct init *in) MUSTCHECK;
/* Writes the password's file if it is new. */
int init_account_write(struct init *in) MUSTCHECK;
/* Gives the statements to the server through the mariadb client, as this machine's root or as
 * in->login. EXIT_UNREACHABLE: with account_only, the server does not answer yet. */
int init_account_grant(struct init *in) MUSTCHECK;
/* The statements as they may be shown: without the password. malloc'ed. */
char *init_account_shown(const struct init *in) MUSTCHECK;

#endif
