/*
 * The gate's trial handshake (certs/trial.h) once more with the library that serves the page:
 * GnuTLS has rules of its own.
 */
#ifndef ELEXGATE_CONSOLE_HTTP_TLS_TRIAL_H
#define ELEXGATE_CONSOLE_HTTP_TLS_TRIAL_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "common/error.h"

/* In memory, with TLS 1.2 and 1.3. The server gets its pair by retrieve, whose session has served
 * as its pointer. The client has a browser's groups and trusts top (DER), the last certificate of
 * the chain; it does not look at dates. -EINVAL names the file and what GnuTLS said. */
int tls_trial(gnutls_certificate_retrieve_function3 *retrieve, void *served,
    const gnutls_datum_t *top, const char *name, struct err *e) MUSTCHECK;

#endif
