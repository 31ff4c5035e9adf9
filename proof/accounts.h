/*
 * The database server's accounts, as far as proofs need them: elexgate-proof's own connection, with
 * an account that may read mysql.global_priv and nothing else. Nothing is kept between two calls.
 * Blocks, for at most a few seconds.
 */
#ifndef ELEXGATE_PROOF_ACCOUNTS_H
#define ELEXGATE_PROOF_ACCOUNTS_H

#include "common/error.h"
#include "proof/salt.h"

/* Accounts of one name differ in their host; a practice has one or two. */
#define ACCOUNTS_SALTS_MAX 32u

struct accounts;

struct accounts_target {
    const char *host;
    unsigned port;
    const char *socket; /* used instead of host and port when not NULL */
    const char *user;
    const char *password; /* NULL: none (unix_socket authentication) */
};

/* Connects with the first question, and again when the connection was lost. t outlives it. */
struct accounts *accounts_new(const struct accounts_target *t) MUSTCHECK;
void accounts_free(struct accounts *a); /* NULL allowed */
/* The salts of all accounts of this name. *n may be 0. The caller wipes them. */
int accounts_salts(struct accounts *a, const char *user, size_t user_len,
    struct salt out[static ACCOUNTS_SALTS_MAX], size_t *n, struct err *e) MUSTCHECK;

#endif
