#include <errno.h>
#include <gnutls/abstract.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "console/http/tls_trial.h"
#include "tests/unit/certs/fixture.h"

struct pair {
    X509 *leaf; /* the root is not sent */
    EVP_PKEY *key;
};

static gnutls_datum_t der(X509 *x)
{
    gnutls_datum_t d = {0};
    int n = i2d_X509(x, &d.data);
    assert_true(n > 0);
    d.size = (unsigned)n;
    return d;
}

static int retrieve(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
    gnutls_pcert_st **certificates, unsigned *n, gnutls_ocsp_data_st **ocsp, unsigned *n_ocsp,
    gnutls_privkey_t *key, unsigned *flags)
{
    const struct pair *p = gnutls_session_get_ptr(session);
    gnutls_datum_t k = {0};
    (void)info;
    *certificates = gnutls_calloc(1, sizeof **certificates);
    *n = 1;
    *ocsp = NULL;
    *n_ocsp = 0;
    *flags = GNUTLS_CERT_RETR_DEINIT_ALL;
    gnutls_datum_t d = der(p->leaf);
    assert_int_equal(gnutls_pcert_import_x509_raw(*certificates, &d, GNUTLS_X509_FMT_DER, 0), 0);
    OPENSSL_free(d.data);
    PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(p->key);
    int len = i2d_PKCS8_PRIV_KEY_INFO(p8, &k.data);
    assert_true(len > 0);
    k.size = (unsigned)len;
    assert_int_equal(gnutls_privkey_init(key), 0);
    assert_int_equal(gnutls_privkey_import_x509_raw(*key, &k, GNUTLS_X509_FMT_DER, NULL, 0), 0);
    PKCS8_PRIV_KEY_INFO_free(p8);
    OPENSSL_free(k.data);
    return 0;
}

static int trial(X509 *leaf, EVP_PKEY *key, X509 *top, struct err *e)
{
    struct pair p = {.leaf = leaf, .key = key};
    gnutls_datum_t d = der(top);
    int r = tls_trial(retrieve, &p, &d, "live.pem", e);
    OPENSSL_free(d.data);
    return r;
}

static void what_clients_take(void **state)
{
    struct fixture *f = *state;
    EVP_PKEY *keys[] = {EVP_EC_gen("P-256"), EVP_EC_gen("P-384"), EVP_EC_gen("P-521"),
        EVP_RSA_gen(2048), EVP_RSA_gen(3072), EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct err e = {0};
        /* over already: the trial does not look at dates */
        X509 *x = fixture_server(f, keys[i], f->root, f->root_key, 100, f->now - 200 * DAY);
        if (trial(x, keys[i], f->root, &e) != 0)
            fail_msg("%zu: %s", i, e.text);
        X509_free(x);
        EVP_PKEY_free(keys[i]);
    }
}

/* GnuTLS alone: OpenSSL checks a signature on a curve that it does not negotiate. */
static void what_only_gnutls_minds(void **state)
{
    struct fixture *f = *state;
    static const char *const curves[] = {"brainpoolP256r1", "secp256k1"};
    for (size_t i = 0; i < 2; i++) {
        struct err e = {0};
        struct make_subject s = {.common_name = "Odd CA"};
        struct names permit = {0};
        X509 *ca = NULL;
        EVP_PKEY *k = EVP_EC_gen(curves[i]);
        assert_int_equal(make_ca(&s, k, &permit, 100, f->now, &ca, &e), 0);
        X509 *x = fixture_server(f, f->leaf_key, ca, k, 50, f->now);
        assert_int_equal(trial(x, f->leaf_key, ca, &e), -EINVAL);
        assert_contains(e.text,
            "nobody could connect with the certificate in live.pem: a trial handshake with TLS 1.2 failed (");
        X509_free(x);
        X509_free(ca);
        EVP_PKEY_free(k);
    }
    struct err e = {0}; /* of another CA, and for encryption only */
    assert_int_equal(trial(f->direct, f->leaf_key, f->middle, &e), -EINVAL);
    X509 *mute = X509_dup(f->direct);
    X509_EXTENSION_free(X509_delete_ext(mute, X509_get_ext_by_NID(mute, NID_key_usage, -1)));
    X509_EXTENSION *usage = X509V3_EXT_conf_nid(
        NULL, NULL, NID_key_usage, "critical,keyEncipherment");
    assert_int_equal(X509_add_ext(mute, usage, -1), 1);
    assert_true(X509_sign(mute, f->root_key, EVP_sha256()) > 0);
    assert_int_equal(trial(mute, f->leaf_key, f->root, &e), -EINVAL);
    X509_EXTENSION_free(usage);
    X509_free(mute);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_clients_take, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_only_gnutls_minds, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
