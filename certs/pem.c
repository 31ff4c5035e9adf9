#include "certs/pem.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include "certs/pair.h"
#include "certs/pem_der.h"
#include "common/file.h"

/* PKCS#8 key encryption: rounds of PBKDF2 with HMAC-SHA-256, what OWASP asks for in 2023. */
#define KEY_PBKDF2_ROUNDS 600000

void pem_cleanup_x509s(STACK_OF(X509) * *s)
{
    sk_X509_pop_free(*s, X509_free);
}

void pem_cleanup_x509(X509 **x)
{
    X509_free(*x);
}

void pem_cleanup_pkey(EVP_PKEY **k)
{
    EVP_PKEY_free(*k);
}

int pem_read_file(const char *path, char **out, size_t *len, struct err *e)
{
    int r = file_read(path, CERT_FILE_MAX, out, len, e);
    if (r == -EFBIG) {
        return err_set(e, EFBIG,
            "%s is larger than 1 MB, so it is neither a certificate nor a key: check the path",
            path);
    }
    return r;
}

static BIO *memory(const char *data, size_t len)
{
    BIO *b = BIO_new_mem_buf(data, (int)len);
    CHECK(b != NULL);
    return b;
}

static bool has_marker(const char *data, size_t len, const char *marker)
{
    return memmem(data, len, marker, strlen(marker)) != NULL;
}

static int no_certificate(const char *data, size_t len, const char *name, struct err *e)
{
    if (has_marker(data, len, "PRIVATE KEY-----")) {
        return err_set(e, EBADMSG,
            "%s holds a private key but no certificate: were certificate and key mixed up?", name);
    }
    if (has_marker(data, len, "-----BEGIN CERTIFICATE REQUEST")) {
        return err_set(e, EBADMSG,
            "%s is a request for a certificate (CSR), not a certificate: have it signed first",
            name);
    }
    if (pem_der_is_utf16(data, len)) {
        return err_set(
            e, EBADMSG, "%s is text in UTF-16, as Windows may write it: save it as UTF-8", name);
    }
    return err_set(e, EBADMSG,
        "%s holds no PEM certificate (-----BEGIN CERTIFICATE-----): other forms are converted by `elexgate cert install`",
        name);
}

/* The same for those who are at it already. */
static int no_certificate_to_install(const char *data, size_t len, const char *name, struct err *e)
{
    int r = no_certificate(data, len, name, e);
    if (e != NULL && strstr(e->text, "`elexgate cert install`") != NULL) {
        r = err_set(e, EBADMSG,
            "%s holds neither a certificate nor a key that is understood: PEM (-----BEGIN CERTIFICATE-----), DER, PKCS#7 and PKCS#12 are; ask its issuer for one of them",
            name);
    }
    return r;
}

/* OpenSSL's reason in the text, but the code says that the content is at fault. */
static int damaged(struct err *e)
{
    if (e != NULL)
        e->code = EBADMSG;
    return -EBADMSG;
}

/* True when the last PEM read ended because there was no further block. Empties the error queue. */
static bool ended_cleanly(void)
{
    unsigned long why = ERR_peek_last_error();
    bool clean = ERR_GET_LIB(why) == ERR_LIB_PEM && ERR_GET_REASON(why) == PEM_R_NO_START_LINE;
    if (clean)
        ERR_clear_error();
    return clean;
}

static int read_certs(BIO *b, const char *name, STACK_OF(X509) * certs, struct err *e)
{
    X509 *x;
    ERR_clear_error();
    /* PEM_read_bio_X509 skips blocks of other kinds, as the key in a combined file. */
    while ((x = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL) {
        CHECK(sk_X509_push(certs, x) > 0);
        if (sk_X509_num(certs) > PEM_CERTS_MAX) {
            return err_set(e, EINVAL,
                "%s holds more than %d certificates: it must hold the server's and its issuers only",
                name, PEM_CERTS_MAX);
        }
    }
    if (!ended_cleanly()) {
        (void)err_ssl(e, "certificate number %d in %s is damaged", sk_X509_num(certs) + 1, name);
        return damaged(e);
    }
    return 0;
}

int pem_parse_chain(
    const char *data, size_t len, const char *name, STACK_OF(X509) * *out, struct err *e)
{
    _cleanup_x509s_ STACK_OF(X509) *certs = sk_X509_new_null();
    CHECK(certs != NULL);
    BIO *b = memory(data, len);
    int r = read_certs(b, name, certs, e);
    BIO_free(b);
    if (r == 0 && sk_X509_num(certs) == 0)
        r = no_certificate(data, len, name, e);
    if (r < 0)
        return r;
    *out = certs;
    certs = NULL;
    return 0;
}

static int no_key(
    const char *data, size_t len, const char *name, const struct pem_der_password *p, struct err *e)
{
    if (p->asked && p->text == NULL) {
        ERR_clear_error();
        return err_set(e, EINVAL,
            "the private key in %s is encrypted and no password was given: the proxy starts unattended and needs a key without one; `elexgate cert install` converts it",
            name);
    }
    if (p->asked) {
        ERR_clear_error();
        return err_set(e, EINVAL, "the password does not open the private key in %s", name);
    }
    if (has_marker(data, len, "PRIVATE KEY-----")) {
        (void)err_ssl(e, "the private key in %s is damaged", name);
        return damaged(e);
    }
    ERR_clear_error();
    if (has_marker(data, len, "-----BEGIN CERTIFICATE-----")) {
        return err_set(e, EBADMSG,
            "%s holds a certificate but no private key: were certificate and key mixed up?", name);
    }
    return err_set(e, EBADMSG, "%s holds no PEM private key (-----BEGIN PRIVATE KEY-----)", name);
}

int pem_parse_key(const char *data, size_t len, const char *name, const char *passphrase,
    EVP_PKEY **out, struct err *e)
{
    struct pem_der_password p = {.text = passphrase};
    BIO *b = memory(data, len);
    ERR_clear_error();
    EVP_PKEY *k = PEM_read_bio_PrivateKey(b, NULL, pem_der_give_password, &p);
    BIO_free(b);
    if (k == NULL)
        return no_key(data, len, name, &p, e);
    ERR_clear_error();
    *out = k;
    return 0;
}

static int parse_pem(const char *data, size_t len, const char *name, const char *passphrase,
    struct pem_bag *bag, struct err *e)
{
    BIO *b = memory(data, len);
    int r = read_certs(b, name, bag->certs, e);
    BIO_free(b);
    if (r == 0 && has_marker(data, len, "-----BEGIN PKCS7-----")) {
        BIO *again = memory(data, len);
        (void)pem_der_take_pkcs7(PEM_read_bio_PKCS7(again, NULL, NULL, NULL), bag);
        BIO_free(again);
        ERR_clear_error();
    }
    if (r == 0 && has_marker(data, len, "PRIVATE KEY-----"))
        r = pem_parse_key(data, len, name, passphrase, &bag->key, e);
    if (r == 0 && sk_X509_num(bag->certs) == 0 && bag->key == NULL)
        r = no_certificate_to_install(data, len, name, e);
    return r;
}

int pem_parse_any(const char *data, size_t len, const char *name, const char *passphrase,
    struct pem_bag *out, struct err *e)
{
    struct pem_bag bag = {.certs = sk_X509_new_null()};
    CHECK(bag.certs != NULL);
    ERR_clear_error();
    int r = has_marker(data, len, "-----BEGIN ")
                ? parse_pem(data, len, name, passphrase, &bag, e)
                : pem_der_parse(data, len, name, passphrase, &bag, e);
    ERR_clear_error();
    if (r < 0) {
        pem_bag_clear(&bag);
        return r;
    }
    *out = bag;
    return 0;
}

void pem_bag_clear(struct pem_bag *bag)
{
    sk_X509_pop_free(bag->certs, X509_free);
    EVP_PKEY_free(bag->key);
    *bag = (struct pem_bag){0};
}

static char *bio_copy(BIO *b, size_t *len)
{
    char *data = NULL;
    long n = BIO_get_mem_data(b, &data);
    CHECK(n > 0);
    char *s = xmalloc((size_t)n + 1);
    memcpy(s, data, (size_t)n);
    s[n] = '\0';
    *len = (size_t)n;
    BIO_free(b);
    return s;
}

char *pem_write_certs(STACK_OF(X509) * certs, size_t *len)
{
    BIO *b = BIO_new(BIO_s_mem());
    CHECK(b != NULL);
    for (int i = 0; i < sk_X509_num(certs); i++)
        CHECK(PEM_write_bio_X509(b, sk_X509_value(certs, i)) == 1);
    return bio_copy(b, len);
}

/* The explicit way round, because PEM_write_bio_PKCS8PrivateKey takes 2048 rounds of PBKDF2. */
static X509_SIG *encrypt_key(EVP_PKEY *key, const char *passphrase)
{
    PKCS8_PRIV_KEY_INFO *plain = EVP_PKEY2PKCS8(key);
    CHECK(plain != NULL);
    X509_SIG *sealed = PKCS8_encrypt(NID_hmacWithSHA256, EVP_aes_256_cbc(), passphrase,
        (int)strlen(passphrase), NULL, 0, KEY_PBKDF2_ROUNDS, plain);
    PKCS8_PRIV_KEY_INFO_free(plain);
    CHECK(sealed != NULL);
    return sealed;
}

char *pem_write_key(EVP_PKEY *key, const char *passphrase, size_t *len)
{
    BIO *b = BIO_new(BIO_s_secmem());
    CHECK(b != NULL);
    if (passphrase != NULL) {
        X509_SIG *sealed = encrypt_key(key, passphrase);
        CHECK(PEM_write_bio_PKCS8(b, sealed) == 1);
        X509_SIG_free(sealed);
    } else {
        CHECK(PEM_write_bio_PKCS8PrivateKey(b, key, NULL, NULL, 0, NULL, NULL) == 1);
    }
    return bio_copy(b, len);
}

int pem_parse_request(const char *data, size_t len, const char *name, X509_REQ **out, struct err *e)
{
    BIO *b = memory(data, len);
    ERR_clear_error();
    X509_REQ *req = PEM_read_bio_X509_REQ(b, NULL, NULL, NULL);
    BIO_free(b);
    if (req == NULL) {
        ERR_clear_error();
        return err_set(e, EBADMSG,
            "%s holds no request for a certificate (-----BEGIN CERTIFICATE REQUEST-----)", name);
    }
    *out = req;
    return 0;
}

char *pem_write_request(X509_REQ *req, size_t *len)
{
    BIO *b = BIO_new(BIO_s_mem());
    CHECK(b != NULL && PEM_write_bio_X509_REQ(b, req) == 1);
    return bio_copy(b, len);
}

char *pem_write_crl(X509_CRL *crl, size_t *len)
{
    BIO *b = BIO_new(BIO_s_mem());
    CHECK(b != NULL && PEM_write_bio_X509_CRL(b, crl) == 1);
    return bio_copy(b, len);
}

int pem_parse_crls(
    const char *data, size_t len, const char *name, STACK_OF(X509_CRL) * *out, struct err *e)
{
    STACK_OF(X509_CRL) *all = sk_X509_CRL_new_null();
    BIO *b = memory(data, len);
    X509_CRL *crl;
    CHECK(all != NULL);
    ERR_clear_error();
    while ((crl = PEM_read_bio_X509_CRL(b, NULL, NULL, NULL)) != NULL)
        CHECK(sk_X509_CRL_push(all, crl) > 0);
    BIO_free(b);
    if (ended_cleanly() && sk_X509_CRL_num(all) > 0) {
        *out = all;
        return 0;
    }
    int n = sk_X509_CRL_num(all);
    sk_X509_CRL_pop_free(all, X509_CRL_free);
    if (ERR_peek_error() != 0) {
        (void)err_ssl(e, "revocation list number %d in %s is damaged", n + 1, name);
        return damaged(e);
    }
    return err_set(e, EBADMSG, "%s holds no revocation list (-----BEGIN X509 CRL-----)", name);
}

void pem_wipe(char *text, size_t len)
{
    if (text != NULL) {
        OPENSSL_cleanse(text, len);
        free(text);
    }
}
