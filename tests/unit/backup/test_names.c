/* Names in the backup folder: ours and not ours. */
#include "tests/unit/common/unit.h"

#include <stdio.h>
#include <time.h>

#include "backup/rules/archive_name.h"
#include "common/clock.h"

static void test_ours(void **state)
{
    (void)state;
    static const struct {
        const char *name, *type;
        enum archive_name_kind kind;
        bool encrypted, part;
    } cases[] = {
        {"elexisdb_2026-11-22-0315.tar.gz", "elexisdb", ARCHIVE_NAME_ARCHIVE, false, false},
        {"elexisdb_2026-11-22-0315.tar.gz.age", "elexisdb", ARCHIVE_NAME_ARCHIVE, true, false},
        {"elexisdb_old_2026-11-22-0315.manifest.json", "elexisdb_old", ARCHIVE_NAME_MANIFEST, false,
            false},
        {"a-b_2028-02-29-0000.manifest.json.age", "a-b", ARCHIVE_NAME_MANIFEST, true, false},
        {"X_2026-11-22-2359.status.json", "X", ARCHIVE_NAME_STATUS, false, false},
        {".elexisdb_2026-11-22-0315.tar.gz.part", "elexisdb", ARCHIVE_NAME_ARCHIVE, false, true},
        {".elexisdb_2026-11-22-0315.tar.gz.age.part", "elexisdb", ARCHIVE_NAME_ARCHIVE, true, true},
        {"elexisdb_2026-11-22-0315_2026-11-23-0315.tar.gz", "elexisdb_2026-11-22-0315",
            ARCHIVE_NAME_ARCHIVE, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct archive_name n;
        char buf[ARCHIVE_NAME_LEN];
        if (!archive_name_parse(cases[i].name, &n))
            fail_msg("%s", cases[i].name);
        assert_string_equal(n.type, cases[i].type);
        assert_int_equal(n.kind, cases[i].kind);
        assert_int_equal(n.encrypted, cases[i].encrypted);
        assert_int_equal(n.part, cases[i].part);
        assert_string_equal(archive_name_format(&n, buf), cases[i].name);
    }
}

static void test_not_ours(void **state)
{
    (void)state;
    static const char *const names[] = {"", ".", "..", ".part", "elexisdb.tar.gz",
        "elexisdb_2026-11-22.tar.gz", "elexisdb_2026-11-22-0315.tar",
        "elexisdb_2026-11-22-0315.tar.gz2", "elexisdb_2026-11-22-0315.tar.gz.part",
        ".elexisdb_2026-11-22-0315.tar.gz", "_2026-11-22-0315.tar.gz",
        "elexisdb-2026-11-22-0315.tar.gz", "elexisdb_2026-13-22-0315.tar.gz",
        "elexisdb_2026-02-29-0315.tar.gz", "elexisdb_2100-02-29-0315.tar.gz",
        "elexisdb_2026-11-22-2460.tar.gz", "elexisdb_2026-11-22-0315.status.json.age",
        "ärzte_2026-11-22-0315.tar.gz", "../x_2026-11-22-0315.tar.gz", "a b_2026-11-22-0315.tar.gz",
        "elexisdb_2026-11-22-0315.tar.gz.bak", "elexisdb_2026-11-22-0315.tar.gz ",
        "-x_2026-11-22-0315.tar.gz", "_x_2026-11-22-0315.tar.gz",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_2026-11-22-0315.tar.gz"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct archive_name n;
        if (archive_name_parse(names[i], &n))
            fail_msg("\"%s\" was taken for ours", names[i]);
    }
}

static void test_too_long(void **state)
{
    (void)state;
    static const char end[] = "_2026-11-22-0315.tar.gz";
    char name[ARCHIVE_NAME_LEN + 40];
    struct archive_name n;
    for (size_t len = sizeof end; len < sizeof name; len++) {
        memset(name, 'a', len);
        memcpy(name + len - (sizeof end - 1), end, sizeof end);
        assert_int_equal(archive_name_parse(name, &n), len - (sizeof end - 1) <= ARCHIVE_TYPE_MAX);
    }
}

static void test_names_that_others_chose(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool foreign, upload;
    } cases[] = {
        {"elexis-2019_09.tar.gz", true, false},
        {"a-Z_09", true, true},
        {"0", true, true},
        {"-x", false, true},
        {".x", false, false},
        {"", false, false},
        {"a/b", false, false},
        {"a b", false, false},
        {"\303\244", false, false},
        {"..", false, false},
        {"0123456789012345678901234567890123456789012345678901234567890123", true, true},
        {"01234567890123456789012345678901234567890123456789012345678901234", true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (foreign_name_valid(cases[i].name) != cases[i].foreign ||
            upload_name_valid(cases[i].name) != cases[i].upload)
            fail_msg("\"%s\"", cases[i].name);
}

static void test_next_minute(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"2026-11-22-0315", "2026-11-22-0316"},
        {"2026-11-22-0359", "2026-11-22-0400"}, {"2026-11-30-2359", "2026-12-01-0000"},
        {"2026-12-31-2359", "2027-01-01-0000"}, {"2028-02-28-2359", "2028-02-29-0000"},
        {"2100-02-28-2359", "2100-03-01-0000"}, {"2000-02-28-2359", "2000-02-29-0000"},
        {"2027-02-28-2359", "2027-03-01-0000"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char run[RUN_SUFFIX_LEN];
        memcpy(run, pairs[i][0], sizeof run);
        run_suffix_next(run, run);
        assert_string_equal(run, pairs[i][1]);
    }
}

static void test_suffix_in_the_autumn_hour(void **state)
{
    (void)state;
    char first[RUN_SUFFIX_LEN], second[RUN_SUFFIX_LEN];
    int64_t ms;
    setenv("TZ", "Europe/Zurich", 1);
    tzset();
    assert_int_equal(clock_parse("2026-10-25T00:30:00Z", &ms), 0);
    run_suffix_format(ms / 1000, &cron_zone_local, first);
    run_suffix_format(ms / 1000 + 3600, &cron_zone_local, second);
    assert_string_equal(first, "2026-10-25-0230");
    assert_string_equal(second, first); /* the store takes the next free minute */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ours),
        cmocka_unit_test(test_not_ours),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_names_that_others_chose),
        cmocka_unit_test(test_next_minute),
        cmocka_unit_test(test_suffix_in_the_autumn_hour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
