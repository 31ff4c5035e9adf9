/*
 * What is no PEM: DER, PKCS#7, PKCS#8, PKCS#12; for pem.c.
 */
#ifndef ELEXGATE_CERTS_PEM_DER_H
#define ELEXGATE_CERTS_PEM_DER_H

#include <openssl/pkcs7.h>
#include <stdbool.h>
#include "certs/pem.h"

#define PEM_CERTS_MAX 100 /* in one file */

/* For OpenSSL's pem_password_cb. */
struct pem_der_password {
    const char *text; /* NULL: none */
    bool asked;
};
int pem_der_give_password(char *buf, int size, int writing, void *ctx);

bool pem_der_is_utf16(const char *data, size_t len);
/* Adds the certificates of a PKCS#7 (p7b, p7c), which it frees, to bag; returns their number. */
int pem_der_take_pkcs7(PKCS7 *p7, struct pem_bag *bag);
int pem_der_parse(const char *data, size_t len, const char *name, const char *passphrase,
    struct pem_bag *bag, struct err *e) MUSTCHECK;

#endif
