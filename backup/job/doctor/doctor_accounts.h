/*
 * Which accounts of the database server cannot log in through the gate, or could by mistake: one
 * row of mysql.global_priv judged at a time. Pure.
 *
 * The gate's own connection to the server has no TLS, and over a unix socket the server sees the
 * gate's user at its other end. What follows from that is in docs/clients.md, "Accounts".
 */
#ifndef ELEXGATE_BACKUP_JOB_DOCTOR_DOCTOR_ACCOUNTS_H
#define ELEXGATE_BACKUP_JOB_DOCTOR_DOCTOR_ACCOUNTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "common/error.h"

/* How the gate reaches the server. */
struct gate_way {
    bool over_socket;      /* a unix socket */
    bool loopback;         /* TCP on the same machine */
    bool client_addresses; /* the server sees each client's own address (PROXY protocol) */
    const char *gate_user; /* the operating system user that the gate runs as; NULL = unknown */
    bool allow_own_user;   /* the gate does not refuse logins under that name */
    /* A listener that lets this account in ([listen] deny_users), NULL = none does. */
    const char *(*listener_for)(const void *ctx, const char *user);
    const void *ctx;
};

struct account_fault {
    bool open;          /* it lets in whom it should not; otherwise it keeps somebody out */
    json_t *text, *fix; /* phrases; fix is SQL, or words where SQL does not help */
};
void account_fault_clear(struct account_fault *f);

/* priv: the row's JSON. 1: there is something to say, *out is the caller's. 0: nothing. */
int account_judge(const struct gate_way *way, const char *user, const char *host, const char *priv,
    size_t priv_len, struct account_fault *out) MUSTCHECK;

/* The same for an account that may do everything and that some listener lets in. */
int account_judge_super(const struct gate_way *way, const char *user, const char *host,
    const char *priv, size_t priv_len, struct account_fault *out) MUSTCHECK;

/* The server's pattern for hosts: % for any characters, _ for one. */
bool account_host_matches(const char *pattern, const char *host);

#endif
