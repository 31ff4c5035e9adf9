#include "certs/pkcs12.h"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pkcs12.h>
#include <string.h>

#define TRUSTED_KEY_USAGE "2.16.840.1.113894.746875.1.1"
#define MAC_ROUNDS        2048
#define KEY_ROUNDS        100000
#define KEY_ROUNDS_OLD    2048

static int encode(PKCS12 *p12, char **out, size_t *len, struct err *e)
{
    unsigned char *der = NULL;
    int n = i2d_PKCS12(p12, &der);
    if (n <= 0)
        return err_ssl(e, "the PKCS#12 file cannot be written");
    *out = xmalloc((size_t)n + 1);
    memcpy(*out, der, (size_t)n);
    (*out)[n] = '\0';
    *len = (size_t)n;
    OPENSSL_clear_free(der, (size_t)n);
    return 0;
}

/* One certificate with its name and the mark that Java looks for. */
static bool add_trusted(STACK_OF(PKCS12_SAFEBAG) * *bags, X509 *x, const char *alias)
{
    ASN1_OBJECT *any = OBJ_nid2obj(NID_anyExtendedKeyUsage);
    PKCS12_SAFEBAG *bag = PKCS12_SAFEBAG_create_cert(x);
    if (*bags == NULL)
        *bags = sk_PKCS12_SAFEBAG_new_null();
    /* Length -1 makes OpenSSL take the pointer as an ASN1_OBJECT. */
    bool ok = bag != NULL && *bags != NULL && PKCS12_add_friendlyname_utf8(bag, alias, -1) == 1 &&
              PKCS12_add1_attr_by_txt(
                  bag, TRUSTED_KEY_USAGE, V_ASN1_OBJECT, (const unsigned char *)any, -1) == 1;
    if (ok)
        ok = sk_PKCS12_SAFEBAG_push(*bags, bag) > 0;
    if (!ok)
        PKCS12_SAFEBAG_free(bag);
    return ok;
}

int pkcs12_trust_store(STACK_OF(X509) * roots, const char *alias, const char *password, char **out,
    size_t *len, struct err *e)
{
    STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
    STACK_OF(PKCS7) *safes = NULL;
    PKCS12 *p12 = NULL;
    bool ok = true;
    ERR_clear_error();
    for (int i = 0; ok && i < sk_X509_num(roots); i++) {
        _cleanup_free_ char *name = i == 0 ? xstrdup(alias) : xasprintf("%s-%d", alias, i + 1);
        ok = add_trusted(&bags, sk_X509_value(roots, i), name);
    }
    ok = ok && PKCS12_add_safe(&safes, bags, -1, 0, NULL) == 1; /* -1: not encrypted */
    p12 = ok ? PKCS12_add_safes(safes, 0) : NULL;
    ok = p12 != NULL && PKCS12_set_mac(p12, password, -1, NULL, 0, MAC_ROUNDS, EVP_sha1()) == 1;
    int r = ok ? encode(p12, out, len, e) : err_ssl(e, "the trust store cannot be made");
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    sk_PKCS7_pop_free(safes, PKCS7_free);
    PKCS12_free(p12);
    return r;
}

int pkcs12_key_store(EVP_PKEY *key, X509 *leaf, STACK_OF(X509) * issuers, const char *name,
    const char *password, bool old_format, char **out, size_t *len, struct err *e)
{
    ERR_clear_error();
    int cipher = old_format ? NID_pbe_WithSHA1And3_Key_TripleDES_CBC : NID_aes_256_cbc;
    int rounds = old_format ? KEY_ROUNDS_OLD : KEY_ROUNDS;
    /* MAC rounds -1: the MAC is set below, because PKCS12_create always takes SHA-256 for it. */
    PKCS12 *p12 = PKCS12_create(password, name, key, leaf, issuers, cipher, cipher, rounds, -1, 0);
    bool ok = p12 != NULL && PKCS12_set_mac(p12, password, -1, NULL, 0, rounds,
                                 old_format ? EVP_sha1() : EVP_sha256()) == 1;
    int r = ok ? encode(p12, out, len, e) : err_ssl(e, "the PKCS#12 file cannot be made");
    PKCS12_free(p12);
    return r;
}
