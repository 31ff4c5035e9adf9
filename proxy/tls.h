/*
 * The TLS context of a listener: what is offered, with which certificate.
 *
 *   modern        TLS 1.3
 *   intermediate  TLS 1.2 as well, ECDHE with AEAD only: Mozilla's without its CBC and DHE suites
 *   old           TLS 1.0 and 1.1 as well, CBC suites, key exchange by RSA; no RC4, 3DES, DHE
 */
#ifndef ELEXGATE_PROXY_TLS_H
#define ELEXGATE_PROXY_TLS_H

#include <openssl/ssl.h>
#include "certs/pair.h"
#include "common/error.h"
#include "proxy/tickets.h"

enum tls_profile { TLS_PROFILE_MODERN, TLS_PROFILE_INTERMEDIATE, TLS_PROFILE_OLD };
/* As in the configuration. */
enum tls_profile tls_profile_of(const char *word);

/* listener: its name, part of the session id context, so that a ticket is good at its own listener
 * only. *out is the caller's, to be freed with SSL_CTX_free. */
int tls_context(const struct cert_pair *pair, struct tickets *tickets, enum tls_profile profile,
    const char *listener, SSL_CTX **out, struct err *e) MUSTCHECK;

#endif
