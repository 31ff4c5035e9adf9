/* What the archive engine takes from the configuration: each option has its own place. */
#include "tests/unit/common/unit.h"

#include <string.h>

#include "backup/archive/archive_settings.h"

static void test_each_number_of_the_retention_has_its_place(void **state)
{
    static const char text[] =
        "[retention]\nkeep = 2\nkeep_daily = 3\nkeep_weekly = 4\nkeep_monthly = 5\nkeep_yearly = 6\n"
        "[archive]\nfolder = /backups\nlevel = 7\nthreads = 8\nrate = 9M\n";
    struct config *c = NULL;
    struct archive_settings s;
    struct err e = {0};
    (void)state;
    if (config_parse(text, strlen(text), "test.ini", &c, &e) < 0 ||
        archive_settings_load(c, &s, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(s.retention.keep, 2);
    assert_int_equal(s.retention.daily, 3);
    assert_int_equal(s.retention.weekly, 4);
    assert_int_equal(s.retention.monthly, 5);
    assert_int_equal(s.retention.yearly, 6);
    assert_string_equal(s.pack.folder, "/backups");
    assert_int_equal(s.pack.level, 7);
    assert_int_equal(s.pack.threads, 8);
    assert_int_equal(s.pack.rate, 9u << 20);
    archive_settings_clear(&s);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_number_of_the_retention_has_its_place)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
