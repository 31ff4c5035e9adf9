/*
 * A throwaway server on a copied data directory: no network, no events, no binary log; its socket
 * lies in a folder that only we can enter. It runs in a sandbox (sandbox.h), as root under a user
 * of its own, and dies with us.
 *
 * Without accounts (--skip-grant-tables), or, to import SQL text, with the accounts of the data and
 * two more: one that may do everything, which is ours, and one with all rights on one database and
 * none anywhere else, which the text is read in with. Both have passwords that nobody knows, and
 * are gone from the data when the server was stopped in order.
 */
#ifndef ELEXGATE_BACKUP_JOB_TRIAL_THROWAWAY_H
#define ELEXGATE_BACKUP_JOB_TRIAL_THROWAWAY_H

#include <jansson.h>
#include "backup/server/server.h"
#include "common/process.h"
#include "common/said.h"

struct throwaway;

struct throwaway_options {
    const struct config *config; /* [drill] user, sandbox; NULL = their defaults */
    const char *program;         /* mariadbd */
    bool mysql;                  /* it is a mysqld of MySQL */
    const char *root;            /* in another system's root (sandbox.h); NULL = in this one */
    const char *const *args;     /* further arguments, NULL-terminated; may be NULL */
    /* Two folders in a folder of ours that nobody else can write to. As root both are given to the
     * user of trials while the server runs, and are ours again afterwards. */
    const char *datadir;        /* is changed by the start */
    const char *scratch;        /* for socket, pid file, log, temporary files */
    uint32_t page_size;         /* 0 = the program's default */
    int lower_case_table_names; /* -1 = default */
    const char *database;       /* the one that an import may write to; NULL: no accounts */
    const json_t *settings;     /* layout.settings of the server that was copied; may be NULL */
    bool (*go_on)(void *ctx);
    void *ctx;
};

/* Starts and waits until it answers. -EIO: it ended, with the last words of its log; -ENOSPC: since
 * the disk was full. 1: stopped. */
int throwaway_start(
    const struct throwaway_options *o, struct throwaway **out, struct err *e) MUSTCHECK;
struct server *throwaway_server(struct throwaway *t);
/* As the account that may do everything. */
struct server_target throwaway_target(const struct throwaway *t);
/* As the account of the import; only with options.database. Strings are the throwaway's. */
struct server_target throwaway_import_target(struct throwaway *t);
/* Starts a program of the server's that works on it, and is not trusted more than it: in the same
 * sandbox, where it may start others. */
int throwaway_run(struct throwaway *t, const struct process_options *o, struct process *out,
    struct err *e) MUSTCHECK;
/* False once it has ended by itself. */
bool throwaway_runs(struct throwaway *t);
/* The first error in its log that is known to hold no data (common/said.h). */
const char *throwaway_last_words(const struct throwaway *t, struct err *words);
/* True if InnoDB or Aria had to recover from a crash. */
bool throwaway_recovered(const struct throwaway *t);
/* What was imported gets the definers that its text named, the accounts go, then a clean shutdown;
 * waits for it. */
int throwaway_stop(struct throwaway *t, struct err *e) MUSTCHECK;
/* Ends it in any case. NULL allowed. */
void throwaway_drop(struct throwaway *t);
#define _cleanup_throwaway_ CLEANUP(cleanup_throwaway)
static inline void cleanup_throwaway(struct throwaway **t)
{
    throwaway_drop(*t);
}

#endif
