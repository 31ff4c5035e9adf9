/*
 * Mutual TLS with real handshakes in memory: who may in, who is told what, and that a resumed
 * session is no way around a revocation.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/err.h>
#include "certs/client_auth.h"
#include "common/error_phrase.h"
#include "certs/pair.h"
#include "certs/pem.h"
#include "tests/unit/certs/fixture.h"

struct wire {
    SSL_CTX *server_ctx, *client_ctx;
    SSL *server, *client;
};

static X509 *client_cert(const struct fixture *f, const char *name, time_t now)
{
    struct err e = {0};
    X509 *x = NULL;
    struct make_signer signer = {f->root, f->root_key};
    if (make_client(name, f->other_key, &signer, 100, now, &x, &e) != 0)
        fail_msg("%s", e.text);
    return x;
}

static struct client_auth *load(
    const struct fixture *f, enum client_auth_mode mode, const char *crl)
{
    struct err e = {0};
    struct client_auth *a = NULL;
    const char map[] = "empfang-1 = elexis\n";
    fixture_write_certs(f, "client-ca.pem", f->root, NULL, NULL);
    fixture_write(f, "map", map, strlen(map), 0644);
    struct client_auth_options o = {.mode = mode,
        .ca = fixture_path(f, "client-ca.pem"),
        .crl = crl != NULL ? fixture_path(f, crl) : NULL,
        .map = fixture_path(f, "map")};
    if (client_auth_load(&o, &a, &e) != 0)
        fail_msg("%s", e.text);
    return a;
}

static void write_crl(const struct fixture *f, const char *name, X509 *revoked)
{
    struct err e = {0};
    size_t len;
    X509_CRL *crl = NULL;
    struct make_signer signer = {f->root, f->root_key};
    struct make_revoked entry = {.at = f->now};
    struct cert_info *i = NULL;
    assert_int_equal(cert_info_new(revoked, &i, &e), 0);
    snprintf(entry.serial, sizeof entry.serial, "%s", i->serial);
    cert_info_free(i);
    assert_int_equal(make_crl(&signer, &entry, 1, f->now, &crl, &e), 0);
    char *pem = pem_write_crl(crl, &len);
    fixture_write(f, name, pem, len, 0644);
    free(pem);
    X509_CRL_free(crl);
}

static SSL_CTX *server_ctx(const struct fixture *f, const struct client_auth *a)
{
    struct err e = {0};
    struct cert_pair *p = NULL;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    STACK_OF(X509) *one = sk_X509_new_null();
    sk_X509_push(one, f->direct);
    assert_int_equal(cert_pair_make(one, f->leaf_key, NULL, "c", "k", &p, &e), 0);
    assert_int_equal(cert_pair_apply(p, ctx, &e), 0);
    assert_int_equal(client_auth_apply(a, ctx, &e), 0);
    cert_pair_unref(p);
    sk_X509_free(one);
    return ctx;
}

static SSL_CTX *client_ctx(const struct fixture *f, X509 *cert)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), f->root);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (cert != NULL) {
        assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(ctx, f->other_key), 1);
    }
    return ctx;
}

/* Both ends in this process; session tickets are read by the client as well. */
static void handshake(struct wire *w, SSL_SESSION *resume)
{
    BIO *a, *b;
    char byte = 'x';
    BIO_new_bio_pair(&a, 0, &b, 0);
    w->server = SSL_new(w->server_ctx);
    w->client = SSL_new(w->client_ctx);
    SSL_set_bio(w->server, a, a);
    SSL_set_bio(w->client, b, b);
    SSL_set_accept_state(w->server);
    SSL_set_connect_state(w->client);
    if (resume != NULL)
        SSL_set_session(w->client, resume);
    for (int i = 0; i < 20; i++) {
        SSL_do_handshake(w->client);
        SSL_do_handshake(w->server);
    }
    assert_true(SSL_is_init_finished(w->server) && SSL_is_init_finished(w->client));
    assert_int_equal(SSL_write(w->server, &byte, 1), 1);
    assert_int_equal(SSL_read(w->client, &byte, 1), 1);
}

static void end(struct wire *w)
{
    SSL_free(w->server);
    SSL_free(w->client);
    w->server = w->client = NULL;
}

/* One login with a fresh handshake; code 0 or -EACCES and words. */
static void login(const struct fixture *f, const struct client_auth *a, X509 *cert,
    const char *user, int code, const char *words)
{
    struct err e = {0};
    struct wire w = {server_ctx(f, a), client_ctx(f, cert), NULL, NULL};
    handshake(&w, NULL);
    int r = client_auth_check(a, w.server, user, &e);
    if (r != code)
        fail_msg("returned %d: %s", r, e.text);
    if (words != NULL) {
        _cleanup_free_ char *german = error_phrase_words(LANG_DE, &e);
        assert_contains(german, words);
    }
    end(&w);
    SSL_CTX_free(w.server_ctx);
    SSL_CTX_free(w.client_ctx);
}

static void who_may_in(void **state)
{
    struct fixture *f = *state;
    X509 *good = client_cert(f, "empfang-1", f->now);
    X509 *unmapped = client_cert(f, "anna@praxis", f->now);
    X509 *expired = client_cert(f, "empfang-1", f->now - 200 * DAY);
    struct client_auth *a = load(f, CLIENT_AUTH_REQUIRE, NULL);
    login(f, a, good, "elexis", 0, NULL);
    login(f, a, good, "root", -EACCES, "gilt nicht für den Benutzer «root»");
    login(f, a, unmapped, "elexis", -EACCES, "ist keinem Benutzer zugeordnet");
    login(f, a, expired, "elexis", -EACCES, "abgelaufen");
    login(f, a, NULL, "elexis", -EACCES, "verlangt ein Zertifikat des Arbeitsplatzes");
    client_auth_free(a);
    a = load(f, CLIENT_AUTH_REQUEST, NULL);
    login(f, a, NULL, "elexis", 0, NULL);
    login(f, a, good, "root", -EACCES, "gilt nicht für den Benutzer");
    client_auth_free(a);
    X509_free(good);
    X509_free(unmapped);
    X509_free(expired);
}

static void stranger(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct make_subject s = {.common_name = "Another CA"};
    X509 *ca = NULL, *x = NULL;
    assert_int_equal(make_ca(&s, f->middle_key, NULL, 100, f->now, &ca, &e), 0);
    struct make_signer signer = {ca, f->middle_key};
    assert_int_equal(make_client("empfang-1", f->other_key, &signer, 50, f->now, &x, &e), 0);
    struct client_auth *a = load(f, CLIENT_AUTH_REQUIRE, NULL);
    login(f, a, x, "elexis", -EACCES, "wird hier nicht anerkannt");
    /* A server's certificate of the right CA is no client's. */
    X509 *server = fixture_server(f, f->other_key, f->root, f->root_key, 50, f->now);
    login(f, a, server, "elexis", -EACCES, "wird hier nicht anerkannt");
    client_auth_free(a);
    X509_free(server);
    X509_free(x);
    X509_free(ca);
}

static void revoked(void **state)
{
    struct fixture *f = *state;
    X509 *good = client_cert(f, "empfang-1", f->now);
    X509 *bad = client_cert(f, "empfang-1", f->now);
    write_crl(f, "crl.pem", bad);
    struct client_auth *a = load(f, CLIENT_AUTH_REQUIRE, "crl.pem");
    login(f, a, good, "elexis", 0, NULL);
    login(f, a, bad, "elexis", -EACCES, "wurde gesperrt");
    client_auth_free(a);
    X509_free(good);
    X509_free(bad);
}

static void resumed_session_is_checked_again(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    X509 *cert = client_cert(f, "empfang-1", f->now);
    struct client_auth *before = load(f, CLIENT_AUTH_REQUIRE, NULL);
    struct wire w = {server_ctx(f, before), client_ctx(f, cert), NULL, NULL};
    handshake(&w, NULL);
    assert_int_equal(client_auth_check(before, w.server, "elexis", &e), 0);
    SSL_SESSION *session = SSL_get1_session(w.client);
    SSL_shutdown(w.client);
    end(&w);

    handshake(&w, session);
    assert_int_equal(SSL_session_reused(w.server), 1);
    assert_int_equal(client_auth_check(before, w.server, "elexis", &e), 0);
    assert_int_equal(client_auth_check(before, w.server, "root", &e), -EACCES);
    write_crl(f, "crl.pem", cert);
    struct client_auth *after = load(f, CLIENT_AUTH_REQUIRE, "crl.pem");
    assert_int_equal(client_auth_check(after, w.server, "elexis", &e), -EACCES);
    assert_contains(e.text, "revoked");
    end(&w);
    SSL_SESSION_free(session);
    SSL_CTX_free(w.server_ctx);
    SSL_CTX_free(w.client_ctx);
    client_auth_free(before);
    client_auth_free(after);
    X509_free(cert);
}

static void load_fails(
    const struct fixture *f, const char *ca, const char *crl, const char *map, const char *words)
{
    struct err e = {0};
    struct client_auth *a = NULL;
    struct client_auth_options o = {.mode = CLIENT_AUTH_REQUIRE, .ca = ca, .crl = crl, .map = map};
    (void)f;
    assert_true(client_auth_load(&o, &a, &e) < 0);
    assert_null(a);
    assert_contains(e.text, words);
}

static void bad_files(void **state)
{
    struct fixture *f = *state;
    fixture_write_certs(f, "client-ca.pem", f->root, NULL, NULL);
    fixture_write_certs(f, "leaf.pem", f->direct, NULL, NULL);
    fixture_write(f, "empty", "", 0, 0644);
    fixture_write(f, "bad-map", "x\n", 2, 0644);
    const char *ca = xstrdup(fixture_path(f, "client-ca.pem"));
    load_fails(f, fixture_path(f, "none"), NULL, NULL, "none");
    load_fails(f, fixture_path(f, "leaf.pem"), NULL, NULL, "is not that of a CA");
    load_fails(f, ca, fixture_path(f, "empty"), NULL, "holds no revocation list");
    load_fails(f, ca, NULL, fixture_path(f, "bad-map"), "line 1");
    /* A list by another CA. */
    struct err e = {0};
    struct make_subject s = {.common_name = "Another CA"};
    X509 *other = NULL;
    X509_CRL *crl = NULL;
    size_t len;
    assert_int_equal(make_ca(&s, f->middle_key, NULL, 100, f->now, &other, &e), 0);
    struct make_signer signer = {other, f->middle_key};
    assert_int_equal(make_crl(&signer, NULL, 0, f->now, &crl, &e), 0);
    char *pem = pem_write_crl(crl, &len);
    fixture_write(f, "other-crl.pem", pem, len, 0644);
    load_fails(f, ca, fixture_path(f, "other-crl.pem"), NULL, "was not signed by a CA in");
    free(pem);
    X509_CRL_free(crl);
    X509_free(other);
    free((void *)(uintptr_t)ca);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(who_may_in), cmocka_unit_test(stranger),
        cmocka_unit_test(revoked), cmocka_unit_test(resumed_session_is_checked_again),
        cmocka_unit_test(bad_files)};
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
