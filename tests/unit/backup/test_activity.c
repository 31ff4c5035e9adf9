/* How much was written each minute, by whoever may say which minute it was. */
#include "tests/unit/common/unit.h"

#include <sys/stat.h>
#include <time.h>
#include "backup/job/binlog/activity.h"
#include "common/memory.h"

#define TRANSACTIONS 200000u

static void another_time_for_each_transaction(void **state)
{
    (void)state;
    char *dir = unit_make_dir();
    struct activity a = {.count = 0};
    uint32_t now = (uint32_t)time(NULL) - 86400, first = now / 86400 * 1440, counts[1440];
    for (uint32_t i = 0; i < TRANSACTIONS; i++)
        activity_note(&a, dir, first * 60 + (i % 2) * 60);
    activity_save(&a, dir, true);
    char day[16];
    time_t t = (time_t)first * 60;
    struct tm utc;
    struct stat st;
    gmtime_r(&t, &utc);
    strftime(day, sizeof day, "%Y-%m-%d", &utc);
    _cleanup_free_ char *path = xasprintf("%s/activity/%s", dir, day);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < 2200000);
    assert_int_equal(activity_read(dir, first, 1440, counts, NULL), 0);
    assert_int_equal(counts[0], TRANSACTIONS / 2);
    assert_int_equal(counts[1], TRANSACTIONS / 2);
    unit_remove_dir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(another_time_for_each_transaction)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
