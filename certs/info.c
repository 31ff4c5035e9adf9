#include "certs/info.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include "certs/names.h"
#include "certs/renew.h"
#include "common/clock.h"
#include "common/hex.h"
#include "common/lang.h"

#define DAY_SECONDS    86400
#define APPLE_MAX_DAYS 825 /* https://support.apple.com/en-us/103769, also for private CAs */
#define NAMES_MAX      256 /* further SANs are not listed */

/* Memory of a BIO as a C string; the BIO is freed. */
static char *bio_text(BIO *b)
{
    char *data = NULL;
    long n = BIO_get_mem_data(b, &data);
    char *s = xmalloc((size_t)n + 1);
    if (n > 0)
        memcpy(s, data, (size_t)n);
    s[n] = '\0';
    BIO_free(b);
    return s;
}

static char *name_text(const X509_NAME *n)
{
    BIO *b = BIO_new(BIO_s_mem());
    CHECK(b != NULL);
    /* Control characters stay escaped, umlauts readable. */
    X509_NAME_print_ex(b, n, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
    return bio_text(b);
}

static char *common_name(const X509_NAME *n)
{
    int at = X509_NAME_get_index_by_NID(n, NID_commonName, -1);
    if (at < 0)
        return xstrdup("");
    BIO *b = BIO_new(BIO_s_mem());
    CHECK(b != NULL);
    const ASN1_STRING *s = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(n, at));
    ASN1_STRING_print_ex(b, s, ASN1_STRFLGS_UTF8_CONVERT | ASN1_STRFLGS_ESC_CTRL);
    return bio_text(b);
}

static char *serial_text(const X509 *x)
{
    BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
    char *hex = bn != NULL ? BN_bn2hex(bn) : NULL;
    char *s = xstrdup(hex != NULL ? hex : "");
    OPENSSL_free(hex);
    BN_free(bn);
    return s;
}

static char *key_text(X509 *x)
{
    EVP_PKEY *k = X509_get0_pubkey(x);
    if (k == NULL)
        return xstrdup("unknown");
    char group[64];
    size_t len = 0;
    switch (EVP_PKEY_get_base_id(k)) {
    case EVP_PKEY_RSA:
        return xasprintf("RSA %d", EVP_PKEY_get_bits(k));
    case EVP_PKEY_EC:
        if (EVP_PKEY_get_group_name(k, group, sizeof group, &len) == 1) {
            const char *nist = EC_curve_nid2nist(OBJ_txt2nid(group));
            return xasprintf("EC %s", nist != NULL ? nist : group);
        }
        return xasprintf("EC %d", EVP_PKEY_get_bits(k));
    case EVP_PKEY_ED25519:
        return xstrdup("Ed25519");
    case EVP_PKEY_ED448:
        return xstrdup("Ed448");
    default:
        return xasprintf("%s %d", OBJ_nid2sn(EVP_PKEY_get_base_id(k)), EVP_PKEY_get_bits(k));
    }
}

static char *ip_text(const ASN1_OCTET_STRING *s)
{
    char buf[INET6_ADDRSTRLEN];
    int family = ASN1_STRING_length(s) == 4 ? AF_INET : ASN1_STRING_length(s) == 16 ? AF_INET6 : -1;
    if (family < 0 || inet_ntop(family, ASN1_STRING_get0_data(s), buf, sizeof buf) == NULL)
        return NULL;
    return xstrdup(buf);
}

/* A DNS name with a NUL or another control character inside is an attack; it is left out. */
static char *dns_text(const ASN1_IA5STRING *s)
{
    int n = ASN1_STRING_length(s);
    const unsigned char *p = ASN1_STRING_get0_data(s);
    for (int i = 0; i < n; i++)
        if (p[i] <= 0x20 || p[i] >= 0x7f)
            return NULL;
    return xasprintf("%.*s", n, (const char *)p);
}

static void read_names(X509 *x, struct cert_info *i)
{
    i->dns = xcalloc(NAMES_MAX + 1, sizeof *i->dns);
    i->ip = xcalloc(NAMES_MAX + 1, sizeof *i->ip);
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    size_t dns = 0, ip = 0;
    for (int k = 0; k < sk_GENERAL_NAME_num(names); k++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, k);
        if (g->type == GEN_DNS && dns < NAMES_MAX) {
            i->dns[dns] = dns_text(g->d.dNSName);
            dns += i->dns[dns] != NULL;
        } else if (g->type == GEN_IPADD && ip < NAMES_MAX) {
            i->ip[ip] = ip_text(g->d.iPAddress);
            ip += i->ip[ip] != NULL;
        }
    }
    GENERAL_NAMES_free(names);
}

/* Address and mask to "192.168.0.0/16"; a mask with holes is not one that we know. */
static char *network_text(const ASN1_OCTET_STRING *s)
{
    const unsigned char *p = ASN1_STRING_get0_data(s);
    int half = ASN1_STRING_length(s) / 2, bits = 0;
    char buf[INET6_ADDRSTRLEN];
    if ((half != 4 && half != 16) || ASN1_STRING_length(s) != 2 * half)
        return NULL;
    while (bits < 8 * half && (p[half + bits / 8] >> (7 - bits % 8) & 1) != 0)
        bits++;
    if (inet_ntop(half == 4 ? AF_INET : AF_INET6, p, buf, sizeof buf) == NULL)
        return NULL;
    return bits == 8 * half ? xstrdup(buf) : xasprintf("%s/%d", buf, bits);
}

static void read_constraints(X509 *x, struct cert_info *i)
{
    i->permitted = xcalloc(NAMES_MAX + 1, sizeof *i->permitted);
    NAME_CONSTRAINTS *nc = X509_get_ext_d2i(x, NID_name_constraints, NULL, NULL);
    size_t at = 0;
    for (int k = 0; nc != NULL && k < sk_GENERAL_SUBTREE_num(nc->permittedSubtrees); k++) {
        const GENERAL_NAME *g = sk_GENERAL_SUBTREE_value(nc->permittedSubtrees, k)->base;
        if (at < NAMES_MAX && (g->type == GEN_DNS || g->type == GEN_IPADD)) {
            i->permitted[at] = g->type == GEN_DNS ? dns_text(g->d.dNSName)
                                                  : network_text(g->d.iPAddress);
            at += i->permitted[at] != NULL;
        }
    }
    NAME_CONSTRAINTS_free(nc);
}

static int read_time(const ASN1_TIME *t, time_t *out)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(t, &tm) != 1)
        return -1;
    *out = timegm(&tm);
    return 0;
}

int cert_info_new(X509 *x, struct cert_info **out, struct err *e)
{
    time_t from, to;
    uint8_t sha[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (read_time(X509_get0_notBefore(x), &from) < 0 || read_time(X509_get0_notAfter(x), &to) < 0)
        return err_set(e, EBADMSG, "the certificate's dates cannot be read");
    if (X509_digest(x, EVP_sha256(), sha, &n) != 1 || n != CERT_SHA256_LEN)
        return err_ssl(e, "the certificate's fingerprint cannot be computed");
    struct cert_info *i = xcalloc(1, sizeof *i);
    i->subject = name_text(X509_get_subject_name(x));
    i->issuer = name_text(X509_get_issuer_name(x));
    i->common_name = common_name(X509_get_subject_name(x));
    i->serial = serial_text(x);
    i->key = key_text(x);
    i->not_before = from;
    i->not_after = to;
    read_names(x, i);
    read_constraints(x, i);
    memcpy(i->sha256, sha, CERT_SHA256_LEN);
    hex_upper(sha, CERT_SHA256_LEN, i->fingerprint_sha256);
    i->is_ca = X509_check_ca(x) > 0;
    i->self_signed = (X509_get_extension_flags(x) & EXFLAG_SI) != 0;
    *out = i;
    return 0;
}

static void free_list(char **list)
{
    for (size_t k = 0; list != NULL && list[k] != NULL; k++)
        free(list[k]);
    free(list);
}

void cert_info_free(struct cert_info *i)
{
    if (i == NULL)
        return;
    free(i->subject);
    free(i->issuer);
    free(i->common_name);
    free(i->serial);
    free(i->key);
    free_list(i->dns);
    free_list(i->ip);
    free_list(i->permitted);
    free(i);
}

int cert_info_days_left(const struct cert_info *i, time_t now)
{
    time_t left = i->not_after - now;
    /* Round down also below zero: one second past the end is day -1, not day 0. */
    return (int)(left >= 0 ? left / DAY_SECONDS : -((-left + DAY_SECONDS - 1) / DAY_SECONDS));
}

unsigned cert_info_warnings(const struct cert_info *i, time_t now)
{
    unsigned w = 0;
    if (i->dns[0] == NULL && i->ip[0] == NULL)
        w |= CERT_WARN_NO_SAN;
    for (char **name = i->dns; *name != NULL; name++)
        w |= names_check_host(*name, NULL) < 0 ? (unsigned)CERT_WARN_BAD_NAME : 0;
    if (now < i->not_before)
        w |= CERT_WARN_NOT_YET;
    if (now > i->not_after)
        w |= CERT_WARN_EXPIRED;
    else if (now >= renew_due(i->not_before, i->not_after))
        w |= CERT_WARN_EXPIRES_SOON;
    if (!i->is_ca && (i->not_after - i->not_before) / DAY_SECONDS > APPLE_MAX_DAYS)
        w |= CERT_WARN_LONG_LIFE;
    return w;
}

const char *cert_warning_text(enum cert_warning one)
{
    switch (one) {
    case CERT_WARN_NO_SAN:
        return N_(
            "it names no host (no subject alternative name): clients that check the server's name will refuse it; make one with `elexgate cert init --host NAME`");
    case CERT_WARN_EXPIRES_SOON:
        return N_("it expires soon: renew it with `elexgate cert renew`, or where it was issued");
    case CERT_WARN_EXPIRED:
        return N_(
            "it has expired: clients refuse it; renew it with `elexgate cert renew`, or where it was issued");
    case CERT_WARN_LONG_LIFE:
        return N_("it is valid for more than 825 days: macOS and iOS refuse that");
    case CERT_WARN_ISSUER_MISSING:
        return N_(
            "the file holds the server's certificate only: add the intermediate certificates of its issuer, if it has any");
    case CERT_WARN_NOT_YET:
        return N_(
            "it is not valid yet: clients refuse it until then; check the clock of this machine");
    case CERT_WARN_CHAIN_ENDS_FIRST:
        return N_(
            "a certificate of its chain ends before it: have the chain renewed by its issuer");
    case CERT_WARN_BAD_NAME:
        return N_(
            "one of its names is no host name: Java, hence Elexis, refuses the whole certificate; have it issued without that name");
    case CERT_WARN_CA_ENDS:
        return N_(
            "it ends together with its CA, and a renewal gains nothing: `elexgate cert renew --new-ca` makes the next CA, which every workstation must be given");
    }
    return "unknown warning";
}

char *cert_date(time_t t, char buf[static CERT_DATE_LEN])
{
    return clock_utc((int64_t)t * 1000, "%Y-%m-%d %H:%M UTC", buf, CERT_DATE_LEN);
}
