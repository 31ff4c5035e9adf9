#include "certs/make.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "certs/pem.h"

#define SERIAL_BITS      127
#define BACKDATE_SECONDS 3600
#define DAY_SECONDS      86400
#define CN_MAX           64
#define RSA_BITS         3072
#define REQUEST_RSA_MIN  2048

int make_key(enum make_key_kind kind, EVP_PKEY **out, struct err *e)
{
    EVP_PKEY *k = NULL;
    ERR_clear_error();
    switch (kind) {
    case MAKE_KEY_P256:
        k = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
        break;
    case MAKE_KEY_RSA3072:
        k = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)RSA_BITS);
        break;
    case MAKE_KEY_ED25519:
        k = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        break;
    }
    if (k == NULL)
        return err_ssl(e, "no private key could be made");
    *out = k;
    return 0;
}

static int add_part(X509_NAME *n, const char *field, const char *value, struct err *e)
{
    if (value == NULL || value[0] == '\0')
        return 0;
    ERR_clear_error();
    if (X509_NAME_add_entry_by_txt(
            n, field, MBSTRING_UTF8, (const unsigned char *)value, -1, -1, 0) != 1)
        return err_ssl(e, "\"%s\" cannot stand in a certificate as %s", value, field);
    return 0;
}

static int fill_name(X509_NAME *n, const struct make_subject *s, struct err *e)
{
    const struct {
        const char *field, *value;
    } parts[] = {{"C", s->country}, {"ST", s->state}, {"L", s->locality}, {"O", s->organisation},
        {"OU", s->unit}, {"CN", s->common_name}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        /* A long host name stands in the SANs anyway. */
        bool too_long = i == 5 && parts[i].value != NULL && strlen(parts[i].value) > CN_MAX;
        int r = too_long ? 0 : add_part(n, parts[i].field, parts[i].value, e);
        if (r < 0)
            return r;
    }
    return 0;
}

static int set_serial(X509 *x, struct err *e)
{
    BIGNUM *bn = BN_new();
    CHECK(bn != NULL);
    bool ok = BN_rand(bn, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
              !BN_is_zero(bn) && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x)) != NULL;
    BN_free(bn);
    return ok ? 0 : err_ssl(e, "no random serial number could be made");
}

static int set_dates(X509 *x, const X509 *ca, int days, time_t now, struct err *e)
{
    time_t from = now - BACKDATE_SECONDS, to = now + (time_t)days * DAY_SECONDS;
    CHECK(X509_time_adj_ex(X509_getm_notBefore(x), 0, 0, &from) != NULL);
    CHECK(X509_time_adj_ex(X509_getm_notAfter(x), 0, 0, &to) != NULL);
    if (ca == NULL)
        return 0;
    if (X509_cmp_time(X509_get0_notAfter(ca), &now) < 0) {
        return err_set(e, EKEYEXPIRED,
            "the CA has expired and can issue nothing more: `elexgate cert renew --new-ca` makes the next one, which every workstation must be given");
    }
    /* Ends, and where the CA is younger than an hour starts, not outside of the CA's own time. */
    if (ASN1_TIME_compare(X509_get0_notAfter(x), X509_get0_notAfter(ca)) > 0)
        CHECK(X509_set1_notAfter(x, X509_get0_notAfter(ca)) == 1);
    if (ASN1_TIME_compare(X509_get0_notBefore(x), X509_get0_notBefore(ca)) < 0)
        CHECK(X509_set1_notBefore(x, X509_get0_notBefore(ca)) == 1);
    return 0;
}

static int add_text_ext(X509 *x, X509 *issuer, int nid, const char *value, struct err *e)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = ext != NULL && X509_add_ext(x, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return ok ? 0 : err_ssl(e, "the extension %s could not be made", value);
}

struct extension {
    int nid;
    const char *value;
};

/* rows end with {0}. */
static int add_extensions(X509 *x, const struct extension *rows, struct err *e)
{
    int r = 0;
    for (; r == 0 && rows->value != NULL; rows++)
        r = add_text_ext(x, x, rows->nid, rows->value, e);
    return r;
}

static void hand_out(X509 **x, X509 **out)
{
    *out = *x;
    *x = NULL;
}

/* A certificate with key, dates, serial and identifiers; names and usage are the caller's. */
static int start(EVP_PKEY *subject_key, const struct make_signer *signer, int days, time_t now,
    X509 **out, struct err *e)
{
    _cleanup_x509_ X509 *x = X509_new();
    CHECK(x != NULL && X509_set_version(x, X509_VERSION_3) == 1);
    ERR_clear_error();
    int r = set_serial(x, e);
    if (r == 0)
        r = set_dates(x, signer->cert, days, now, e);
    if (r == 0 && X509_set_pubkey(x, subject_key) != 1)
        r = err_ssl(e, "the public key could not be set");
    if (r == 0)
        r = add_text_ext(x, x, NID_subject_key_identifier, "hash", e);
    if (r == 0 && signer->cert != NULL)
        r = add_text_ext(x, signer->cert, NID_authority_key_identifier, "keyid:always", e);
    if (r == 0)
        hand_out(&x, out);
    return r;
}

static const EVP_MD *digest_for(EVP_PKEY *key)
{
    int kind = EVP_PKEY_get_base_id(key);
    return kind == EVP_PKEY_ED25519 || kind == EVP_PKEY_ED448 ? NULL : EVP_sha256();
}

/* Signs it and hands it out. */
static int finish(X509 **x, const struct make_signer *signer, X509 **out, struct err *e)
{
    X509_NAME *issuer = X509_get_subject_name(signer->cert != NULL ? signer->cert : *x);
    CHECK(X509_set_issuer_name(*x, issuer) == 1);
    if (X509_sign(*x, signer->key, digest_for(signer->key)) == 0)
        return err_ssl(e, "the certificate could not be signed");
    hand_out(x, out);
    return 0;
}

static int add_constraints(X509 *x, const struct names *permit, struct err *e)
{
    NAME_CONSTRAINTS *nc = NULL;
    int r = names_constraints(permit, &nc, e);
    if (r < 0)
        return r;
    bool ok = X509_add1_ext_i2d(x, NID_name_constraints, nc, 1, X509V3_ADD_DEFAULT) == 1;
    NAME_CONSTRAINTS_free(nc);
    return ok ? 0 : err_ssl(e, "the name constraints could not be set");
}

int make_ca(const struct make_subject *s, EVP_PKEY *key, const struct names *permit, int days,
    time_t now, X509 **out, struct err *e)
{
    static const struct extension usage[] = {{NID_basic_constraints, "critical,CA:TRUE,pathlen:1"},
        {NID_key_usage, "critical,keyCertSign,cRLSign"}, {0}};
    struct make_signer self = {.key = key};
    _cleanup_x509_ X509 *x = NULL;
    int r = start(key, &self, days, now, &x, e);
    if (r == 0)
        r = fill_name(X509_get_subject_name(x), s, e);
    if (r == 0)
        r = add_extensions(x, usage, e);
    if (r == 0 && permit != NULL)
        r = add_constraints(x, permit, e);
    return r < 0 ? r : finish(&x, &self, out, e);
}

static int add_san(X509 *x, GENERAL_NAMES *san, struct err *e)
{
    if (sk_GENERAL_NAME_num(san) == 0) {
        return err_set(e, EINVAL,
            "a server certificate needs at least one name: give --host NAME or --ip ADDRESS");
    }
    /* Critical only where the subject is empty, RFC 5280 4.2.1.6. */
    int critical = X509_NAME_entry_count(X509_get_subject_name(x)) == 0;
    if (X509_add1_ext_i2d(x, NID_subject_alt_name, san, critical, X509V3_ADD_DEFAULT) != 1)
        return err_ssl(e, "the names could not be set");
    return 0;
}

static int add_server_usage(X509 *x, EVP_PKEY *key, struct err *e)
{
    /* keyEncipherment is for TLS 1.2 without forward secrecy; programs that cannot do better still
     * look for it. */
    const char *usage = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA
                            ? "critical,digitalSignature,keyEncipherment"
                            : "critical,digitalSignature";
    const struct extension rows[] = {{NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, usage}, {NID_ext_key_usage, "serverAuth"}, {0}};
    return add_extensions(x, rows, e);
}

/* GnuTLS holds any common name for a host name when there is no other, and the CA's constraints
 * then forbid "Elexgate 10.0.0.5". What can be no host name gives way to one that they always
 * permit; what can be one is a claim, and stays for the constraints to judge. */
static void fit_common_name(X509_NAME *n, GENERAL_NAMES *san)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(san); i++)
        if (sk_GENERAL_NAME_value(san, i)->type == GEN_DNS)
            return;
    for (int at = -1; (at = X509_NAME_get_index_by_NID(n, NID_commonName, at)) >= 0;) {
        unsigned char *text = NULL;
        const ASN1_STRING *s = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(n, at));
        int len = ASN1_STRING_to_UTF8(&text, s);
        bool host = len > 0 && strlen((char *)text) == (size_t)len &&
                    names_check_host((char *)text, NULL) == 0;
        OPENSSL_free(text);
        if (!host) {
            X509_NAME_ENTRY_free(X509_NAME_delete_entry(n, at));
            CHECK(X509_NAME_add_entry_by_NID(n, NID_commonName, MBSTRING_UTF8,
                      (unsigned char *)(uintptr_t)MAKE_ADDRESS_ONLY_NAME, -1, at, 0) == 1);
        }
    }
}

/* Takes over san. */
static int server_leaf(X509_NAME *subject, GENERAL_NAMES *san, EVP_PKEY *key,
    const struct make_signer *signer, int days, time_t now, X509 **out, struct err *e)
{
    _cleanup_x509_ X509 *x = NULL;
    int r = start(key, signer, days, now, &x, e);
    if (r == 0) {
        CHECK(X509_set_subject_name(x, subject) == 1);
        if (signer->cert != NULL)
            fit_common_name(X509_get_subject_name(x), san);
        r = add_server_usage(x, key, e);
    }
    if (r == 0)
        r = add_san(x, san, e);
    if (r == 0)
        r = finish(&x, signer, out, e);
    GENERAL_NAMES_free(san);
    return r;
}

int make_server(const struct make_subject *s, const struct cert_names *names, EVP_PKEY *subject_key,
    const struct make_signer *signer, int days, time_t now, X509 **out, struct err *e)
{
    X509_NAME *subject = X509_NAME_new();
    CHECK(subject != NULL);
    int r = fill_name(subject, s, e);
    if (r == 0)
        r = server_leaf(subject, cert_names_san(names), subject_key, signer, days, now, out, e);
    X509_NAME_free(subject);
    return r;
}

int make_again(const X509 *old, const struct cert_names *names, EVP_PKEY *subject_key,
    const struct make_signer *signer, int days, time_t now, X509 **out, struct err *e)
{
    return server_leaf(
        X509_get_subject_name(old), cert_names_san(names), subject_key, signer, days, now, out, e);
}

int make_client(const char *name, EVP_PKEY *subject_key, const struct make_signer *signer, int days,
    time_t now, X509 **out, struct err *e)
{
    static const struct extension usage[] = {{NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, "critical,digitalSignature"}, {NID_ext_key_usage, "clientAuth"}, {0}};
    _cleanup_x509_ X509 *x = NULL;
    struct make_subject s = {.common_name = name};
    int r = names_check_client(name, e);
    if (r == 0)
        r = start(subject_key, signer, days, now, &x, e);
    if (r == 0)
        r = fill_name(X509_get_subject_name(x), &s, e);
    if (r == 0)
        r = add_extensions(x, usage, e);
    return r < 0 ? r : finish(&x, signer, out, e);
}

int make_request(const struct make_subject *s, const struct cert_names *names, EVP_PKEY *key,
    X509_REQ **out, struct err *e)
{
    X509_REQ *req = X509_REQ_new();
    STACK_OF(X509_EXTENSION) *exts = NULL;
    GENERAL_NAMES *san = cert_names_san(names);
    CHECK(req != NULL && X509_REQ_set_version(req, X509_REQ_VERSION_1) == 1);
    ERR_clear_error();
    int r = fill_name(X509_REQ_get_subject_name(req), s, e);
    if (r == 0 && sk_GENERAL_NAME_num(san) == 0) {
        r = err_set(
            e, EINVAL, "a request needs at least one name: give --host NAME or --ip ADDRESS");
    }
    if (r == 0) {
        bool ok = X509_REQ_set_pubkey(req, key) == 1 &&
                  X509V3_add1_i2d(&exts, NID_subject_alt_name, san, 0, X509V3_ADD_DEFAULT) == 1 &&
                  X509_REQ_add_extensions(req, exts) == 1 &&
                  X509_REQ_sign(req, key, digest_for(key)) > 0;
        r = ok ? 0 : err_ssl(e, "the request could not be made");
    }
    sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
    GENERAL_NAMES_free(san);
    if (r < 0) {
        X509_REQ_free(req);
        return r;
    }
    *out = req;
    return 0;
}

static int check_request(X509_REQ *req, struct err *e)
{
    EVP_PKEY *k = X509_REQ_get0_pubkey(req);
    if (k == NULL || X509_REQ_verify(req, k) != 1) {
        ERR_clear_error();
        return err_set(e, EBADMSG,
            "the request's signature is wrong: it was damaged or changed on the way, make it anew");
    }
    if (EVP_PKEY_get_base_id(k) == EVP_PKEY_RSA && EVP_PKEY_get_bits(k) < REQUEST_RSA_MIN) {
        return err_set(e, EINVAL, "the request's RSA key has %d bits, at least %d are needed",
            EVP_PKEY_get_bits(k), REQUEST_RSA_MIN);
    }
    return 0;
}

/* The SANs of a request; an empty list when it has none. */
static GENERAL_NAMES *request_san(X509_REQ *req)
{
    STACK_OF(X509_EXTENSION) *exts = X509_REQ_get_extensions(req);
    GENERAL_NAMES *san = X509V3_get_d2i(exts, NID_subject_alt_name, NULL, NULL);
    sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
    ERR_clear_error();
    return san != NULL ? san : GENERAL_NAMES_new();
}

int make_from_request(X509_REQ *req, const struct make_signer *signer, int days, time_t now,
    X509 **out, struct err *e)
{
    int r = check_request(req, e);
    if (r < 0)
        return r;
    GENERAL_NAMES *san = request_san(req);
    CHECK(san != NULL);
    return server_leaf(
        X509_REQ_get_subject_name(req), san, X509_REQ_get0_pubkey(req), signer, days, now, out, e);
}

static int add_revoked(X509_CRL *crl, const struct make_revoked *entry, struct err *e)
{
    BIGNUM *bn = NULL;
    ASN1_TIME *at = ASN1_TIME_set(NULL, entry->at);
    X509_REVOKED *rev = X509_REVOKED_new();
    ASN1_INTEGER *serial = BN_hex2bn(&bn, entry->serial) > 0 ? BN_to_ASN1_INTEGER(bn, NULL) : NULL;
    CHECK(at != NULL && rev != NULL);
    bool ok = serial != NULL && X509_REVOKED_set_serialNumber(rev, serial) == 1 &&
              X509_REVOKED_set_revocationDate(rev, at) == 1 && X509_CRL_add0_revoked(crl, rev) == 1;
    if (!ok)
        X509_REVOKED_free(rev);
    BN_free(bn);
    ASN1_INTEGER_free(serial);
    ASN1_TIME_free(at);
    return ok ? 0 : err_set(e, EINVAL, "\"%s\" is not a serial number", entry->serial);
}

/* The CRL's number must grow: seconds since 1970 do. */
static int add_crl_extensions(X509_CRL *crl, X509 *ca, time_t now, struct err *e)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, ca, NULL, NULL, crl, 0);
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    CHECK(number != NULL && ASN1_INTEGER_set_int64(number, now) == 1);
    X509_EXTENSION *aki = X509V3_EXT_conf_nid(
        NULL, &ctx, NID_authority_key_identifier, "keyid:always");
    bool ok = aki != NULL && X509_CRL_add_ext(crl, aki, -1) == 1 &&
              X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, X509V3_ADD_DEFAULT) == 1;
    X509_EXTENSION_free(aki);
    ASN1_INTEGER_free(number);
    return ok ? 0 : err_ssl(e, "the revocation list could not be made");
}

int make_crl(const struct make_signer *signer, const struct make_revoked *revoked, size_t n,
    time_t now, X509_CRL **out, struct err *e)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *at = ASN1_TIME_set(NULL, now);
    CHECK(crl != NULL && at != NULL && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1);
    CHECK(X509_CRL_set_issuer_name(crl, X509_get_subject_name(signer->cert)) == 1);
    CHECK(X509_CRL_set1_lastUpdate(crl, at) == 1);
    CHECK(X509_CRL_set1_nextUpdate(crl, X509_get0_notAfter(signer->cert)) == 1);
    ASN1_TIME_free(at);
    ERR_clear_error();
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++)
        r = add_revoked(crl, &revoked[i], e);
    if (r == 0)
        r = add_crl_extensions(crl, signer->cert, now, e);
    if (r == 0) {
        X509_CRL_sort(crl);
        if (X509_CRL_sign(crl, signer->key, digest_for(signer->key)) <= 0)
            r = err_ssl(e, "the revocation list could not be signed");
    }
    if (r < 0) {
        X509_CRL_free(crl);
        return r;
    }
    *out = crl;
    return 0;
}
