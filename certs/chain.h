/*
 * Order and soundness of a certificate chain: pure functions over certificates, no file, no clock.
 */
#ifndef ELEXGATE_CERTS_CHAIN_H
#define ELEXGATE_CERTS_CHAIN_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <time.h>
#include "common/error.h"

/* What cert_pair_load demands of key and chain (certs/pair.h), one sentence each. */
int chain_check(STACK_OF(X509) * chain, EVP_PKEY *key, const char *cert_name, const char *key_name,
    struct err *e) MUSTCHECK;

/* The rules of Java and GnuTLS that OpenSSL does not have. */
int chain_fits_clients(STACK_OF(X509) * chain, const char *name, struct err *e) MUSTCHECK;

/* Picks out of pool, in any order and with strangers in it, the certificate of key and its issuers,
 * leaf first: the path that OpenSSL finds now to a root of this system, of roots (NULL: none) or of
 * pool, then valid cross-signatures beyond it. What is not in *out is superfluous: expired roots,
 * an old leaf, others' certificates. The self-signed root is included where pool has it. *out holds
 * its own references. */
int chain_build(STACK_OF(X509) * pool, EVP_PKEY *key, STACK_OF(X509) * roots, time_t now,
    const char *name, STACK_OF(X509) * *out, struct err *e) MUSTCHECK;

/* What a CA's name constraints say to a certificate that it is about to give out: OpenSSL verifies
 * ca > leaf with its strict rules. The refusal names the constraint's remedy. */
int chain_permitted(X509 *ca, X509 *leaf, time_t now, struct err *e) MUSTCHECK;
/* Those of leaf's names that ca may not issue for, with commas; where it is none of them, the
 * common name, which counts as one; NULL: no such constraint. malloc'ed. */
char *chain_outside(X509 *ca, X509 *leaf) MUSTCHECK;
/* Whether the chain leads to a root that clients can know: one in it, one of roots, or one that
 * this system trusts. -EINVAL names the certificate that is missing. */
int chain_complete(
    STACK_OF(X509) * chain, STACK_OF(X509) * roots, const char *name, struct err *e) MUSTCHECK;

/* issuer's name, key identifier and signature fit subject. */
bool chain_issued(X509 *issuer, X509 *subject);
/* Issued by itself, with its own key. */
bool chain_is_root(X509 *x);

#endif
