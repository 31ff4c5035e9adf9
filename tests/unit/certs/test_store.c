/*
 * The folder: a new pair appears as a whole or not at all, nothing is lost, revocation is
 * remembered.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "certs/pem.h"
#include "certs/revoke.h"
#include "certs/cert_store.h"
#include "common/config.h"
#include "tests/unit/certs/fixture.h"

static struct cert_store open_store(const struct fixture *f, const char *name)
{
    struct err e = {0};
    struct cert_store s = {.lock_fd = -1};
    if (cert_store_open(fixture_path(f, name), NULL, NULL, CERT_STORE_WRITE, &s, &e) != 0)
        fail_msg("%s", e.text);
    return s;
}

/* A pair of its own key, so that two of them never fit together. */
static struct cert_pair *new_pair(const struct fixture *f)
{
    struct err e = {0};
    EVP_PKEY *key = NULL;
    struct cert_pair *p = NULL;
    STACK_OF(X509) *one = sk_X509_new_null();
    assert_int_equal(make_key(MAKE_KEY_P256, &key, &e), 0);
    sk_X509_push(one, fixture_server(f, key, f->root, f->root_key, 100, f->now));
    assert_int_equal(cert_pair_make(one, key, NULL, "c", "k", &p, &e), 0);
    sk_X509_pop_free(one, X509_free);
    EVP_PKEY_free(key);
    return p;
}

static void publish_and_read_back(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct stat st;
    struct cert_store s = open_store(f, "a");
    struct cert_pair *p = new_pair(f), *back = NULL;
    assert_int_equal(cert_store_publish(&s, p, f->now, &e), 0);
    assert_int_equal(cert_store_current(&s, &back, &e), 0);
    assert_string_equal(cert_pair_info(back)->serial, cert_pair_info(p)->serial);
    assert_int_equal(stat(fixture_path(f, "a/server.key"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(lstat(fixture_path(f, "a/server.key"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    cert_pair_unref(back);
    cert_pair_unref(p);
    cert_store_close(&s);
}

static size_t count_in(const char *path)
{
    size_t n = 0;
    _cleanup_free_ char *command = xasprintf("ls %s | wc -l", path);
    FILE *p = popen(command, "r");
    assert_non_null(p);
    assert_int_equal(fscanf(p, "%zu", &n), 1);
    pclose(p);
    return n;
}

static void three_generations_stay(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct cert_store s = open_store(f, "b");
    for (int i = 0; i < 6; i++) {
        struct cert_pair *p = new_pair(f);
        assert_int_equal(cert_store_publish(&s, p, f->now + i, &e), 0);
        cert_pair_unref(p);
    }
    assert_int_equal(count_in(fixture_path(f, "b/generations")), 3);
    cert_store_close(&s);
}

/* Plain files of the admin: kept as a generation, and never a moment without a pair. */
static void adopts_plain_files(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct cert_store s = open_store(f, "c");
    fixture_write_certs(f, "c/server.pem", f->direct, f->root, NULL);
    fixture_write_key(f, "c/server.key", f->leaf_key, NULL);
    struct cert_pair *p = new_pair(f), *back = NULL;
    assert_int_equal(cert_store_publish(&s, p, f->now, &e), 0);
    assert_int_equal(cert_store_current(&s, &back, &e), 0);
    assert_string_equal(cert_pair_info(back)->serial, cert_pair_info(p)->serial);
    assert_int_equal(count_in(fixture_path(f, "c/generations")), 2);
    cert_pair_unref(back);
    cert_pair_unref(p);
    cert_store_close(&s);
}

struct reader {
    const char *cert, *key;
    time_t now;
    atomic_bool stop;
    atomic_int good, bad;
    char first_error[512];
};

static void *read_on(void *arg)
{
    struct reader *r = arg;
    while (!r->stop) {
        struct err e = {0};
        struct cert_pair *p = NULL;
        if (cert_pair_load(r->cert, r->key, &p, &e) == 0)
            r->good++;
        else if (r->bad++ == 0)
            memcpy(r->first_error, e.text, sizeof e.text);
        cert_pair_unref(p);
    }
    return NULL;
}

#define SWITCHES 1500

/* Folders of generations, alternately with one pair and the other, as cheap as possible. */
static void make_generations(const struct fixture *f, struct cert_pair *const pairs[2])
{
    struct err e = {0};
    char made[2][64];
    for (int k = 0; k < 2; k++) {
        snprintf(made[k], sizeof made[k], "d%d", k);
        struct cert_store s = open_store(f, made[k]);
        assert_int_equal(cert_store_publish(&s, pairs[k], f->now, &e), 0);
        cert_store_close(&s);
    }
    assert_int_equal(mkdir(fixture_path(f, "d"), 0755), 0);
    for (int i = 0; i < SWITCHES; i++) {
        char folder[64], to[96], from[96];
        snprintf(folder, sizeof folder, "d/%d", i);
        assert_int_equal(mkdir(fixture_path(f, folder), 0755), 0);
        for (int k = 0; k < 2; k++) {
            const char *name = k == 0 ? "server.pem" : "server.key";
            snprintf(from, sizeof from, "%s/current/%s", made[i % 2], name);
            snprintf(to, sizeof to, "%s/%s", folder, name);
            assert_int_equal(link(fixture_path(f, from), fixture_path(f, to)), 0);
        }
    }
}

static void point_current_at(const struct fixture *f, int i)
{
    char target[16];
    snprintf(target, sizeof target, "%d", i);
    assert_int_equal(symlink(target, fixture_path(f, "d/next")), 0);
    assert_int_equal(rename(fixture_path(f, "d/next"), fixture_path(f, "d/current")), 0);
}

/* Switching far faster than cert_store_publish can. Without the second look at the certificate's
 * place, or with two renames in place of one link, readers meet the key of another generation. */
static void readers_never_see_a_mixed_pair(void **state)
{
    struct fixture *f = *state;
    struct cert_pair *pairs[2] = {new_pair(f), new_pair(f)};
    struct reader r = {.cert = xstrdup(fixture_path(f, "d/current/server.pem")),
        .key = xstrdup(fixture_path(f, "d/current/server.key")),
        .now = f->now};
    pthread_t thread;
    make_generations(f, pairs);
    point_current_at(f, 0);
    assert_int_equal(pthread_create(&thread, NULL, read_on, &r), 0);
    for (int i = 1; i < SWITCHES; i++) {
        point_current_at(f, i);
        usleep(100);
    }
    r.stop = true;
    pthread_join(thread, NULL);
    if (r.bad > 0 || r.good == 0)
        fail_msg("%d of %d reads failed: %s", (int)r.bad, (int)(r.good + r.bad), r.first_error);
    free((void *)(uintptr_t)r.cert);
    free((void *)(uintptr_t)r.key);
    cert_pair_unref(pairs[0]);
    cert_pair_unref(pairs[1]);
}

static void one_command_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct cert_store s = open_store(f, "e"), second = {.lock_fd = -1};
    assert_int_equal(
        cert_store_open(fixture_path(f, "e"), NULL, NULL, CERT_STORE_WRITE, &second, &e), -EBUSY);
    assert_contains(e.text, "another elexgate cert");
    cert_store_close(&s);
    assert_int_equal(
        cert_store_open(fixture_path(f, "e"), NULL, NULL, CERT_STORE_WRITE, &second, &e), 0);
    cert_store_close(&second);
    cert_store_close(&second);
}

static char *say(void *ctx, const char *what, struct err *e)
{
    (void)what;
    if (ctx == NULL)
        err_set(e, EACCES, "nobody to ask");
    return xstrdup(ctx);
}

static void ca_is_kept(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct stat st;
    X509 *ca = NULL;
    EVP_PKEY *key = NULL;
    char right[] = "offen", wrong[] = "zu";
    struct cert_store s = open_store(f, "g");
    assert_int_equal(cert_store_has_ca(&s), 0);
    assert_int_equal(cert_store_read_ca(&s, NULL, say, NULL, &ca, &key, &e), -ENOENT);
    assert_contains(e.text, "cert init");
    assert_int_equal(cert_store_write_ca(&s, f->root, f->root_key, "offen", false, f->now, &e), 0);
    assert_int_equal(stat(fixture_path(f, "g/ca.key"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(
        cert_store_write_ca(&s, f->root, f->root_key, NULL, false, f->now, &e), -EEXIST);
    assert_int_equal(cert_store_read_ca(&s, NULL, say, NULL, &ca, &key, &e), -EACCES);
    assert_int_equal(cert_store_read_ca(&s, NULL, say, wrong, &ca, &key, &e), -EINVAL);
    assert_contains(e.text, "password does not open");
    assert_int_equal(cert_store_read_ca(&s, NULL, say, right, &ca, &key, &e), 0);
    X509_free(ca);
    EVP_PKEY_free(key);
    /* The key on a medium that is not plugged in, or another CA's. */
    assert_int_equal(
        cert_store_read_ca(&s, fixture_path(f, "stick/ca.key"), say, right, &ca, &key, &e),
        -ENOENT);
    assert_contains(e.text, "--ca-key");
    fixture_write_key(f, "other.key", f->other_key, NULL);
    assert_int_equal(
        cert_store_read_ca(&s, fixture_path(f, "other.key"), say, right, &ca, &key, &e), -EINVAL);
    /* Replaced on request only, and the old one stays. */
    assert_int_equal(cert_store_write_ca(&s, f->root, f->root_key, NULL, true, f->now, &e), 0);
    char old[64];
    snprintf(old, sizeof old, "g/ca.key.replaced-%lld", (long long)f->now);
    assert_int_equal(stat(fixture_path(f, old), &st), 0);
    cert_store_close(&s);
}

static void revocation(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct cert_store s = open_store(f, "h");
    struct make_signer signer = {f->root, f->root_key};
    X509 *x = NULL;
    size_t added = 7;
    assert_int_equal(make_client("Empfang 1", f->other_key, &signer, 50, f->now, &x, &e), 0);
    assert_int_equal(cert_store_note_issued(&s, x, &e), 0);
    assert_int_equal(revoke_add(&s, "Empfang 2", f->now, &added, &e), -ENOENT);
    assert_contains(e.text, "has issued nothing");
    assert_int_equal(revoke_add(&s, "Empfang 1", f->now, &added, &e), 0);
    assert_int_equal(added, 1);
    assert_int_equal(revoke_add(&s, "Empfang 1", f->now, &added, &e), 0);
    assert_int_equal(added, 0);
    assert_int_equal(revoke_publish(&s, &signer, f->now, &e), 0);

    char *pem = NULL;
    size_t len;
    STACK_OF(X509_CRL) *crls = NULL;
    X509_REVOKED *entry = NULL;
    assert_int_equal(pem_read_file(fixture_path(f, "h/crl.pem"), &pem, &len, &e), 0);
    assert_int_equal(pem_parse_crls(pem, len, "crl", &crls, &e), 0);
    assert_int_equal(X509_CRL_get0_by_cert(sk_X509_CRL_value(crls, 0), &entry, x), 1);
    assert_int_equal(X509_CRL_get0_by_cert(sk_X509_CRL_value(crls, 0), &entry, f->direct), 0);
    sk_X509_CRL_pop_free(crls, X509_CRL_free);
    free(pem);
    X509_free(x);

    const char torn[] = "00AB 17\nzzz\n";
    fixture_write(f, "h/revoked", torn, strlen(torn), 0644);
    assert_int_equal(revoke_publish(&s, &signer, f->now, &e), -EBADMSG);
    assert_contains(e.text, "line 2");
    cert_store_close(&s);
}

static void host_names(void **state)
{
    (void)state;
    static const struct {
        const char *host, *words; /* words NULL: good */
    } rows[] = {{"praxis-server", NULL}, {"Srv.Praxis.LAN", NULL}, {"*.praxis.lan", NULL},
        {"192.168.1.5", NULL}, {"fd00::1", NULL}, {"praxis_server", "underscore"},
        {"müller", "xn--"}, {"", "1 to 253"}, {"a..b", "is not a host name"},
        {"-a", "is not a host name"}, {"a-", "is not a host name"}, {"a b", "is not a host name"},
        {"a,DNS:b", "is not a host name"}, {"*", "is not a host name"}, {"a.*.b", "is not a host"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct err e = {0};
        struct cert_names n = {0};
        int r = cert_names_add_host(&n, rows[i].host, &e);
        if (rows[i].words == NULL) {
            assert_int_equal(r, 0);
            assert_int_equal(n.dns.n + n.ip.n, 1);
        } else {
            assert_int_equal(r, -EINVAL);
            assert_contains(e.text, rows[i].words);
        }
        cert_names_clear(&n);
    }
    struct err e = {0};
    assert_int_equal(names_check_client("Labor Müller 2", &e), 0);
    assert_int_equal(names_check_client("anna.meier", &e), -EINVAL);
    assert_int_equal(names_check_client("../x", &e), -EINVAL);
    assert_int_equal(names_check_client("", &e), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(publish_and_read_back),
        cmocka_unit_test(three_generations_stay), cmocka_unit_test(adopts_plain_files),
        cmocka_unit_test(readers_never_see_a_mixed_pair), cmocka_unit_test(one_command_at_a_time),
        cmocka_unit_test(ca_is_kept), cmocka_unit_test(revocation), cmocka_unit_test(host_names)};
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
