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
/* For those who may not read the key: both certificates of the chain in a file, to be freed with
 * cert_info_free. */
int life_of_file(const char *cert_path, struct cert_info **ends, struct cert_info **begins,
    struct err *e) MUSTCHECK;

#endif
