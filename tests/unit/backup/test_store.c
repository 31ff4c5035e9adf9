/* The backup folder: what counts, what goes, what is left alone. */
#include "tests/unit/common/unit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "backup/archive/parse.h"
#include "backup/archive/medium.h"
#include "backup/archive/pack.h"
#include "backup/archive/status_file.h"
#include "common/error_phrase.h"
#include "backup/archive/store.h"
#include "backup/archive/verify.h"
#include "common/clock.h"
#include "common/hex.h"

static char *dir, *state_dir;
static struct trust trust;
static uint64_t sequence;

static int setup(void **state)
{
    (void)state;
    bool made;
    dir = unit_make_dir();
    state_dir = unit_make_dir();
    sequence = 0;
    assert_int_equal(trust_open(state_dir, NULL, &trust, NULL), 0);
    assert_int_equal(trust_ready(&trust, &made, NULL), 0);
    assert_true(made);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    trust_close(&trust);
    unit_remove_dir(dir);
    unit_remove_dir(state_dir);
    return 0;
}

/* A published archive with one small file, sealed with key (NULL = not), in no ledger. */
static void make_as(const struct seal_key *key, const char *type, const char *run,
    const char *started, char *digest)
{
    struct err e = {0};
    struct pack *p;
    struct manifest m = {.method = MANIFEST_FILES};
    struct pack_options o = {
        .folder = dir, .type = type, .run = run, .threads = 1, .key = key, .sequence = ++sequence};
    assert_int_equal(clock_parse(started, &m.started_ms), 0);
    m.finished_ms = m.started_ms + 1000;
    int r = pack_open(&o, &p, &e);
    if (r == 0)
        r = pack_bytes(p, "f", "x", 1, &e);
    if (r == 0)
        r = pack_close(p, &e);
    if (r == 0)
        r = pack_publish(p, &m, &e);
    if (r != 0)
        fail_msg("%s", e.text);
    if (digest)
        memcpy(digest, pack_digest(p), SHA256_HEX_LEN);
    pack_drop(p);
    manifest_clear(&m);
}

/* One of our own. */
static void make(const char *type, const char *run, const char *started)
{
    struct ledger_entry n = {.what = LEDGER_MADE};
    make_as(&trust.key, type, run, started, n.digest);
    n.sequence = sequence;
    strcpy(n.type, type);
    strcpy(n.run, run);
    assert_int_equal(ledger_append(&trust.ledger, &n, NULL), 0);
}

static void write_name(const char *name, const char *text)
{
    free(unit_write(dir, name, text, strlen(text), 0600));
}

static bool exists(const char *name)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static struct store_list list_all(const char *type)
{
    struct store_list l;
    struct err e = {0};
    if (store_read(dir, type, &trust, &l, &e) != 0)
        fail_msg("%s", e.text);
    return l;
}

static void test_listing(void **state)
{
    (void)state;
    make("elexisdb", "2026-11-20-0315", "2026-11-20T02:15:00Z");
    make("elexisdb", "2026-11-22-0315", "2026-11-22T02:15:00Z");
    make("elexisdb2", "2026-11-21-0315", "2026-11-21T02:15:00Z");
    write_name("elexisdb_2026-11-23-0315.tar.gz", "no manifest");
    write_name("elexisdb_2026-11-24-0315.status.json", "a leftover");
    write_name(".elexisdb_2026-11-25-0315.tar.gz.part", "unfinished");
    write_name("elexisdb.tar.gz", "a stranger");
    struct store_list l = list_all("elexisdb");
    assert_int_equal(l.count, 3);
    assert_string_equal(l.items[0].run, "2026-11-22-0315");
    assert_true(l.items[0].complete && l.items[1].complete);
    assert_false(l.items[2].complete);
    assert_string_equal(l.items[2].problem.text, "the manifest is missing");
    store_list_clear(&l);
    l = list_all(NULL);
    assert_int_equal(l.count, 4);
    store_list_clear(&l);
}

static void test_incomplete(void **state)
{
    (void)state;
    static const struct {
        const char *command, *says;
    } cases[] = {{"rm '%s'/*.tar.gz", "the archive is missing"},
        {"printf x >> '%s'/elexisdb_2026-11-20-0315.tar.gz", "bytes, the manifest says"},
        {"truncate -s 10 '%s'/*.manifest.json", "manifest: "},
        {"cd '%s' && mv *.tar.gz elexisdb_2026-11-20-0316.tar.gz && mv *.manifest.json elexisdb_2026-11-20-0316.manifest.json",
            "the manifest is that of elexisdb_2026-11-20-0315"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        _cleanup_free_ char *clean = xasprintf("rm -f '%s'/*", dir);
        assert_int_equal(system(clean), 0);
        make("elexisdb", "2026-11-20-0315", "2026-11-20T02:15:00Z");
        char command[600];
        const char *at = strstr(cases[i].command, "%s");
        snprintf(command, sizeof command, "%.*s%s%s", (int)(at - cases[i].command),
            cases[i].command, dir, at + 2);
        assert_int_equal(system(command), 0);
        struct store_list l = list_all(NULL);
        assert_int_equal(l.count, 1);
        assert_false(l.items[0].complete);
        if (!strstr(l.items[0].problem.text, cases[i].says))
            fail_msg("%s: %s", cases[i].command, l.items[0].problem.text);
        store_list_clear(&l);
    }
}

static unsigned removed_count;
static void removed(void *ctx, const char *type, const char *run)
{
    (void)ctx;
    assert_string_equal(type, "elexisdb");
    assert_true(strcmp(run, "2026-11-22-0315") < 0);
    removed_count++;
}

static void test_retention_on_disk(void **state)
{
    (void)state;
    struct err e = {0};
    struct store_status bad = {.verified_ms = 1, .verified_words.text = "damaged"};
    make("elexisdb", "2026-11-18-0315", "2026-11-18T02:15:00Z");
    make("elexisdb", "2026-11-19-0315", "2026-11-19T02:15:00Z");
    make("elexisdb", "2026-11-20-0315", "2026-11-20T02:15:00Z");
    make("elexisdb", "2026-11-21-0315", "2026-11-21T02:15:00Z");
    make("elexisdb", "2026-11-22-0315", "2026-11-22T02:15:00Z");
    make("elexisdb2", "2020-01-01-0000", "2020-01-01T00:00:00Z");
    make("elexisdb_old", "2020-01-01-0000", "2020-01-01T00:00:00Z");
    write_name("elexisdb_2026-11-17-0315.tar.gz", "incomplete");
    write_name("elexisdb_backup.tar.gz", "a stranger");
    /* one that verify found damaged counts for nothing */
    struct store_list all = list_all("elexisdb");
    for (size_t i = 0; i < all.count; i++)
        if (strcmp(all.items[i].run, "2026-11-21-0315") == 0)
            assert_int_equal(store_status_write(dir, "elexisdb", "2026-11-21-0315",
                                 all.items[i].digest, &trust, &bad, &e),
                0);
    store_list_clear(&all);
    /* neither does what is not ours count, and it stays */
    make_as(NULL, "elexisdb", "2026-11-23-0315", "2026-11-23T02:15:00Z", NULL);
    make_as(NULL, "elexisdb", "2019-11-23-0315", "2019-11-23T02:15:00Z", NULL);
    removed_count = 0;
    struct store_retention o = {.policy = {.keep = 2}, .zone = &cron_zone_utc, .removed = removed};
    /* one lies in the future: nothing goes */
    assert_int_equal(clock_parse("2026-11-20T03:00:00Z", &o.now_ms), 0);
    assert_int_equal(store_retain(dir, "elexisdb", &trust, &o, &e), 1);
    assert_says(&e, "which lies in the future");
    assert_int_equal(removed_count, 0);
    assert_int_equal(clock_parse("2026-11-22T03:00:00Z", &o.now_ms), 0);
    assert_int_equal(store_retain(dir, "elexisdb", &trust, &o, &e), 0);
    assert_int_equal(removed_count, 2);
    assert_true(exists("elexisdb_2026-11-23-0315.tar.gz"));
    assert_true(exists("elexisdb_2019-11-23-0315.tar.gz"));
    assert_true(exists("elexisdb_2026-11-22-0315.tar.gz"));
    assert_true(exists("elexisdb_2026-11-21-0315.tar.gz"));
    assert_true(exists("elexisdb_2026-11-20-0315.tar.gz"));
    assert_false(exists("elexisdb_2026-11-19-0315.tar.gz"));
    assert_false(exists("elexisdb_2026-11-19-0315.manifest.json"));
    assert_false(exists("elexisdb_2026-11-18-0315.tar.gz"));
    assert_true(exists("elexisdb_2026-11-17-0315.tar.gz"));
    assert_true(exists("elexisdb2_2020-01-01-0000.tar.gz"));
    assert_true(exists("elexisdb_old_2020-01-01-0000.tar.gz"));
    assert_true(exists("elexisdb_backup.tar.gz"));
}

static void test_suffix_and_parts(void **state)
{
    (void)state;
    struct err e = {0};
    char run[RUN_SUFFIX_LEN];
    unsigned n;
    int64_t at;
    setenv("TZ", "Europe/Zurich", 1);
    tzset();
    assert_int_equal(clock_parse("2026-10-25T00:30:00Z", &at), 0);
    assert_int_equal(store_free_suffix(dir, at / 1000, &cron_zone_local, run, &e), 0);
    assert_string_equal(run, "2026-10-25-0230");
    make("dokumente", "2026-10-25-0230", "2026-10-25T00:30:00Z");
    /* the second pass of the hour, another type: the suffix is the run's, so it is taken */
    assert_int_equal(store_free_suffix(dir, at / 1000 + 3600, &cron_zone_local, run, &e), 0);
    assert_string_equal(run, "2026-10-25-0231");
    write_name(".elexisdb_2026-10-25-0231.manifest.json.part", "");
    write_name(".other.part", "");
    assert_int_equal(store_free_suffix(dir, at / 1000 + 3600, &cron_zone_local, run, &e), 0);
    assert_string_equal(run, "2026-10-25-0232");
    /* it may be another machine's, which is writing it; ours, killed, is one that began here */
    assert_int_equal(store_clean_parts(dir, &trust, &n, &e), 0);
    assert_int_equal(n, 0);
    struct ledger_entry began = {.what = LEDGER_BEGIN, .run = "2026-10-25-0231"};
    assert_int_equal(ledger_append(&trust.ledger, &began, &e), 0);
    write_name(".elexisdb_2026-10-25-0229.tar.gz.part", "");
    _cleanup_free_ char *old = xasprintf(
        "touch -d '2 days ago' '%s'/.elexisdb_2026-10-25-0229.tar.gz.part", dir);
    assert_int_equal(system(old), 0);
    assert_int_equal(store_clean_parts(dir, &trust, &n, &e), 0);
    assert_int_equal(n, 2);
    assert_true(exists(".other.part"));
    assert_false(exists(".elexisdb_2026-10-25-0231.manifest.json.part"));
    /* taken at once: the next one gets the next minute */
    char other[RUN_SUFFIX_LEN];
    assert_int_equal(
        store_take_suffix(dir, at / 1000, &cron_zone_local, &trust.ledger, run, &e), 0);
    assert_int_equal(
        store_take_suffix(dir, at / 1000, &cron_zone_local, &trust.ledger, other, &e), 0);
    assert_string_equal(run, "2026-10-25-0232"); /* 0231 began here once */
    assert_string_equal(other, "2026-10-25-0233");
    store_give_suffix(dir, run);
    assert_int_equal(
        store_take_suffix(dir, at / 1000, &cron_zone_local, &trust.ledger, run, &e), 0);
    assert_string_equal(run, "2026-10-25-0232");
}

static void test_finding(void **state)
{
    (void)state;
    struct err e = {0};
    struct store_list l;
    make("elexisdb", "2026-11-20-0315", "2026-11-20T02:15:00Z");
    make("dokumente", "2026-11-20-0315", "2026-11-20T02:15:00Z");
    make("elexisdb", "2026-11-21-0315", "2026-11-21T02:15:00Z");
    write_name("elexisdb_2026-11-22-0315.tar.gz", "incomplete");
    make_as(NULL, "elexisdb", "2026-11-23-0315", "2026-11-23T02:15:00Z", NULL);
    assert_int_equal(store_find(dir, "latest", NULL, &trust, false, &l, &e), 0);
    assert_int_equal(l.count, 1);
    assert_string_equal(l.items[0].run, "2026-11-21-0315");
    assert_string_equal(l.folder, dir);
    store_list_clear(&l);
    assert_int_equal(store_find(dir, "latest", "dokumente", &trust, false, &l, &e), 0);
    assert_string_equal(l.items[0].run, "2026-11-20-0315");
    store_list_clear(&l);
    assert_int_equal(store_find(dir, "2026-11-20-0315", NULL, &trust, false, &l, &e), 0);
    assert_int_equal(l.count, 2);
    store_list_clear(&l);
    _cleanup_free_ char *path = xasprintf("%s/elexisdb_2026-11-20-0315.manifest.json", dir);
    assert_int_equal(store_find("/nowhere", path, NULL, &trust, false, &l, &e), 0);
    assert_int_equal(l.count, 1);
    store_list_clear(&l);
    static const char *const bad[] = {
        "2026-11-19-0315", "yesterday", "/nowhere/elexisdb_2026-11-20-0315.tar.gz", "x.tar.gz", ""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(store_find(dir, bad[i], NULL, &trust, false, &l, &e), -ENOENT);
}

/* Who made what, and what of it comes by itself. */
static void test_whose(void **state)
{
    (void)state;
    struct err e = {0};
    struct store_list l;
    struct seal_key stranger, friend;
    assert_int_equal(seal_key_make(&stranger, &e), 0);
    assert_int_equal(seal_key_make(&friend, &e), 0);
    const char *const trusted[] = {friend.public, NULL};
    trust.trusted = trusted;
    make("elexisdb", "2026-11-20-0315", "2026-11-20T02:15:00Z");
    make_as(NULL, "elexisdb", "2026-11-21-0315", "2026-11-21T02:15:00Z", NULL);
    make_as(&stranger, "elexisdb", "2026-11-22-0315", "2026-11-22T02:15:00Z", NULL);
    make_as(&friend, "elexisdb", "2026-11-23-0315", "2026-11-23T02:15:00Z", NULL);
    make_as(&trust.key, "elexisdb", "2026-11-24-0315", "2026-11-24T02:15:00Z", NULL);
    static const enum standing want[] = {
        STANDING_UNLISTED, STANDING_TRUSTED, STANDING_STRANGER, STANDING_UNSEALED, STANDING_OWN};
    l = list_all(NULL);
    assert_int_equal(l.count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(l.items[i].standing, want[i]);
        struct store_list found = {0};
        int r = store_find(dir, l.items[i].run, NULL, &trust, false, &found, &e);
        assert_int_equal(r, standing_good(want[i]) ? 0 : -EPERM);
        store_list_clear(&found);
    }
    store_list_clear(&l);
    assert_int_equal(store_find(dir, "latest", NULL, &trust, false, &l, &e), 0);
    assert_string_equal(l.items[0].run, "2026-11-20-0315");
    store_list_clear(&l);
    assert_int_equal(store_find(dir, "2026-11-21-0315", NULL, &trust, true, &l, &e), 0);
    store_list_clear(&l);
    /* a head that was changed and a seal that was taken from another */
    static const char *const changes[] = {"s/\"elexis/\"3lexis/2",
        "s/\"sequence\":5/\"sequence\":9/",
        "1s/\"key\":\"0/\"key\":\"@/;1s/\"key\":\"[^@]/\"key\":\"0/;1s/\"key\":\"@/\"key\":\"1/"};
    for (size_t i = 0; i < 3; i++) {
        _cleanup_free_ char *command = xasprintf(
            "cd '%s' && cp elexisdb_2026-11-24-0315.manifest.json x && sed -i '%s' elexisdb_2026-11-24-0315.manifest.json",
            dir, changes[i]);
        assert_int_equal(system(command), 0);
        l = list_all(NULL);
        for (size_t k = 0; k < l.count; k++)
            if (strcmp(l.items[k].run, "2026-11-24-0315") == 0)
                assert_true(l.items[k].standing == STANDING_BROKEN || !*l.items[k].digest);
        store_list_clear(&l);
        _cleanup_free_ char *back = xasprintf(
            "cd '%s' && mv x elexisdb_2026-11-24-0315.manifest.json", dir);
        assert_int_equal(system(back), 0);
    }
    seal_key_clear(&stranger);
    seal_key_clear(&friend);
}

/* "latest" speaks of what we made last, and of nothing older in its place. */
static void test_latest_is_not_stepped_over(void **state)
{
    (void)state;
    struct err e = {0};
    struct store_list l;
    static const char *const faults[] = {"rm *_2026-11-21-0315.*", "truncate -s 9 *1-0315.tar.gz",
        "rm *1-0315.tar.gz", "rm *1-0315.manifest.json",
        "echo x >elexisdb_2026-11-21-0315.manifest.json",
        "cp *0-0315.manifest.json *1-0315.manifest.json",
        "for x in 0 1; do mv elexisdb_2026-11-2$x-0315.tar.gz $x; done; mv 0 elexisdb_2026-11-21-0315.tar.gz; mv 1 elexisdb_2026-11-20-0315.tar.gz; truncate -s 8 *1-0315.tar.gz"};
    assert_int_equal(medium_init(trust.folder, dir, (char[MEDIUM_ID_LEN]){0}, &e), 0);
    char id[MEDIUM_ID_LEN];
    assert_int_equal(medium_read(dir, id, &e), 0);
    make("elexisdb", "2026-11-20-0315", "2026-11-20T02:15:00Z");
    make("elexisdb", "2026-11-21-0315", "2026-11-20T01:15:00Z"); /* the clock fell back */
    for (size_t i = 0; i < trust.ledger.count; i++)              /* made on this medium */
        memcpy(trust.ledger.entries[i].medium, id, sizeof id);
    _cleanup_free_ char *keep = xasprintf("cp -a '%s' '%s.kept'", dir, dir);
    assert_int_equal(system(keep), 0);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        _cleanup_free_ char *command = xasprintf("cd '%s' && %s", dir, faults[i]);
        assert_int_equal(system(command), 0);
        if (store_find(dir, "latest", NULL, &trust, false, &l, &e) < 0)
            fail_msg("%s: %s", faults[i], e.text);
        if (strcmp(l.items[0].run, "2026-11-21-0315") != 0 || l.items[0].complete)
            fail_msg("%s: %s, %s", faults[i], l.items[0].run, l.items[0].problem.text);
        assert_true(*l.items[0].problem.text);
        store_list_clear(&l);
        _cleanup_free_ char *back = xasprintf(
            "cd '%s' && rm -f * && cp -a '%s.kept/.' .", dir, dir);
        assert_int_equal(system(back), 0);
    }
    /* removed by us, it is not missed */
    assert_int_equal(store_remove(dir, "elexisdb", "2026-11-21-0315", &trust, &e), 0);
    assert_int_equal(store_find(dir, "latest", NULL, &trust, false, &l, &e), 0);
    assert_string_equal(l.items[0].run, "2026-11-20-0315");
    store_list_clear(&l);
    _cleanup_free_ char *away = xasprintf("rm -r '%s.kept'", dir);
    assert_int_equal(system(away), 0);
}

static void test_status(void **state)
{
    (void)state;
    struct err e = {0};
    struct store_status s = {.proven_ms = INT64_C(1795313700123),
                            .proven_good = true,
                            .drill_ms = 12345,
                            .verified_ms = INT64_C(1795313700000)},
                        back;
    (void)err_set(&s.verified_words, EBADMSG, "%s", "bad \xff name");
    char digest[SHA256_HEX_LEN];
    hex_sha256("a manifest", 10, digest);
    struct status_subject about = {"x", "2026-11-20-0315", digest};
    assert_int_equal(status_read(dir, &about, &trust, &back, &e), 0);
    assert_int_equal(back.proven_ms, 0);
    assert_int_equal(store_status_write(dir, about.type, about.run, digest, &trust, &s, &e), 0);
    assert_int_equal(status_read(dir, &about, &trust, &back, &e), 0);
    assert_true(back.proven_good && !back.verified_good);
    assert_true(back.proven_ms == s.proven_ms && back.drill_ms == 12345);
    assert_string_equal(back.verified_words.text, "bad ? name");
    (void)err_set(&s.proven_words, EIO,
        "%" PRId64 " tables checked, %" PRId64 " rows counted, %" PRId64 " checksums compared",
        INT64_C(3), INT64_C(4), INT64_C(2));
    assert_int_equal(store_status_write(dir, about.type, about.run, digest, &trust, &s, &e), 0);
    assert_int_equal(status_read(dir, &about, &trust, &back, &e), 0);
    char *french = error_phrase_words(LANG_FR, &back.proven_words);
    assert_string_equal(
        french, "3 tables vérifiées, 4 lignes comptées, 2 sommes de contrôle comparées");
    free(french);
    static const char *const bad[] = {"", "{}", "[]", "null",
        "{\"format\":\"elexgate-status\",\"version\":2,\"verified\":null,\"proven\":null,\"drill_ms\":0}",
        "{\"format\":\"elexgate-status\",\"version\":1,\"verified\":1,\"proven\":null,\"drill_ms\":0}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(status_parse(bad[i], strlen(bad[i]), &about, &trust, &back, &e), -EINVAL);
}

/* Whoever writes to the medium has no key of ours, and none of our seals says it for him. */
static void test_nobody_else_says_that_it_is_proven(void **state)
{
    (void)state;
    struct err e = {0};
    struct store_status proven = {.proven_ms = 1, .proven_good = true}, back;
    struct seal_key theirs;
    char digest[SHA256_HEX_LEN], other[SHA256_HEX_LEN];
    hex_sha256("a", 1, digest);
    hex_sha256("b", 1, other);
    assert_int_equal(seal_key_make(&theirs, &e), 0);
    const struct status_subject about = {"x", "2026-11-20-0315", digest};
    const struct status_subject others[] = {{"x", "2026-11-20-0315", other},
        {"x", "2026-11-21-0315", digest}, {"y", "2026-11-20-0315", digest}};
    _cleanup_free_ char *good = status_text(&proven, &about, &trust.key);
    _cleanup_free_ char *none = status_text(&proven, &about, NULL);
    _cleanup_free_ char *foreign = status_text(&proven, &about, &theirs);
    assert_int_equal(status_parse(good, strlen(good), &about, &trust, &back, &e), 0);
    assert_true(back.proven_good);
    assert_int_equal(status_parse(none, strlen(none), &about, &trust, &back, &e), -EPERM);
    assert_int_equal(status_parse(foreign, strlen(foreign), &about, &trust, &back, &e), -EPERM);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_int_equal(status_parse(good, strlen(good), &others[i], &trust, &back, &e), -EPERM);
    memcpy(strstr(good, "\"drill_ms\":0"), "\"drill_ms\":9", 12);
    assert_int_equal(status_parse(good, strlen(good), &about, &trust, &back, &e), -EPERM);
    seal_key_clear(&theirs);
}

static void test_verify_records(void **state)
{
    (void)state;
    struct err e = {0};
    struct verify_result r;
    struct verify_options o = {.threads = 1, .record = &trust};
    make("elexisdb", "2026-11-20-0315", "2026-11-20T02:15:00Z");
    struct store_list l = list_all(NULL);
    assert_int_equal(verify_item(dir, &l.items[0], &o, &r, &e), 0);
    assert_true(r.good && r.files == 1);
    store_list_clear(&l);
    l = list_all(NULL);
    assert_true(l.items[0].status.verified_good && l.items[0].status.verified_ms > 0);
    _cleanup_free_ char *cut = xasprintf("truncate -s -1 '%s'/*.tar.gz", dir);
    assert_int_equal(system(cut), 0);
    assert_int_equal(verify_item(dir, &l.items[0], &o, &r, &e), 0);
    assert_false(r.good);
    store_list_clear(&l);
    l = list_all(NULL);
    assert_true(!l.items[0].status.verified_good && *l.items[0].status.verified_words.text);
    store_list_clear(&l);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], PARSE_CHILD) == 0) /* unpacking starts us anew for that */
        _exit(parse_child(argc - 1, argv + 1));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_listing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_incomplete, setup, teardown),
        cmocka_unit_test_setup_teardown(test_retention_on_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_suffix_and_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_finding, setup, teardown),
        cmocka_unit_test_setup_teardown(test_whose, setup, teardown),
        cmocka_unit_test_setup_teardown(test_latest_is_not_stepped_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_status, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_else_says_that_it_is_proven, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verify_records, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
