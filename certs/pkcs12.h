/*
 * PKCS#12 files: trust stores for Java, key stores for workstations.
 */
#ifndef ELEXGATE_CERTS_PKCS12_H
#define ELEXGATE_CERTS_PKCS12_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include "common/error.h"

/*
 * A trust store that Java takes as one: each certificate carries Oracle's "trusted key usage"
 * attribute (2.16.840.1.113894.746875.1.1), without which Java finds no trusted certificate in it.
 * What is in it is public; so nothing is encrypted, and the password only feeds the checksum, in
 * SHA-1, which also the Java 8 and 11 that older Elexis versions bring can compute.
 */
int pkcs12_trust_store(STACK_OF(X509) * roots, const char *alias, const char *password, char **out,
    size_t *len, struct err *e) MUSTCHECK;

/* A key with its certificate and issuers. AES-256 and SHA-256; old_format: 3DES and SHA-1, for
 * Windows before 10, macOS before 15 and Java before 8u301 / 11.0.12. Wipe with pem_wipe. */
int pkcs12_key_store(EVP_PKEY *key, X509 *leaf, STACK_OF(X509) * issuers, const char *name,
    const char *password, bool old_format, char **out, size_t *len, struct err *e) MUSTCHECK;

#endif
