#include "certs/pem_der.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <string.h>

/* Checking the password of a PKCS#12 file takes a second at this number; a damaged file may ask for
 * 2^31. */
#define PKCS12_ROUNDS_MAX 2000000

int pem_der_give_password(char *buf, int size, int writing, void *ctx)
{
    struct pem_der_password *p = ctx;
    (void)writing;
    p->asked = true;
    size_t n = p->text != NULL ? strlen(p->text) : 0;
    if (n == 0 || n > (size_t)size)
        return -1;
    memcpy(buf, p->text, n);
    return (int)n;
}

bool pem_der_is_utf16(const char *data, size_t len)
{
    return len > 3 && (memcmp(data, "\xFF\xFE", 2) == 0 || memcmp(data, "\xFE\xFF", 2) == 0);
}

/* The certificates of a PKCS#7 (p7b, p7c); what it signs or encrypts does not matter here. */
int pem_der_take_pkcs7(PKCS7 *p7, struct pem_bag *bag)
{
    STACK_OF(X509) *certs = p7 == NULL                 ? NULL
                            : PKCS7_type_is_signed(p7) ? p7->d.sign->cert
                            : PKCS7_type_is_signedAndEnveloped(p7)
                                ? p7->d.signed_and_enveloped->cert
                                : NULL;
    int n = sk_X509_num(certs) > PEM_CERTS_MAX ? PEM_CERTS_MAX : sk_X509_num(certs);
    for (int i = 0; i < n; i++) {
        CHECK(X509_up_ref(sk_X509_value(certs, i)) == 1 &&
              sk_X509_push(bag->certs, sk_X509_value(certs, i)) > 0);
    }
    PKCS7_free(p7);
    return n > 0 ? n : 0;
}

/* Returns 1 when data is no PKCS#12 at all. */
static int parse_pkcs12(const char *data, size_t len, const char *name, const char *passphrase,
    struct pem_bag *bag, struct err *e)
{
    const unsigned char *p = (const unsigned char *)data;
    PKCS12 *p12 = d2i_PKCS12(NULL, &p, (long)len);
    if (p12 == NULL)
        return 1;
    X509 *leaf = NULL;
    STACK_OF(X509) *others = NULL;
    const ASN1_INTEGER *rounds = NULL;
    PKCS12_get0_mac(NULL, NULL, NULL, &rounds, p12);
    if (rounds != NULL && ASN1_INTEGER_get(rounds) > PKCS12_ROUNDS_MAX) {
        PKCS12_free(p12);
        return err_set(
            e, EINVAL, "%s asks for an absurd number of rounds to check its password", name);
    }
    int ok = PKCS12_parse(p12, passphrase != NULL ? passphrase : "", &bag->key, &leaf, &others);
    PKCS12_free(p12);
    if (ok != 1) {
        ERR_clear_error();
        return passphrase == NULL
                   ? err_set(e, EINVAL,
                         "%s is protected by a password: give it with --passphrase-file", name)
                   : err_set(e, EINVAL,
                         "the password does not open %s, or the file is damaged or encrypted in an outdated way (RC2)",
                         name);
    }
    if (leaf != NULL)
        CHECK(sk_X509_push(bag->certs, leaf) > 0);
    for (int i = 0; i < sk_X509_num(others); i++)
        CHECK(sk_X509_push(bag->certs, sk_X509_value(others, i)) > 0);
    sk_X509_free(others); /* its members have moved */
    return 0;
}

/* Rounds that an encrypted PKCS#8 key asks for; a damaged one may ask for 2^31. */
static bool absurd_rounds(const char *data, size_t len)
{
    const unsigned char *p = (const unsigned char *)data;
    X509_SIG *sig = d2i_X509_SIG(NULL, &p, (long)len);
    const X509_ALGOR *alg = NULL;
    const ASN1_OBJECT *oid = NULL;
    const void *param = NULL;
    int type = 0;
    bool absurd = false;
    if (sig == NULL)
        return false;
    X509_SIG_get0(sig, &alg, NULL);
    X509_ALGOR_get0(&oid, &type, &param, alg);
    PBE2PARAM *two = OBJ_obj2nid(oid) == NID_pbes2 && type == V_ASN1_SEQUENCE
                         ? ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), alg->parameter)
                         : NULL;
    if (two != NULL && two->keyfunc->parameter != NULL &&
        OBJ_obj2nid(two->keyfunc->algorithm) == NID_id_pbkdf2) {
        PBKDF2PARAM *kdf = ASN1_TYPE_unpack_sequence(
            ASN1_ITEM_rptr(PBKDF2PARAM), two->keyfunc->parameter);
        absurd = kdf != NULL && ASN1_INTEGER_get(kdf->iter) > PKCS12_ROUNDS_MAX;
        PBKDF2PARAM_free(kdf);
    }
    PBE2PARAM_free(two);
    X509_SIG_free(sig);
    return absurd;
}

/* An encrypted PKCS#8 key. Returns 1 when data is none. */
static int parse_sealed_der(const char *data, size_t len, const char *name, const char *passphrase,
    struct pem_bag *bag, struct err *e)
{
    struct pem_der_password p = {.text = passphrase};
    if (absurd_rounds(data, len)) {
        return err_set(
            e, EINVAL, "%s asks for an absurd number of rounds to check its password", name);
    }
    BIO *b = BIO_new_mem_buf(data, (int)len);
    CHECK(b != NULL);
    bag->key = d2i_PKCS8PrivateKey_bio(b, NULL, pem_der_give_password, &p);
    BIO_free(b);
    ERR_clear_error();
    if (bag->key != NULL)
        return 0;
    if (!p.asked)
        return 1;
    return passphrase == NULL
               ? err_set(e, EINVAL,
                     "the private key in %s is encrypted and no password was given: give it with --passphrase-file",
                     name)
               : err_set(e, EINVAL, "the password does not open the private key in %s", name);
}

int pem_der_parse(const char *data, size_t len, const char *name, const char *passphrase,
    struct pem_bag *bag, struct err *e)
{
    const unsigned char *p = (const unsigned char *)data;
    X509 *x = d2i_X509(NULL, &p, (long)len);
    if (x != NULL) {
        CHECK(sk_X509_push(bag->certs, x) > 0);
        return 0;
    }
    p = (const unsigned char *)data;
    bag->key = d2i_AutoPrivateKey(NULL, &p, (long)len);
    if (bag->key != NULL)
        return 0;
    p = (const unsigned char *)data;
    if (pem_der_take_pkcs7(d2i_PKCS7(NULL, &p, (long)len), bag) > 0)
        return 0;
    int r = parse_pkcs12(data, len, name, passphrase, bag, e);
    if (r == 1)
        r = parse_sealed_der(data, len, name, passphrase, bag, e);
    if (r == 1 && pem_der_is_utf16(data, len)) {
        return err_set(
            e, EBADMSG, "%s is text in UTF-16, as Windows may write it: save it as UTF-8", name);
    }
    if (r == 1 && len > 4 && memcmp(data, "\xFE\xED\xFE\xED", 4) == 0) {
        return err_set(e, EBADMSG,
            "%s is a Java key store (JKS): turn it into PKCS#12 with keytool -importkeystore -deststoretype PKCS12",
            name);
    }
    if (r == 1) {
        ERR_clear_error();
        return err_set(e, EBADMSG,
            "%s is neither a certificate nor a key, neither PEM nor DER nor PKCS#12 nor PKCS#7",
            name);
    }
    return r;
}
