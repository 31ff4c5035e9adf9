/*
 * Certificates and keys out of files and memory: PEM, and for `elexgate cert install` also DER and
 * PKCS#12.
 *
 * Input is untrusted: its size is bounded before it is parsed, and what is not understood is an
 * error that names the file and says what it looks like.
 */
#ifndef ELEXGATE_CERTS_PEM_H
#define ELEXGATE_CERTS_PEM_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stddef.h>
#include "common/error.h"

/* Cleanup for locals: `_cleanup_x509s_ STACK_OF(X509) *s = NULL;` */
#define _cleanup_x509s_ CLEANUP(pem_cleanup_x509s)
#define _cleanup_x509_  CLEANUP(pem_cleanup_x509)
#define _cleanup_pkey_  CLEANUP(pem_cleanup_pkey)
void pem_cleanup_x509s(STACK_OF(X509) * *s);
void pem_cleanup_x509(X509 **x);
void pem_cleanup_pkey(EVP_PKEY **k);

/* Reads at most CERT_FILE_MAX bytes (certs/pair.h); *out has a NUL behind its *len bytes. */
int pem_read_file(const char *path, char **out, size_t *len, struct err *e) MUSTCHECK;

/* All certificates of a PEM text in their order, at least one. name stands in messages. */
int pem_parse_chain(
    const char *data, size_t len, const char *name, STACK_OF(X509) * *out, struct err *e) MUSTCHECK;
/* The first private key of a PEM text. passphrase NULL: an encrypted key is an error. */
int pem_parse_key(const char *data, size_t len, const char *name, const char *passphrase,
    EVP_PKEY **out, struct err *e) MUSTCHECK;

/* What one input file holds, whatever its form: certificates (may be empty) and a key (may be
 * NULL). */
struct pem_bag {
    STACK_OF(X509) * certs;
    EVP_PKEY *key;
};
/* PEM, DER (certificate, PKCS#7, key, also an encrypted one) or PKCS#12. passphrase may be NULL. */
int pem_parse_any(const char *data, size_t len, const char *name, const char *passphrase,
    struct pem_bag *out, struct err *e) MUSTCHECK;
void pem_bag_clear(struct pem_bag *bag);

/* PEM text of certificates, malloc'ed. */
char *pem_write_certs(STACK_OF(X509) * certs, size_t *len) MUSTCHECK;
/* PKCS#8 PEM of a key; with a passphrase encrypted (AES-256, PBKDF2). Wipe it with pem_wipe. */
char *pem_write_key(EVP_PKEY *key, const char *passphrase, size_t *len) MUSTCHECK;
int pem_parse_request(
    const char *data, size_t len, const char *name, X509_REQ **out, struct err *e) MUSTCHECK;
char *pem_write_request(X509_REQ *req, size_t *len) MUSTCHECK;
char *pem_write_crl(X509_CRL *crl, size_t *len) MUSTCHECK;
/* All revocation lists of a PEM text, at least one. */
int pem_parse_crls(const char *data, size_t len, const char *name, STACK_OF(X509_CRL) * *out,
    struct err *e) MUSTCHECK;
void pem_wipe(char *text, size_t len); /* overwrites and frees; NULL allowed */

#endif
