/*
 * What `elexgate cert install` and the proxy do to a file from outside: recognise its form, put a
 * chain in order, judge it, describe every certificate. A refusal always has words.
 *
 * Certificates are never committed, so the corpus holds edits: byte 0 chooses a form of a pair that
 * is made at the start, each further three bytes are an offset and what is XORed there. Byte 0 with
 * its high bit set: the rest is taken as it is. What is encrypted opens with PASSPHRASE.
 */
#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <openssl/pkcs7.h>
#include <stdint.h>
#include <string.h>

#include "certs/chain.h"
#include "certs/pair.h"
#include "certs/make.h"
#include "certs/pem.h"
#include "certs/pkcs12.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void describe(X509 *x)
{
    struct cert_info *i = NULL;
    struct err e = {0};
    if (cert_info_new(x, &i, &e) == 0) {
        CHECK(strlen(i->fingerprint_sha256) == 64 && i->dns != NULL && i->ip != NULL);
        CHECK(cert_info_warnings(i, i->not_after) < 2 * CERT_WARN_LAST);
        cert_info_free(i);
    } else {
        CHECK(e.text[0] != '\0');
    }
}

static void judge(const struct pem_bag *bag)
{
    STACK_OF(X509) *chain = NULL;
    struct cert_pair *pair = NULL;
    struct err e = {0};
    if (bag->key == NULL ||
        chain_build(bag->certs, bag->key, NULL, time(NULL), "x", &chain, &e) < 0)
        return;
    if (cert_pair_make(chain, bag->key, NULL, "c", "k", &pair, &e) < 0)
        CHECK(e.text[0] != '\0');
    cert_pair_unref(pair);
    sk_X509_pop_free(chain, X509_free);
}

enum form { PEM_BOTH, DER_CERT, DER_KEY, PKCS12_BOTH, PKCS7_CERTS, DER_SEALED, FORMS };
#define PASSPHRASE "fuzz"
static struct base {
    char *data;
    size_t len;
} bases[FORMS];

static void take_der(struct base *b, unsigned char *der, int len)
{
    CHECK(len > 0);
    b->data = xmalloc((size_t)len);
    memcpy(b->data, der, (size_t)len);
    b->len = (size_t)len;
    OPENSSL_free(der);
}

static void make_bases(void)
{
    EVP_PKEY *ca_key = NULL, *key = NULL;
    X509 *ca = NULL, *leaf = NULL;
    unsigned char *der = NULL;
    size_t cert_len, key_len;
    struct cert_names names = {0};
    struct names permit = {0};
    struct make_subject s = {.common_name = "fuzz", .organisation = "Praxis"};
    CHECK(cert_names_add_host(&names, "a.lan", NULL) == 0);
    CHECK(cert_names_add_ip(&names, "fd00::1", NULL) == 0);
    names_default_permit(&names, &permit);
    CHECK(make_key(MAKE_KEY_P256, &ca_key, NULL) == 0 && make_key(MAKE_KEY_P256, &key, NULL) == 0);
    CHECK(make_ca(&s, ca_key, &permit, 100, 1800000000, &ca, NULL) == 0);
    struct make_signer signer = {ca, ca_key};
    CHECK(make_server(&s, &names, key, &signer, 50, 1800000000, &leaf, NULL) == 0);
    STACK_OF(X509) *chain = sk_X509_new_null();
    CHECK(sk_X509_push(chain, leaf) > 0 && sk_X509_push(chain, ca) > 0);
    char *certs = pem_write_certs(chain, &cert_len), *key_pem = pem_write_key(key, NULL, &key_len);
    bases[PEM_BOTH].data = xasprintf("%s%s", certs, key_pem);
    bases[PEM_BOTH].len = cert_len + key_len;
    int len = i2d_X509(leaf, &der);
    take_der(&bases[DER_CERT], der, len);
    der = NULL;
    len = i2d_PrivateKey(key, &der);
    take_der(&bases[DER_KEY], der, len);
    der = NULL;
    PKCS7 *p7 = PKCS7_new();
    CHECK(PKCS7_set_type(p7, NID_pkcs7_signed) == 1 && PKCS7_content_new(p7, NID_pkcs7_data) == 1 &&
          PKCS7_add_certificate(p7, leaf) == 1 && PKCS7_add_certificate(p7, ca) == 1);
    len = i2d_PKCS7(p7, &der);
    take_der(&bases[PKCS7_CERTS], der, len);
    PKCS7_free(p7);
    der = NULL;
    PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(key);
    X509_SIG *sealed = PKCS8_encrypt(-1, EVP_aes_256_cbc(), PASSPHRASE, sizeof PASSPHRASE - 1, NULL,
        0, 1, p8); /* one round: fast */
    CHECK(p8 != NULL && sealed != NULL);
    len = i2d_X509_SIG(sealed, &der);
    take_der(&bases[DER_SEALED], der, len);
    X509_SIG_free(sealed);
    PKCS8_PRIV_KEY_INFO_free(p8);
    CHECK(pkcs12_key_store(key, leaf, chain, "fuzz", PASSPHRASE, true, &bases[PKCS12_BOTH].data,
              &bases[PKCS12_BOTH].len, NULL) == 0);
    free(certs);
    pem_wipe(key_pem, key_len);
    sk_X509_pop_free(chain, X509_free);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
    cert_names_clear(&names);
    names_clear(&permit);
}

/* malloc'ed, with a NUL behind the end as file_read gives it. */
static char *make_input(const uint8_t *data, size_t size, size_t *len)
{
    if (size == 0 || data[0] >= 0x80) {
        *len = size > 0 ? size - 1 : 0;
        char *raw = xcalloc(1, *len + 1);
        memcpy(raw, data + (size > 0), *len);
        return raw;
    }
    const struct base *b = &bases[data[0] % FORMS];
    char *text = xcalloc(1, b->len + 1);
    memcpy(text, b->data, b->len);
    for (size_t i = 1; i + 2 < size; i += 3)
        text[(data[i] * 256u + data[i + 1]) % b->len] ^= (char)data[i + 2];
    *len = b->len;
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pem_bag bag = {0};
    struct err e = {0};
    size_t len;
    if (bases[0].data == NULL)
        make_bases();
    char *text = make_input(data, size, &len);
    bool untold = size > 1 && data[0] < 0x80 && data[1] == 1; /* an encrypted one without a word */
    int r = pem_parse_any(text, len, "x", untold ? NULL : PASSPHRASE, &bag, &e);
    CHECK(r == 0 || size != 1 || data[0] >= FORMS); /* as they were made, all are understood */
    if (r == 0) {
        CHECK(bag.key != NULL || sk_X509_num(bag.certs) > 0);
        for (int i = 0; i < sk_X509_num(bag.certs); i++)
            describe(sk_X509_value(bag.certs, i));
        judge(&bag);
    } else {
        CHECK(e.text[0] != '\0' && bag.certs == NULL && bag.key == NULL);
    }
    ERR_clear_error();
    pem_bag_clear(&bag);
    free(text);
    return 0;
}
