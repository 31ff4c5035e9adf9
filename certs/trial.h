/*
 * A handshake in memory between us and a client of today: whether anybody would get in with a pair,
 * found out before it is used. The rules of OpenSSL are OpenSSL's to say.
 */
#ifndef ELEXGATE_CERTS_TRIAL_H
#define ELEXGATE_CERTS_TRIAL_H

#include <openssl/ssl.h>
#include "common/error.h"

/* What serves on trial as the gate does: give it certificate, chain and key. Free it with
 * SSL_CTX_free. */
SSL_CTX *trial_server(void) MUSTCHECK;
/* TLS 1.2 and 1.3; the client has Java's and OpenSSL's usual groups and checks the chain up to its
 * last certificate, top, without its dates. -EINVAL names the file and what the client said. */
int trial_handshake(SSL_CTX *server, X509 *top, const char *name, struct err *e) MUSTCHECK;
/* The words for it, for a trial with another library as well. Returns -EINVAL. */
int trial_failed(const char *name, const char *version, const char *reason, struct err *e);

#endif
