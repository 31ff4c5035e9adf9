#include "common/sql_name.h"

#include <string.h>
#include "common/clock.h"
#include "common/hex.h"
#include "tests/unit/common/unit.h"

static void is(char *got, const char *want)
{
    assert_string_equal(got, want);
    free(got);
}

static void test_names(void **state)
{
    (void)state;
    is(sql_name_quoted("a`b"), "`a``b`");
    is(sql_name_quoted_bytes("a`bc", 2), "`a```");
    is(sql_name_quoted_table("db", "t`"), "`db`.`t```");
    is(sql_name_table("db", "t"), "db.t");
    is(sql_name_text("O'Neill\\"), "'O''Neill\\\\'");
    is(sql_name_quoted_account("o'n", "%"), "'o''n'@'%'");
    is(sql_name_account("elexis", "10.0.0.%"), "elexis@10.0.0.%");
}

static void test_hex(void **state)
{
    char out[7];
    (void)state;
    assert_string_equal(hex_text("\x00\xab\x7f", 3, out), "00ab7f");
    assert_string_equal(hex_upper("\x00\xab\x7f", 3, out), "00AB7F");
    assert_true(hex_valid("00ab7f", 6));
    assert_false(hex_valid("00ab7f", 5) || hex_valid("00ab7", 6) || hex_valid("00AB7F", 6));
    assert_false(hex_valid(NULL, 0) || hex_valid("00ab7g", 6));
}

static void test_moments(void **state)
{
    char buf[20];
    (void)state;
    setenv("TZ", "Europe/Zurich", 1);
    tzset();
    assert_string_equal(
        clock_local(1795888800000, "%Y-%m-%d %H:%M", buf, sizeof buf), "2026-11-28 19:00");
    assert_string_equal(
        clock_utc(1795888800000, "%Y-%m-%d %H:%M", buf, sizeof buf), "2026-11-28 18:00");
    assert_string_equal(clock_utc(0, "%Y-%m-%d", buf, 5), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names), cmocka_unit_test(test_hex), cmocka_unit_test(test_moments)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
