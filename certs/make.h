/*
 * Making keys, certificates, requests and revocation lists, in memory. Nothing here touches a file.
 *
 * Choices, and why:
 *  - keys: EC P-256, which every client of today takes and which costs the server least; RSA 3072
 * on request, for old programs; Ed25519 on request, for networks where all clients know it
 *  - serial numbers: 127 random bits (RFC 5280 allows 159, CA/B asks for 64)
 *  - not_before one hour ago: workstation clocks differ
 *  - server certificates 397 days: below every client's limit (Apple's browsers 398 for public, 825
 * for private CAs), and renewal goes by itself; clients 730 days, because installing them is
 * handwork; the CA 3650 days, because every workstation has to be visited when it changes
 */
#ifndef ELEXGATE_CERTS_MAKE_H
#define ELEXGATE_CERTS_MAKE_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <time.h>
#include "certs/names.h"
#include "common/error.h"

#define MAKE_CA_DAYS     3650
#define MAKE_SERVER_DAYS 397
#define MAKE_CLIENT_DAYS 730
/* The common name of a certificate for addresses only. */
#define MAKE_ADDRESS_ONLY_NAME "elexgate.internal"

enum make_key_kind { MAKE_KEY_P256, MAKE_KEY_RSA3072, MAKE_KEY_ED25519 };

/* The parts of a subject; NULL ones are left out. The fields of the old manual's form. */
struct make_subject {
    const char *common_name;  /* left out when longer than 64 bytes */
    const char *country;      /* two letters */
    const char *state;        /* canton */
    const char *locality;     /* place */
    const char *organisation; /* practice */
    const char *unit;         /* department */
};

struct make_signer {
    X509 *cert; /* the CA; NULL: self-signed, with key being the subject's own */
    EVP_PKEY *key;
};

int make_key(enum make_key_kind kind, EVP_PKEY **out, struct err *e) MUSTCHECK;

/* A root CA. It may sign its successor (path length 1), which issues end certificates. permit NULL:
 * for all names. */
int make_ca(const struct make_subject *s, EVP_PKEY *key, const struct names *permit, int days,
    time_t now, X509 **out, struct err *e) MUSTCHECK;
/* The end never lies behind the signer's own. Without a host name among names a common
 * name that can be none is replaced by MAKE_ADDRESS_ONLY_NAME. */
int make_server(const struct make_subject *s, const struct cert_names *names, EVP_PKEY *subject_key,
    const struct make_signer *signer, int days, time_t now, X509 **out, struct err *e) MUSTCHECK;
/* The same with the subject of an earlier certificate: renewal. */
int make_again(const X509 *old, const struct cert_names *names, EVP_PKEY *subject_key,
    const struct make_signer *signer, int days, time_t now, X509 **out, struct err *e) MUSTCHECK;
int make_client(const char *name, EVP_PKEY *subject_key, const struct make_signer *signer, int days,
    time_t now, X509 **out, struct err *e) MUSTCHECK;

/* A request for a server certificate (PKCS#10). */
int make_request(const struct make_subject *s, const struct cert_names *names, EVP_PKEY *key,
    X509_REQ **out, struct err *e) MUSTCHECK;
/* Signs a request: its subject and SANs are taken over, nothing else of it. The request's own
 * signature is checked, and so is its key's strength. */
int make_from_request(X509_REQ *req, const struct make_signer *signer, int days, time_t now,
    X509 **out, struct err *e) MUSTCHECK;

/* One entry of a revocation list. */
struct make_revoked {
    char serial[48]; /* hexadecimal */
    time_t at;
};
/* A CRL that is valid as long as its CA. It is a local file, not fetched from anywhere, so that an
 * early end would protect nobody and lock everybody out on the day that it is forgotten. */
int make_crl(const struct make_signer *signer, const struct make_revoked *revoked, size_t n,
    time_t now, X509_CRL **out, struct err *e) MUSTCHECK;

#endif
