/*
 * How long a chain can be used: the one place that knows which of its certificates ends first.
 *
 * A chain is good while each certificate on the shortest way to a root that clients know is. What
 * lies behind such a root (an old cross-signature, kept for old clients) bounds nothing.
 */
#ifndef ELEXGATE_CERTS_LIFE_H
#define ELEXGATE_CERTS_LIFE_H

#include <openssl/x509.h>
#include "certs/info.h"
#include "common/error.h"

/* Both borrowed from the chain, from known, or held by the system's store for the process's life.
 */
struct life {
    X509 *ends;   /* the certificate that ends first; of equals the one nearest to the leaf */
    X509 *begins; /* the one that begins last */
};

/* chain: leaf first, in order. known: roots that clients have, NULL: none beside the system's. */
struct life life_of(STACK_OF(X509) * chain, STACK_OF(X509) * known);

/* The CA that workstations were given: ca.pem beside the certificate. NULL: there is none. The
 * caller frees. */
STACK_OF(X509) * life_known(const char *cert_path) MUSTCHECK;
/* Of the roots that clients have, the one that lasts longest of those that issued something of the
 * chain; borrowed, NULL: none. */
X509 *life_root(STACK_OF(X509) * chain, STACK_OF(X509) * known);
/* When the old CA ends that the chain leads to by a cross-signature (certs/successor.h); 0: none.
 */
time_t life_of_old_ca(STACK_OF(X509) * chain);
/* For those who may not read the key: the root in ca.pem beside the certificate (*root NULL: none
 * issued it), to be freed with cert_info_free, and the end of the one that it follows. */
int life_ca_of_file(
    const char *cert_path, struct cert_info **root, time_t *old_until, struct err *e) MUSTCHECK;
/* For those who may not read the key: both certificates of the chain in a file, to be freed with
 * cert_info_free. */
int life_of_file(const char *cert_path, struct cert_info **ends, struct cert_info **begins,
    struct err *e) MUSTCHECK;

#endif
