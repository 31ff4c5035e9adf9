#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "common/clock.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

static const char *const options[] = {"--reason=", "--force", "--reason-de=", NULL};
static struct cli cli;

/* A command line from its words, separated by "|". */
static struct args begin(const char *words)
{
    static char text[200], *argv[20];
    int argc = 0;

    snprintf(text, sizeof text, "%s", words);
    for (char *p = text; p; argc++) {
        argv[argc] = p;
        p = strchr(p, '|');
        if (p)
            *p++ = '\0';
    }
    return args_begin(&cli, argc, argv);
}

static void both_forms_of_a_value(void **state)
{
    struct args a = begin("x|--reason|a b|--reason-de=c=d|--force|--reason=|one|two");

    (void)state;
    assert_string_equal(args_next(&a, options), "--reason=");
    assert_string_equal(a.value, "a b");
    assert_string_equal(args_next(&a, options), "--reason-de=");
    assert_string_equal(a.value, "c=d");
    assert_string_equal(args_next(&a, options), "--force");
    assert_null(a.value);
    assert_string_equal(args_next(&a, options), "--reason=");
    assert_string_equal(a.value, "");
    assert_null(args_next(&a, options));
    assert_int_equal(args_operands(&a, 1, 2), EXIT_GOOD);
    assert_string_equal(a.argv[a.next], "one");
}

static void a_double_dash_ends_the_options(void **state)
{
    struct args a = begin("x|--force|--|--reason|-1");

    (void)state;
    assert_string_equal(args_next(&a, options), "--force");
    assert_null(args_next(&a, options));
    assert_int_equal(args_operands(&a, 2, 2), EXIT_GOOD);
    assert_string_equal(a.argv[a.next], "--reason");
}

static void a_single_dash_is_an_operand(void **state)
{
    struct args a = begin("x|-");

    (void)state;
    assert_null(args_next(&a, options));
    assert_int_equal(args_operands(&a, 1, 1), EXIT_GOOD);
}

static void mistakes(void **state)
{
    static const char *const lines[] = {"x|--resaon|a", "x|--reason", "x|--force=yes", "x|--forc|a",
        "x|-f|a", "x|a|b", "x", "x|--|a|b"};

    (void)state;
    for (int i = 0; i < COUNT(lines); i++) {
        struct args a = begin(lines[i]);
        while (args_next(&a, options))
            ;
        if (args_operands(&a, 1, 1) != EXIT_USAGE)
            fail_msg("%s was accepted", lines[i]);
    }
}

static void moments(void **state)
{
    int64_t now = clock_wall_ms(), ms = 0;
    static const char *const bad[] = {"", "+", "+5", "+-5m", "+5m5m", "25:00", "tomorrow",
        "+9223372036854775807ms", "12:00 ", "2026-02-30 12:00"};

    (void)state;
    setenv("TZ", "Europe/Zurich", 1);
    tzset();
    assert_int_equal(args_parse_moment("+30m", &ms), 0);
    assert_in_range(ms - now, 1800000, 1800000 + 60000);
    /* A time of day is its next occurrence, whatever the time is now. */
    for (int hour = 0; hour < 24; hour++) {
        char text[8];
        struct tm tm;
        snprintf(text, sizeof text, "%02d:07", hour);
        assert_int_equal(args_parse_moment(text, &ms), 0);
        assert_in_range(ms - now, 0, 25 * INT64_C(3600000));
        time_t sec = (time_t)(ms / 1000);
        localtime_r(&sec, &tm);
        if (tm.tm_isdst == 0) /* 02:07 does not exist on one day of the year */
            assert_int_equal(tm.tm_hour * 100 + tm.tm_min, hour * 100 + 7);
    }
    assert_int_equal(args_parse_moment("2020-01-01T00:00:00Z", &ms), 0);
    assert_int_equal(ms, INT64_C(1577836800000));
    for (int i = 0; i < COUNT(bad); i++) {
        ms = 77;
        if (args_parse_moment(bad[i], &ms) == 0)
            fail_msg("\"%s\" was accepted", bad[i]);
        assert_int_equal(ms, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms_of_a_value),
        cmocka_unit_test(a_double_dash_ends_the_options),
        cmocka_unit_test(a_single_dash_is_an_operand),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(moments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
