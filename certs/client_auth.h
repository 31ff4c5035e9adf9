/*
 * Mutual TLS: which client certificates a listener takes, and whom they may log in as.
 *
 * The handshake itself refuses nobody: a TLS alert reaches the user as "bad certificate", if at
 * all. Instead the verdict waits until the client has named its user, and is then told in an ERR
 * packet.
 *
 *   load → apply to the listener's SSL_CTX → … handshake … → check(ssl, user) before anything is
 *   forwarded to the server
 *
 * Whoever applies without calling check lets everybody in. Immutable, for any thread.
 */
#ifndef ELEXGATE_CERTS_CLIENT_AUTH_H
#define ELEXGATE_CERTS_CLIENT_AUTH_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include "common/error.h"

enum client_auth_mode {
    CLIENT_AUTH_REQUEST, /* none is fine; one that is shown must be good */
    CLIENT_AUTH_REQUIRE, /* one must be shown */
};

struct client_auth_options {
    enum client_auth_mode mode;
    const char *ca;  /* PEM: the CAs whose client certificates are taken */
    const char *crl; /* PEM: revocation lists of these CAs; NULL = none */
    const char *map; /* certs/client_map.h; NULL = any certificate for any user */
};

struct client_auth;

/* Reads and checks the three files; each failure has its own sentence. A revocation list that no
 * CA of the file has signed is one. */
int client_auth_load(
    const struct client_auth_options *o, struct client_auth **out, struct err *e) MUSTCHECK;
/* When the first of the revocation lists should have been replaced by a newer one; 0: never. It
 * still counts then: what it revokes stays revoked. And when the last of the CAs ends. */
time_t client_auth_list_due(const struct client_auth *a);
time_t client_auth_ends(const struct client_auth *a);
void client_auth_free(struct client_auth *a); /* NULL allowed */

/* Makes ctx ask for a certificate and remember what it thinks of it. Sets the session id context,
 * so that resumption works but never crosses to a listener with other CAs. */
int client_auth_apply(const struct client_auth *a, SSL_CTX *ctx, struct err *e) MUSTCHECK;

/* After the handshake, once the user is known. 0: may go on. -EACCES: not; e->text tells the client
 * why, German first, then English, without detail that helps an attacker. Resumed sessions are
 * checked against today's revocation list and date as well. */
int client_auth_check(
    const struct client_auth *a, const SSL *ssl, const char *user, struct err *e) MUSTCHECK;
/* The common name of the client's certificate, "" if none; for logs. malloc'ed. */
char *client_auth_name(const SSL *ssl) MUSTCHECK;

#endif
