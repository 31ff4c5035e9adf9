/*
 * Loading a pair: what is good loads, and each kind of bad input has its own sentence.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include "certs/pair.h"
#include "certs/pem.h"
#include "tests/unit/certs/fixture.h"
#include "common/lang.h"

/* Loads cert.pem and key.pem of the fixture; it must fail with that code and those words. */
static void must_fail(const struct fixture *f, int code, const char *words)
{
    struct err e = {0};
    struct cert_pair *p = NULL;
    int r = cert_pair_load(fixture_path(f, "cert.pem"), fixture_path(f, "key.pem"), &p, &e);
    if (r == 0) { /* loads all the same: what clients say is judged apart */
        r = cert_pair_fits(p, "x", f->now, &e);
        cert_pair_unref(p);
        p = NULL;
    }
    if (r != -code)
        fail_msg("returned %d, expected %d: %s", r, -code, e.text);
    assert_null(p);
    assert_int_equal(e.code, code);
    assert_contains(e.text, words);
}

static struct cert_pair *must_load(const struct fixture *f)
{
    struct err e = {0};
    struct cert_pair *p = NULL;
    int r = cert_pair_load(fixture_path(f, "cert.pem"), fixture_path(f, "key.pem"), &p, &e);
    if (r != 0)
        fail_msg("%s", e.text);
    return p;
}

static void good_chain(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    fixture_write_certs(f, "cert.pem", f->leaf, f->middle, f->root);
    fixture_write_key(f, "key.pem", f->leaf_key, NULL);
    struct cert_pair *p = must_load(f);
    const struct cert_info *i = cert_pair_info(p);
    assert_string_equal(i->subject, "CN=praxis-server");
    assert_string_equal(i->issuer, "CN=Test Intermediate");
    assert_string_equal(i->dns[0], "praxis-server");
    assert_null(i->dns[1]);
    assert_null(i->ip[0]);
    assert_string_equal(i->key, "EC P-256");
    assert_int_equal(strlen(i->fingerprint_sha256), 64);
    assert_int_equal(cert_info_days_left(i, f->now), 397);
    assert_int_equal(cert_info_days_left(i, i->not_after + 1), -1);
    assert_int_equal(cert_pair_warnings(p, f->now), 0);
    assert_int_equal(cert_pair_warnings(p, i->not_after - 31 * DAY), 0);
    assert_int_equal(cert_pair_warnings(p, i->not_after - 29 * DAY), CERT_WARN_EXPIRES_SOON);
    assert_int_equal(cert_pair_warnings(p, i->not_after + 1), CERT_WARN_EXPIRED);

    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    assert_int_equal(cert_pair_apply(p, ctx, &e), 0);
    assert_int_equal(SSL_CTX_check_private_key(ctx), 1);
    STACK_OF(X509) *sent = NULL;
    SSL_CTX_get0_chain_certs(ctx, &sent);
    assert_int_equal(sk_X509_num(sent), 1); /* the intermediate, not the root */
    SSL_CTX_free(ctx);

    cert_pair_unref(cert_pair_ref(p));
    cert_pair_unref(p);
}

static void good_combined_file(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    size_t len, key_len;
    STACK_OF(X509) *one = sk_X509_new_null();
    sk_X509_push(one, f->direct);
    char *cert = pem_write_certs(one, &len);
    char *key = pem_write_key(f->leaf_key, NULL, &key_len);
    char *both = xasprintf("%s%s", key, cert);
    fixture_write(f, "both.pem", both, strlen(both), 0600);
    struct cert_pair *p = NULL;
    assert_int_equal(
        cert_pair_load(fixture_path(f, "both.pem"), fixture_path(f, "both.pem"), &p, &e), 0);
    assert_int_equal(cert_pair_warnings(p, f->now), CERT_WARN_ISSUER_MISSING);
    cert_pair_unref(p);
    free(both);
    free(cert);
    pem_wipe(key, key_len);
    sk_X509_free(one);
}

static void wrong_time(void **state)
{
    struct fixture *f = *state;
    fixture_write_key(f, "key.pem", f->leaf_key, NULL);
    X509 *old = fixture_server(f, f->leaf_key, f->root, f->root_key, 5, f->now - 10 * DAY);
    X509_gmtime_adj(X509_getm_notBefore(old), -10 * DAY);
    X509_sign(old, f->root_key, EVP_sha256());
    fixture_write_certs(f, "cert.pem", old, f->root, NULL);
    char date[CERT_DATE_LEN];
    must_fail(f, EKEYEXPIRED, "expired on ");
    must_fail(f, EKEYEXPIRED, cert_date(f->now - 5 * DAY, date));
    X509_free(old);

    X509 *early = fixture_server(f, f->leaf_key, f->root, f->root_key, 50, f->now + 10 * DAY);
    fixture_write_certs(f, "cert.pem", early, f->root, NULL);
    must_fail(f, EKEYEXPIRED, "is not valid before ");
    X509_free(early);
}

static void expired_issuer(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct cert_pair *p = NULL;
    fixture_write_certs(f, "cert.pem", f->leaf, f->middle, f->root);
    fixture_write_key(f, "key.pem", f->leaf_key, NULL);
    X509 *x = X509_dup(f->middle);
    X509_gmtime_adj(X509_getm_notAfter(x), -DAY);
    X509_sign(x, f->root_key, EVP_sha256());
    fixture_write_certs(f, "cert.pem", f->leaf, x, f->root);
    assert_int_equal(
        cert_pair_load(fixture_path(f, "cert.pem"), fixture_path(f, "key.pem"), &p, &e), 0);
    assert_int_equal(cert_pair_dates(p, "x", f->now, &e), -EKEYEXPIRED);
    assert_contains(e.text, "Test Intermediate");
    assert_int_equal(cert_pair_warnings(p, f->now), CERT_WARN_EXPIRED | CERT_WARN_CHAIN_ENDS_FIRST);
    assert_string_equal(cert_pair_ends(p)->subject, "CN=Test Intermediate");
    assert_ptr_equal(cert_pair_begins(p), cert_pair_info(p));
    cert_pair_unref(p);

    /* One that this machine's clients need not look at, since they have its issuer, bounds nothing:
     * the expired cross-signature of a public CA. */
    X509 *ours = X509_dup(f->middle);
    X509_set_issuer_name(ours, X509_get_subject_name(ours));
    X509_sign(ours, f->middle_key, EVP_sha256());
    fixture_write_certs(f, "ca.pem", ours, NULL, NULL);
    p = must_load(f);
    assert_int_equal(cert_pair_dates(p, "x", f->now, &e), 0);
    assert_ptr_equal(cert_pair_ends(p), cert_pair_info(p));
    cert_pair_unref(p);
    unlink(fixture_path(f, "ca.pem"));
    X509_free(ours);
    X509_free(x);
}

static void wrong_key(void **state)
{
    struct fixture *f = *state;
    fixture_write_certs(f, "cert.pem", f->leaf, f->middle, NULL);
    fixture_write_key(f, "key.pem", f->other_key, NULL);
    must_fail(f, EINVAL, "does not belong to the certificate");
}

static void encrypted_key(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    fixture_write_certs(f, "cert.pem", f->leaf, f->middle, NULL);
    fixture_write_key(f, "key.pem", f->leaf_key, "secret words");
    must_fail(f, EINVAL, "is encrypted and no password was given");

    size_t len;
    char *pem = pem_write_key(f->leaf_key, "secret words", &len);
    EVP_PKEY *k = NULL;
    assert_int_equal(pem_parse_key(pem, len, "x", "wrong", &k, &e), -EINVAL);
    assert_contains(e.text, "password does not open");
    assert_int_equal(pem_parse_key(pem, len, "x", "secret words", &k, &e), 0);
    assert_int_equal(EVP_PKEY_eq(k, f->leaf_key), 1);
    EVP_PKEY_free(k);
    pem_wipe(pem, len);
}

static void wrong_order(void **state)
{
    struct fixture *f = *state;
    fixture_write_key(f, "key.pem", f->leaf_key, NULL);
    fixture_write_certs(f, "cert.pem", f->middle, f->leaf, NULL);
    must_fail(f, EINVAL, "wrong order: the server's own comes first, here it is number 2");
    fixture_write_certs(f, "cert.pem", f->leaf, f->root, f->middle);
    must_fail(f, EINVAL, "wrong order: the issuer of CN=praxis-server comes next");
    fixture_write_certs(f, "cert.pem", f->direct, f->root, f->middle);
    must_fail(f, EINVAL, "further certificates behind the root");
}

static void missing_intermediate(void **state)
{
    struct fixture *f = *state;
    fixture_write_key(f, "key.pem", f->leaf_key, NULL);
    fixture_write_certs(f, "cert.pem", f->leaf, f->root, NULL);
    must_fail(f, EINVAL,
        "lacks an intermediate certificate: CN=praxis-server was issued by CN=Test Intermediate");
}

static void weak_key(void **state)
{
    struct fixture *f = *state;
    EVP_PKEY *weak = EVP_RSA_gen(1024);
    X509 *x = fixture_server(f, weak, f->root, f->root_key, 100, f->now);
    fixture_write_certs(f, "cert.pem", x, f->root, NULL);
    fixture_write_key(f, "key.pem", weak, NULL);
    must_fail(f, EINVAL, "too weak (rsaEncryption, 1024 bits)");
    X509_free(x);
    EVP_PKEY_free(weak);

    x = X509_dup(f->direct);
    assert_true(X509_sign(x, f->root_key, EVP_sha1()) > 0);
    fixture_write_certs(f, "cert.pem", x, f->root, NULL);
    fixture_write_key(f, "key.pem", f->leaf_key, NULL);
    must_fail(f, EINVAL, "signed in an outdated way (ecdsa-with-SHA1)");
    X509_free(x);
}

static void no_san(void **state)
{
    struct fixture *f = *state;
    X509 *x = X509_dup(f->direct);
    X509_EXTENSION_free(X509_delete_ext(x, X509_get_ext_by_NID(x, NID_subject_alt_name, -1)));
    assert_true(X509_sign(x, f->root_key, EVP_sha256()) > 0);
    fixture_write_certs(f, "cert.pem", x, f->root, NULL);
    fixture_write_key(f, "key.pem", f->leaf_key, NULL);
    struct cert_pair *p = must_load(f);
    assert_int_equal(cert_pair_warnings(p, f->now), CERT_WARN_NO_SAN);
    assert_contains(cert_warning_text(CERT_WARN_NO_SAN), "names no host");
    assert_contains(lang_text(LANG_DE, cert_warning_text(CERT_WARN_NO_SAN)), "Servernamen");
    cert_pair_unref(p);
    X509_free(x);
}

/* Keys that Java has disabled and GnuTLS never had; chains that every client refuses. */
static void nobody_would_get_in(void **state)
{
    struct fixture *f = *state;
    static const char *const curves[] = {"brainpoolP256r1", "secp256k1", "brainpoolP512r1"};
    for (size_t i = 0; i < 3; i++) {
        EVP_PKEY *k = EVP_EC_gen(curves[i]);
        X509 *x = fixture_server(f, k, f->root, f->root_key, 100, f->now);
        fixture_write_certs(f, "cert.pem", x, f->root, NULL);
        fixture_write_key(f, "key.pem", k, NULL);
        must_fail(f, EINVAL, "elliptic curve that Java and other clients do not take");
        X509_free(x);
        EVP_PKEY_free(k);
    }
    EVP_PKEY *good[] = {EVP_EC_gen("P-384"), EVP_EC_gen("P-521"), EVP_RSA_gen(2048),
        EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), EVP_PKEY_Q_keygen(NULL, NULL, "ED448")};
    for (size_t i = 0; i < 5; i++) {
        X509 *x = fixture_server(f, good[i], f->root, f->root_key, 100, f->now);
        fixture_write_certs(f, "cert.pem", x, f->root, NULL);
        fixture_write_key(f, "key.pem", good[i], NULL);
        struct cert_pair *p = must_load(f);
        struct err e = {0};
        if (cert_pair_fits(p, "x", f->now, &e) != 0)
            fail_msg("%zu: %s", i, e.text);
        cert_pair_unref(p);
        X509_free(x);
        EVP_PKEY_free(good[i]);
    }
    /* OpenSSL does not mind */
    X509 *mute = X509_dup(f->direct);
    X509_EXTENSION_free(X509_delete_ext(mute, X509_get_ext_by_NID(mute, NID_key_usage, -1)));
    X509_EXTENSION *usage = X509V3_EXT_conf_nid(
        NULL, NULL, NID_key_usage, "critical,keyEncipherment");
    assert_int_equal(X509_add_ext(mute, usage, -1), 1);
    assert_true(X509_sign(mute, f->root_key, EVP_sha256()) > 0);
    fixture_write_certs(f, "cert.pem", mute, f->root, NULL);
    fixture_write_key(f, "key.pem", f->leaf_key, NULL);
    must_fail(f, EINVAL, "may not sign (key usage without digitalSignature)");
    X509_EXTENSION_free(usage);
    X509_free(mute);
    /* Its constraints forbid the name: found by the client's own check, not by a rule of ours. */
    struct err e = {0};
    struct names permit = {0};
    struct make_subject s = {.common_name = "Narrow CA"};
    X509 *ca = NULL;
    names_add(&permit, "elsewhere.example");
    assert_int_equal(make_ca(&s, f->other_key, &permit, 100, f->now, &ca, &e), 0);
    X509 *x = fixture_server(f, f->leaf_key, ca, f->other_key, 50, f->now);
    fixture_write_certs(f, "cert.pem", x, ca, NULL);
    fixture_write_key(f, "key.pem", f->leaf_key, NULL);
    must_fail(f, EINVAL, "a trial handshake with TLS 1.2 failed (permitted subtree violation)");
    names_clear(&permit);
    X509_free(x);
    X509_free(ca);
}

static void not_for_servers(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    X509 *x = NULL;
    struct make_signer signer = {f->root, f->root_key};
    assert_int_equal(make_client("empfang-1", f->leaf_key, &signer, 100, f->now, &x, &e), 0);
    fixture_write_certs(f, "cert.pem", x, f->root, NULL);
    fixture_write_key(f, "key.pem", f->leaf_key, NULL);
    must_fail(f, EINVAL, "not made for servers");
    X509_free(x);
}

static void readable_key(void **state)
{
    struct fixture *f = *state;
    fixture_write_certs(f, "cert.pem", f->direct, f->root, NULL);
    fixture_write_key(f, "key.pem", f->leaf_key, NULL);
    assert_int_equal(chmod(fixture_path(f, "key.pem"), 0644), 0);
    must_fail(f, EACCES, "chmod");
    assert_int_equal(chmod(fixture_path(f, "key.pem"), 0600), 0);
    cert_pair_unref(must_load(f));
}

/* Root's file, read by a group of its own and by nobody else. */
static void shared_key(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uid_t uid;
        gid_t gid;
        mode_t mode;
        bool good;
    } table[] = {
        {0, 65533, 0640, true},
        {0, 65533, 0440, true},
        {0, 0, 0640, false}, /* root's group is everybody's helper */
        {1, 65533, 0640, false},
        {0, 65533, 0660, false},
        {0, 65533, 0644, false},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct stat st = {.st_uid = table[i].uid, .st_gid = table[i].gid};
        st.st_mode = S_IFREG | table[i].mode;
        assert_int_equal(cert_key_shared_by_group(&st), table[i].good);
    }
    if (geteuid() != 0)
        return;
    fixture_write_certs(f, "cert.pem", f->direct, f->root, NULL);
    fixture_write_key(f, "key.pem", f->leaf_key, NULL);
    assert_int_equal(chown(fixture_path(f, "key.pem"), 0, 65533), 0);
    assert_int_equal(chmod(fixture_path(f, "key.pem"), 0640), 0);
    cert_pair_unref(must_load(f));
}

static void junk(void **state)
{
    struct fixture *f = *state;
    unsigned char bytes[5000];
    assert_int_equal(RAND_bytes(bytes, sizeof bytes), 1);
    fixture_write_key(f, "key.pem", f->leaf_key, NULL);
    fixture_write(f, "cert.pem", bytes, sizeof bytes, 0644);
    must_fail(f, EBADMSG, "holds no PEM certificate");
    fixture_write(f, "cert.pem", "", 0, 0644);
    must_fail(f, EBADMSG, "holds no PEM certificate");

    fixture_write_certs(f, "cert.pem", f->direct, NULL, NULL);
    fixture_write(f, "key.pem", bytes, sizeof bytes, 0600);
    must_fail(f, EBADMSG, "holds no PEM private key");
    const char broken[] = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    fixture_write(f, "key.pem", broken, strlen(broken), 0600);
    must_fail(f, EBADMSG, "the private key in ");
    must_fail(f, EBADMSG, "is damaged");

    const char cut[] = "-----BEGIN CERTIFICATE-----\nMIIB\n";
    fixture_write(f, "cert.pem", cut, strlen(cut), 0644);
    must_fail(f, EBADMSG, "certificate number 1 in ");
}

static void mixed_up(void **state)
{
    struct fixture *f = *state;
    fixture_write_key(f, "cert.pem", f->leaf_key, NULL);
    fixture_write_key(f, "key.pem", f->leaf_key, NULL);
    must_fail(f, EBADMSG, "a private key but no certificate");
    fixture_write_certs(f, "cert.pem", f->direct, NULL, NULL);
    fixture_write_certs(f, "key.pem", f->direct, NULL, NULL);
    assert_int_equal(chmod(fixture_path(f, "key.pem"), 0600), 0);
    must_fail(f, EBADMSG, "a certificate but no private key");
}

static void too_large(void **state)
{
    struct fixture *f = *state;
    size_t len = 10 * 1024 * 1024;
    char *data = xcalloc(1, len);
    fixture_write_key(f, "key.pem", f->leaf_key, NULL);
    fixture_write(f, "cert.pem", data, len, 0644);
    must_fail(f, EFBIG, "larger than 1 MB");
    fixture_write_certs(f, "cert.pem", f->direct, NULL, NULL);
    fixture_write(f, "key.pem", data, len, 0600);
    must_fail(f, EFBIG, "larger than 1 MB");
    free(data);
}

static void missing_file(void **state)
{
    struct fixture *f = *state;
    unlink(fixture_path(f, "cert.pem"));
    fixture_write_key(f, "key.pem", f->leaf_key, NULL);
    must_fail(f, ENOENT, "cert.pem");
    fixture_write_certs(f, "cert.pem", f->direct, NULL, NULL);
    unlink(fixture_path(f, "key.pem"));
    must_fail(f, ENOENT, "key.pem");
}

/* Every prefix of a good file either is an error or, at the ends of certificates, still good. */
static void truncated_everywhere(void **state)
{
    struct fixture *f = *state;
    size_t len;
    STACK_OF(X509) *two = sk_X509_new_null();
    sk_X509_push(two, f->leaf);
    sk_X509_push(two, f->middle);
    char *pem = pem_write_certs(two, &len);
    int good = 0;
    for (size_t n = 0; n <= len; n++) {
        STACK_OF(X509) *out = NULL;
        struct err e = {0};
        char *exact = xmalloc(n + 1); /* so that the address sanitizer sees a read too far */
        memcpy(exact, pem, n);
        exact[n] = '\0';
        if (pem_parse_chain(exact, n, "x", &out, &e) == 0) {
            good++;
            sk_X509_pop_free(out, X509_free);
        } else {
            assert_null(out);
            assert_true(e.text[0] != '\0');
        }
        free(exact);
    }
    /* Whole files, with and without the last newline, and what lies between two blocks. */
    assert_in_range(good, 3, 60);
    free(pem);
    sk_X509_free(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(good_chain),
        cmocka_unit_test(good_combined_file), cmocka_unit_test(wrong_time),
        cmocka_unit_test(expired_issuer), cmocka_unit_test(wrong_key),
        cmocka_unit_test(encrypted_key), cmocka_unit_test(wrong_order),
        cmocka_unit_test(missing_intermediate), cmocka_unit_test(weak_key),
        cmocka_unit_test(no_san), cmocka_unit_test(nobody_would_get_in),
        cmocka_unit_test(not_for_servers), cmocka_unit_test(readable_key),
        cmocka_unit_test(shared_key), cmocka_unit_test(junk), cmocka_unit_test(mixed_up),
        cmocka_unit_test(too_large), cmocka_unit_test(missing_file),
        cmocka_unit_test(truncated_everywhere)};
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
