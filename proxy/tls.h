/*
 * The TLS context of a listener: what is offered, with which certificate. Defaults follow Mozilla's
 * "intermediate" without its CBC and DHE suites: TLS 1.2 and 1.3, ECDHE with AEAD only.
 */
#ifndef ELEXGATE_PROXY_TLS_H
#define ELEXGATE_PROXY_TLS_H

#include <openssl/ssl.h>
#include "certs/pair.h"
#include "common/error.h"
#include "proxy/tickets.h"

/* listener: its name, part of the session id context, so that a ticket is good at its own listener
 * only. *out is the caller's, to be freed with SSL_CTX_free. */
int tls_context(const struct cert_pair *pair, struct tickets *tickets, const char *listener,
    SSL_CTX **out, struct err *e) MUSTCHECK;

#endif
