/*
 * The page's certificate, for GnuTLS, which libmicrohttpd speaks TLS with. Checked by certs/, so
 * that a wrong pair is told in the same words everywhere.
 *
 * The pair is handed out at each handshake: a new one serves from the next connection on, and a bad
 * new one changes nothing.
 */
#ifndef ELEXGATE_CONSOLE_HTTP_TLS_H
#define ELEXGATE_CONSOLE_HTTP_TLS_H

#include <gnutls/gnutls.h>
#include <gnutls/abstract.h>
#include <stdbool.h>
#include "common/error.h"

/* What GnuTLS may agree on: TLS 1.2 and 1.3 with forward secrecy and AEAD. */
#define TLS_PRIORITIES                                                                             \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:"                  \
    "-CIPHER-ALL:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:-MAC-ALL:+AEAD:%SERVER_PRECEDENCE"

/* Loads both files and serves them from now on. On failure the old pair serves on. What browsers
 * refuse is kept out only where something better serves. */
int tls_load(const char *certificate, const char *key, struct err *e) MUSTCHECK;
/* -EKEYEXPIRED, -EINVAL: browsers refuse what is served; certificate stands in the text. */
int tls_fits(const char *certificate, struct err *e) MUSTCHECK;
/* Whether one of the files is another one than at the last tls_load, good or bad. */
bool tls_changed(const char *certificate, const char *key);
/* The first DNS name of the certificate; "localhost" where there is none. malloc'ed. */
char *tls_host_name(void) MUSTCHECK;
void tls_unload(void);

/* For MHD_OPTION_HTTPS_CERT_CALLBACK2. */
int tls_retrieve(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
    gnutls_pcert_st **certificates, unsigned *n_certificates, gnutls_ocsp_data_st **ocsp,
    unsigned *n_ocsp, gnutls_privkey_t *key, unsigned *flags);

#endif
