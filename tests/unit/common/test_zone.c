#include <errno.h>
#include <unistd.h>

#include "common/file.h"
#include "common/zone.h"
#include "unit.h"

static void known_zones_and_rules(void **state)
{
    static const char *const good[] = {"Europe/Zurich", ":Europe/Zurich", "UTC", "", "Etc/GMT-2",
        "CET-1CEST,M3.5.0,M10.5.0/3", "CET-1CEST", "<+0130>-1:30", "UTC0", "EST5EDT",
        "/usr/share/zoneinfo/Europe/Zurich"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct err e = {0};
        if (zone_check(good[i], &e) != 0)
            fail_msg("\"%s\": %s", good[i], e.text);
    }
}

static void unknown_ones_are_named(void **state)
{
    static const struct {
        const char *name, *meant;
    } rows[] = {{"Europe/Zurrich", "mean Europe/Zurich?"}, {"europe/zurich", "mean Europe/Zurich?"},
        {"Europe/Zürich", "\"Europe/Z"}, {"Europe", "no time zone"}, {"Zurich", "no time zone"},
        {"Europe/Berlni", "mean Europe/Berlin?"}, {"../zoneinfo", "no time zone"},
        {"/etc/passwd", "no time zone"}, {"C", "no time zone"}, {"CET-", "no time zone"},
        {"<+01", "no time zone"}, {" Europe/Zurich", "mean Europe/Zurich?"},
        {"Europe/Zurich ", "mean Europe/Zurich?"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct err e = {0};
        assert_int_equal(zone_check(rows[i].name, &e), -EINVAL);
        if (!strstr(e.text, rows[i].meant))
            fail_msg("\"%s\": %s", rows[i].name, e.text);
    }
}

/* An image without tzdata: UTC would be what everybody gets. */
static void no_zones_at_all(void **state)
{
    struct err e = {0};
    (void)state;
    setenv("TZDIR", "/nowhere", 1);
    assert_int_equal(zone_check("Europe/Zurich", &e), -EINVAL);
    assert_non_null(strstr(e.text, "tzdata"));
    assert_int_equal(zone_check("CET-1CEST", &e), 0);
    unsetenv("TZDIR");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_zones_and_rules),
        cmocka_unit_test(unknown_ones_are_named),
        cmocka_unit_test(no_zones_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
