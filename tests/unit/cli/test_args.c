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

static struct cli cli;
static const char *reason, *other, *words[3];
static bool force;
static struct args_words passed;
static json_t *request;

/* A command line from its words, separated by "|", with one or two operands. */
static int parse(const char *line)
{
    static char text[200], *argv[20];
    const struct args_option options[] = {{"--reason=", &reason, .pass = &passed},
        {"--force", .flag = &force, .pass = &passed, .request = request, .member = "forced"},
        {"--reason-de=", &other, .request = request, .member = "reason"}, {0}};
    int argc = 0;
    snprintf(text, sizeof text, "%s", line);
    for (char *p = text; p; argc++) {
        argv[argc] = p;
        p = strchr(p, '|');
        if (p)
            *p++ = '\0';
    }
    reason = other = NULL;
    force = false;
    passed = (struct args_words){{"job"}, 1};
    return args_parse(&cli, argc, argv, options, 1, 2, words);
}

static void both_forms_of_a_value(void **state)
{
    (void)state;
    assert_int_equal(parse("x|--reason|a b|one|--reason-de=c=d|--force|--reason=|two"), EXIT_GOOD);
    assert_string_equal(reason, "");
    assert_string_equal(other, "c=d");
    assert_true(force);
    assert_string_equal(words[0], "one");
    assert_string_equal(words[1], "two");
    assert_int_equal(parse("x|one"), EXIT_GOOD);
    assert_null(reason);
    assert_false(force);
    assert_null(words[1]);
}

static void what_a_job_gets(void **state)
{
    static const char *const want[] = {"job", "--reason", "a", "--force", "--reason", "b", NULL};
    (void)state;
    assert_int_equal(parse("x|--reason=a|--force|one|--reason-de=no|--reason|b"), EXIT_GOOD);
    assert_int_equal(passed.n, COUNT(want) - 1);
    for (int i = 0; want[i]; i++)
        assert_string_equal(passed.v[i], want[i]);
    assert_null(passed.v[passed.n]);
}

static void what_a_request_gets(void **state)
{
    (void)state;
    request = json_object();
    assert_int_equal(parse("x|--force|--reason-de=c|one"), EXIT_GOOD);
    assert_true(json_is_true(json_object_get(request, "forced")));
    assert_string_equal(json_string_value(json_object_get(request, "reason")), "c");
    assert_int_equal(json_object_size(request), 2);
    json_decref(request);
    request = NULL;
}

static void a_double_dash_ends_the_options(void **state)
{
    (void)state;
    assert_int_equal(parse("x|--force|--|--reason|-1"), EXIT_GOOD);
    assert_true(force);
    assert_string_equal(words[0], "--reason");
    assert_string_equal(words[1], "-1");
}

static void without_options(void **state)
{
    char x[] = "x", run[] = "run", text[] = "-text", *plain[] = {x, run, text},
         *wrong[] = {x, text, run};
    (void)state;
    assert_int_equal(args_parse(&cli, 3, plain, NULL, 2, 2, words), EXIT_GOOD);
    assert_string_equal(words[1], "-text");
    assert_int_equal(args_parse(&cli, 3, wrong, NULL, 2, 2, words), EXIT_USAGE);
}

static void a_single_dash_is_an_operand(void **state)
{
    (void)state;
    assert_int_equal(parse("x|-"), EXIT_GOOD);
    assert_string_equal(words[0], "-");
}

static void mistakes(void **state)
{
    static const char *const lines[] = {"x|--resaon|a", "x|a|--reason", "x|--force=yes|a",
        "x|--forc|a", "x|-f|a", "x|a|b|c", "x", "x|--|a|b|c", "x|a|--reasons=b"};
    (void)state;
    for (int i = 0; i < COUNT(lines); i++)
        if (parse(lines[i]) != EXIT_USAGE)
            fail_msg("%s was accepted", lines[i]);
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
        cmocka_unit_test(what_a_job_gets),
        cmocka_unit_test(what_a_request_gets),
        cmocka_unit_test(without_options),
        cmocka_unit_test(a_double_dash_ends_the_options),
        cmocka_unit_test(a_single_dash_is_an_operand),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(moments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
