/*
 * What a certificate says, in words and numbers for people, logs and the console.
 *
 * A struct cert_info is plain data, made once from a certificate and immutable afterwards. Nothing
 * in it depends on the time of day; what does (days left, warnings) is computed by functions that
 * are told the time.
 */
#ifndef ELEXGATE_CERTS_INFO_H
#define ELEXGATE_CERTS_INFO_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include "common/error.h"

#define CERT_SHA256_LEN     32
#define CERT_SHA256_HEX_LEN (2 * CERT_SHA256_LEN + 1)

struct cert_info {
    char *subject;     /* "CN=praxis-server,O=Praxis Dr. Muster", RFC 2253 order, UTF-8 */
    char *issuer;      /* the same for who issued it */
    char *common_name; /* "" when the subject has none */
    char *serial;      /* upper-case hexadecimal without separators */
    char *key;         /* "EC P-256", "RSA 3072", "Ed25519" */
    char **dns;        /* DNS names of the SAN extension, NULL-terminated, never NULL itself */
    char **ip;         /* IP addresses of the SAN extension as text, likewise */
    char **permitted;  /* of a CA: names and networks that it may issue for; empty: all */
    time_t not_before, not_after;
    uint8_t sha256[CERT_SHA256_LEN];              /* of the DER form */
    char fingerprint_sha256[CERT_SHA256_HEX_LEN]; /* the same, upper-case hexadecimal */
    bool is_ca;
    bool self_signed; /* subject and issuer are the same name */
};

/* What an admin should know although the certificate can be used. Bits. */
enum cert_warning {
    CERT_WARN_NO_SAN = 1,            /* clients that check the name will refuse it */
    CERT_WARN_EXPIRES_SOON = 2,      /* due for renewal: certs/renew.h */
    CERT_WARN_EXPIRED = 4,           /* happened while the program was running */
    CERT_WARN_LONG_LIFE = 8,         /* more than 825 days: refused by macOS and iOS */
    CERT_WARN_ISSUER_MISSING = 16,   /* the file holds the leaf only, not who issued it */
    CERT_WARN_NOT_YET = 32,          /* begins in the future: the clock is wrong, or the date is */
    CERT_WARN_CHAIN_ENDS_FIRST = 64, /* a certificate of its chain ends before it */
    CERT_WARN_BAD_NAME = 128,        /* a name that Java refuses the whole certificate for */
    CERT_WARN_CA_ENDS = 256,         /* it was cut to the end of its CA */
    CERT_WARN_LAST = 256,
};

/* Only unreadable dates or names can fail. *out is freed with cert_info_free. */
int cert_info_new(X509 *x, struct cert_info **out, struct err *e) MUSTCHECK;
void cert_info_free(struct cert_info *i); /* NULL allowed */
/* `_cleanup_cert_info_ struct cert_info *i = NULL;` */
#define _cleanup_cert_info_ CLEANUP(cert_info_cleanup)
static inline void cert_info_cleanup(struct cert_info **i)
{
    cert_info_free(*i);
}

/* Whole days until not_after, rounded down; negative once it has expired. */
int cert_info_days_left(const struct cert_info *i, time_t now);
/* The bits that follow from the certificate alone, i.e. not those about its chain. */
unsigned cert_info_warnings(const struct cert_info *i, time_t now);
/* One sentence for one bit; static storage. */
const char *cert_warning_text(enum cert_warning one);

/* "2027-12-24 07:30 UTC" for messages. Returns buf. */
#define CERT_DATE_LEN sizeof("2027-12-24 07:30 UTC")
char *cert_date(time_t t, char buf[static CERT_DATE_LEN]);

#endif
