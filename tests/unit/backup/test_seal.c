/* Keys, seals, the ledger, the mark of a medium, and what is suspicious. */
#include "tests/unit/common/unit.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/error_phrase.h"
#include "backup/archive/ledger.h"
#include "backup/archive/medium.h"
#include "backup/archive/seal.h"
#include "backup/archive/trust.h"
#include "backup/rules/shrink.h"
#include "common/hex.h"

/* RFC 8032, 7.1, test 1: its public key belongs to its secret one. */
static void test_known_key(void **state)
{
    (void)state;
    struct seal_key key;
    struct err e = {0};
    char sum[SHA256_HEX_LEN], text[SEAL_SPARE_LEN], again[SEAL_SPARE_LEN];
    const char *secret = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    hex_sha256(secret, 64, sum);
    snprintf(text, sizeof text, "elexgate-backup-key-1:%s:%.8s", secret, sum);
    assert_int_equal(seal_key_parse(text, &key, &e), 0);
    assert_string_equal(
        key.public, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    seal_key_text(&key, again);
    assert_string_equal(text, again);
    /* a slip of the pen, anywhere */
    for (size_t i = 0; i < strlen(text); i++) {
        char wrong[SEAL_SPARE_LEN];
        struct seal_key other = {.public = "untouched"};
        snprintf(wrong, sizeof wrong, "%s", text);
        wrong[i] = wrong[i] == '3' ? '4' : '3';
        assert_int_equal(seal_key_parse(wrong, &other, &e), -EINVAL);
        assert_string_equal(other.public, "untouched");
    }
}

static void test_seals(void **state)
{
    (void)state;
    struct seal_key a, b;
    char digest[SHA256_HEX_LEN], other[SHA256_HEX_LEN], seal[SEAL_SIGNATURE_HEX_LEN];
    assert_int_equal(seal_key_make(&a, NULL), 0);
    assert_int_equal(seal_key_make(&b, NULL), 0);
    hex_sha256("x", 1, digest);
    hex_sha256("y", 1, other);
    seal_sign(&a, SEAL_MANIFEST, digest, seal);
    assert_true(seal_verify(a.public, SEAL_MANIFEST, digest, seal));
    assert_false(seal_verify(b.public, SEAL_MANIFEST, digest, seal));
    assert_false(seal_verify(a.public, SEAL_STATUS, digest, seal));
    assert_false(seal_verify(a.public, SEAL_MANIFEST, other, seal));
    static const char *const junk[] = {"", "00", "zz"};
    for (size_t i = 0; i < 3; i++) {
        assert_false(seal_verify(junk[i], SEAL_MANIFEST, digest, seal));
        assert_false(seal_verify(a.public, SEAL_MANIFEST, junk[i], seal));
        assert_false(seal_verify(a.public, SEAL_MANIFEST, digest, junk[i]));
    }
    for (size_t i = 0; i < sizeof seal - 1; i += 7) {
        char was = seal[i];
        seal[i] = was == '0' ? '1' : '0';
        if (seal_verify(a.public, SEAL_MANIFEST, digest, seal))
            fail_msg("a seal with another sign %zu is taken", i);
        seal[i] = was;
    }
}

static struct ledger_entry entry(enum ledger_what what, uint64_t sequence, const char *run)
{
    struct ledger_entry n = {.what = what, .sequence = sequence, .at_ms = 1000};
    strcpy(n.run, run);
    if (what != LEDGER_BEGIN)
        strcpy(n.type, "bilder");
    if (what == LEDGER_MADE || what == LEDGER_ADOPTED)
        hex_sha256(run, strlen(run), n.digest);
    return n;
}

static void test_ledger(void **state)
{
    (void)state;
    char *dir = unit_make_dir();
    _cleanup_free_ char *path = xasprintf("%s/ledger", dir);
    struct ledger l, again;
    struct err e = {0};
    assert_int_equal(ledger_read(path, &l, &e), 0);
    assert_int_equal(l.count, 0);
    for (uint64_t i = 1; i <= 3; i++) {
        char run[RUN_SUFFIX_LEN];
        snprintf(run, sizeof run, "2026-11-2%d-0315", (int)i);
        struct ledger_entry begin = entry(LEDGER_BEGIN, i, run), made = entry(LEDGER_MADE, i, run);
        assert_int_equal(ledger_append(&l, &begin, &e), 0);
        assert_int_equal(ledger_append(&l, &made, &e), 0);
    }
    struct ledger_entry gone = entry(LEDGER_REMOVED, 2, "2026-11-22-0315");
    assert_int_equal(ledger_append(&l, &gone, &e), 0);
    assert_int_equal(ledger_read(path, &again, &e), 0);
    assert_true(again.count == 7 && !again.cut && !again.problem.code);
    assert_string_equal(again.chain, l.chain);
    assert_int_equal(ledger_sequence(&again), 3);
    size_t n;
    size_t *live = ledger_live(&again, "", &n);
    assert_int_equal(n, 2);
    free(live);
    free(ledger_live(&again, "00112233445566778899aabbccddeeff", &n));
    assert_int_equal(n, 0);
    assert_non_null(ledger_find(&again, "bilder", "2026-11-23-0315", NULL, NULL));
    assert_null(ledger_find(&again, "bilder", "2026-11-24-0315", NULL, NULL));
    /* of what we removed a copy elsewhere is ours all the same; it is only not missed here */
    const struct ledger_entry *copy = ledger_find(&again, "bilder", "2026-11-22-0315", NULL, NULL);
    assert_non_null(copy);
    assert_int_equal(copy->what, LEDGER_MADE);
    assert_null(ledger_find(&again, "bilder", "2026-11-22-0315", "another digest", NULL));
    assert_true(ledger_began(&again, "2026-11-21-0315", 1));
    assert_false(ledger_began(&again, "2026-11-21-0315", 2));
    ledger_clear(&again);
    ledger_clear(&l);
    unit_remove_dir(dir);
}

/* Whoever may mark cannot fill the ledger with it, nor the medium with what is never removed. */
static void test_ledger_marks_have_an_end(void **state)
{
    (void)state;
    char *dir = unit_make_dir();
    _cleanup_free_ char *path = xasprintf("%s/ledger", dir);
    struct ledger l;
    struct err e = {0};
    struct ledger_entry mark = {.what = LEDGER_MARK, .protected = true};
    assert_int_equal(ledger_read(path, &l, &e), 0);
    for (int i = 0; i < LEDGER_PROTECTED_MAX; i++) {
        snprintf(mark.run, sizeof mark.run, "2026-11-21-%04d", i);
        assert_int_equal(ledger_append_mark(&l, &mark, &e), 0);
        assert_int_equal(ledger_append_mark(&l, &mark, &e), 0); /* is nothing new */
    }
    assert_int_equal(l.count, LEDGER_PROTECTED_MAX);
    strcpy(mark.run, "2026-11-22-0315");
    assert_int_equal(ledger_append_mark(&l, &mark, &e), -EDQUOT);
    mark.protected = false;
    for (int i = 0; i < LEDGER_MARKS_A_DAY - LEDGER_PROTECTED_MAX; i++) {
        snprintf(mark.label, sizeof mark.label, "%d", i);
        assert_int_equal(ledger_append_mark(&l, &mark, &e), 0);
    }
    strcpy(mark.label, "more");
    assert_int_equal(ledger_append_mark(&l, &mark, &e), -EDQUOT);
    assert_int_equal(l.count, LEDGER_MARKS_A_DAY);
    ledger_clear(&l);
    unit_remove_dir(dir);
}

/* The last mark of a run counts; marks are not backups, and say nothing that is no line of text. */
static void test_ledger_marks(void **state)
{
    (void)state;
    char *dir = unit_make_dir();
    _cleanup_free_ char *path = xasprintf("%s/ledger", dir);
    struct ledger l;
    struct err e = {0};
    assert_int_equal(ledger_read(path, &l, &e), 0);
    struct ledger_entry made = entry(LEDGER_MADE, 1, "2026-11-21-0315");
    struct ledger_entry mark = {.what = LEDGER_MARK, .run = "2026-11-21-0315", .protected = true};
    strcpy(mark.label, "vor dem Einspielen von \"3.13\"");
    assert_int_equal(ledger_append(&l, &made, &e), 0);
    assert_int_equal(ledger_append(&l, &mark, &e), 0);
    ledger_clear(&l);
    assert_int_equal(ledger_read(path, &l, &e), 0);
    assert_false(l.problem.code);
    assert_string_equal(ledger_mark(&l, "2026-11-21-0315")->label, mark.label);
    assert_true(ledger_mark(&l, "2026-11-21-0315")->protected);
    assert_null(ledger_mark(&l, "2026-11-22-0315"));
    mark.protected = false;
    mark.label[0] = 0;
    assert_int_equal(ledger_append(&l, &mark, &e), 0);
    assert_false(ledger_mark(&l, "2026-11-21-0315")->protected);
    assert_string_equal(ledger_mark(&l, "2026-11-21-0315")->label, "");
    size_t n;
    free(ledger_live(&l, "", &n));
    assert_int_equal(n, 1);
    ledger_clear(&l);
    static const char *const bad[] = {"two\nlines", "\033[31m", "\xff", "\u202eback"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(archive_label_valid(bad[i]));
    char longest[ARCHIVE_LABEL_MAX + 2];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    assert_false(archive_label_valid(longest));
    longest[ARCHIVE_LABEL_MAX] = 0;
    assert_true(archive_label_valid(longest) && archive_label_valid(""));
    unit_remove_dir(dir);
}

/* Cut at every byte, and with every byte changed: never more than what was there, never a crash,
 * and what is appended then can be read. */
static void test_ledger_damage(void **state)
{
    (void)state;
    char *dir = unit_make_dir();
    _cleanup_free_ char *path = xasprintf("%s/ledger", dir);
    char chain[SHA256_HEX_LEN] = "";
    struct ledger_entry list[] = {entry(LEDGER_BEGIN, 1, "2026-11-21-0315"),
        entry(LEDGER_MADE, 1, "2026-11-21-0315"), entry(LEDGER_BEGIN, 2, "2026-11-22-0315")};
    char *text = xstrdup("");
    size_t ends[3];
    for (size_t i = 0; i < 3; i++) {
        char *line = ledger_line(&list[i], chain), *longer = xasprintf("%s%s\n", text, line);
        free(line);
        free(text);
        text = longer;
        ends[i] = strlen(text);
    }
    for (size_t at = 0; at < strlen(text); at++) {
        for (int changed = 0; changed < 2; changed++) {
            struct ledger l;
            struct err e = {0};
            char *bad = xstrdup(text);
            size_t whole = 0;
            while (whole < 3 && ends[whole] <= at)
                whole++;
            bad[at] = bad[at] == 'x' ? 'y' : 'x';
            free(unit_write(dir, "ledger", bad, changed ? strlen(bad) : at, 0600));
            free(bad);
            assert_int_equal(ledger_read(path, &l, &e), 0);
            assert_int_equal(l.count, whole);
            if (at % 37 == 0) {
                struct ledger again;
                assert_int_equal(ledger_append(&l, &list[2], &e), 0);
                assert_int_equal(ledger_read(path, &again, &e), 0);
                assert_int_equal(again.count, whole + 1);
                ledger_clear(&again);
            }
            ledger_clear(&l);
        }
    }
    free(text);
    unit_remove_dir(dir);
}

static void test_shrink(void **state)
{
    (void)state;
    static const struct {
        struct shrink_counts before, now;
        bool first;
        enum shrink want;
    } cases[] = {
        {{100, 1000, 0}, {100, 1000, 0}, false, SHRINK_NONE},
        {{100, 1000, 0}, {50, 500, 0}, false, SHRINK_NONE}, /* half of it is still most */
        {{100, 1000, 0}, {49, 900, 0}, false, SHRINK_FILES},
        {{100, 1000, 0}, {100, 499, 0}, false, SHRINK_BYTES},
        {{100, 1000, 0}, {0, 0, 0}, false, SHRINK_EMPTY},
        {{100, 1000, 0}, {100, 0, 0}, false, SHRINK_EMPTY},
        {{1, 10, 0}, {0, 0, 0}, false, SHRINK_EMPTY},
        {{2, 10, 0}, {1, 9, 0}, false, SHRINK_NONE},
        {{3, 10, 0}, {1, 9, 0}, false, SHRINK_FILES},
        {{0, 0, 0}, {0, 0, 0}, false, SHRINK_NONE},
        {{5, 0, 0}, {5, 0, 0}, false, SHRINK_NONE},
        {{0, 0, 0}, {9, 9, 0}, false, SHRINK_NONE},
        {{1, 1000, 130}, {1, 900, 13}, false, SHRINK_TABLES},
        {{1, 1000, 130}, {1, 900, 0}, false, SHRINK_TABLES},
        {{0, 0, 0}, {0, 0, 0}, true, SHRINK_EMPTY},
        {{0, 0, 0}, {1, 0, 0}, true, SHRINK_NONE},
        {{UINT64_MAX, UINT64_MAX, 0}, {UINT64_MAX, UINT64_MAX / 3, 0}, false, SHRINK_BYTES},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum shrink s = shrink_judge(cases[i].first ? NULL : &cases[i].before, &cases[i].now);
        if (s != cases[i].want)
            fail_msg("case %zu: %d", i, (int)s);
        if (s == SHRINK_NONE)
            continue;
        json_t *said = shrink_phrase(
            s, "/x", "bilder", cases[i].first ? NULL : &cases[i].before, &cases[i].now, false);
        for (enum lang lang = LANG_EN; lang < LANG_COUNT; lang++) {
            char *words = phrase_words(lang, said);
            assert_non_null(strstr(words, "bilder"));
            assert_null(strchr(words, '?') ? strstr(words, "??") : NULL);
            free(words);
        }
        json_decref(said);
    }
}

static void test_medium(void **state)
{
    (void)state;
    char *dir = unit_make_dir(), id[MEDIUM_ID_LEN], other[MEDIUM_ID_LEN];
    _cleanup_free_ char *seal = xasprintf("%s/seal", dir), *folder = xasprintf("%s/b", dir),
                        *deep = xasprintf("%s/point/b", dir), *point = xasprintf("%s/point", dir);
    struct err e = {0};
    bool marked;
    free(unit_write(dir, "something", "x", 1, 0600));
    assert_int_equal(medium_look(seal, folder, id, &e), MEDIUM_FRESH);
    assert_int_equal(medium_ready(seal, folder, id, &marked, &e), 0);
    assert_true(marked);
    assert_int_equal(medium_ready(seal, folder, other, &marked, &e), 0);
    assert_true(!marked && strcmp(id, other) == 0);
    _cleanup_free_ char *mark = xasprintf("%s/" MEDIUM_FILE, folder);
    assert_int_equal(remove(mark), 0);
    assert_int_equal(medium_ready(seal, folder, id, &marked, &e), MEDIUM_ABSENT);
    char *german = error_phrase_words(LANG_DE, &e);
    assert_true(strstr(german, folder) && strstr(german, "nicht da"));
    free(german);
    assert_int_equal(medium_init(seal, folder, id, &e), 0);
    assert_int_equal(medium_look(seal, folder, id, &e), 0);
    static const char *const bad[] = {"", "{}", "[]", "{\"id\":7}", "{\"id\":\"../x\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        free(unit_write(folder, MEDIUM_FILE, bad[i], strlen(bad[i]), 0600));
        assert_int_equal(medium_look(seal, folder, id, &e), -EINVAL);
    }
    const char *stranger = "{\"id\":\"00112233445566778899aabbccddeeff\"}";
    free(unit_write(folder, MEDIUM_FILE, stranger, strlen(stranger), 0600));
    assert_int_equal(medium_look(seal, folder, id, &e), MEDIUM_ANOTHER);
    /* a mount point whose disk is away looks like this */
    assert_int_equal(mkdir(point, 0700), 0);
    assert_int_equal(medium_look(seal, deep, id, &e), MEDIUM_DOUBTFUL);
    assert_int_equal(medium_look(seal, "/mnt/elexgate-test/b", id, &e), MEDIUM_DOUBTFUL);
    unit_remove_dir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_key),
        cmocka_unit_test(test_seals),
        cmocka_unit_test(test_ledger),
        cmocka_unit_test(test_ledger_marks),
        cmocka_unit_test(test_ledger_marks_have_an_end),
        cmocka_unit_test(test_ledger_damage),
        cmocka_unit_test(test_shrink),
        cmocka_unit_test(test_medium),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
