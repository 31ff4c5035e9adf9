/*
 * A scratch folder and certificates for the tests of certs/. Everything is made at run time.
 */
#ifndef ELEXGATE_TESTS_UNIT_CERTS_FIXTURE_H
#define ELEXGATE_TESTS_UNIT_CERTS_FIXTURE_H

#include <openssl/x509.h>
#include <stddef.h>
#include <time.h>
#include "certs/make.h"

#define DAY ((time_t)86400)

struct fixture {
    char dir[64];
    EVP_PKEY *root_key, *middle_key, *leaf_key, *other_key;
    X509 *root, *middle, *leaf; /* root > middle > leaf "praxis-server" */
    X509 *direct;               /* root > direct, with leaf_key */
    time_t now;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Path in the scratch folder; valid until the fourth next call. */
const char *fixture_path(const struct fixture *f, const char *name);
void fixture_write(
    const struct fixture *f, const char *name, const void *data, size_t len, mode_t mode);
/* PEM of up to four certificates, NULL ends. */
void fixture_write_certs(const struct fixture *f, const char *name, X509 *a, X509 *b, X509 *c);
void fixture_write_key(
    const struct fixture *f, const char *name, EVP_PKEY *k, const char *passphrase);
/* A server certificate with the SAN praxis-server. */
X509 *fixture_server(
    const struct fixture *f, EVP_PKEY *subject, X509 *ca, EVP_PKEY *ca_key, int days, time_t now);

#define assert_contains(text, part) fixture_contains((text), (part), __FILE__, __LINE__)
void fixture_contains(const char *text, const char *part, const char *file, int line);

#endif
