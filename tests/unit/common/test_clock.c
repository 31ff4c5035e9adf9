#include <errno.h>
#include <time.h>

#include "common/clock.h"
#include "unit.h"

static void zone(const char *tz)
{
    setenv("TZ", tz, 1);
    tzset();
}

static void iso(void **state)
{
    char buf[CLOCK_ISO_LEN];

    (void)state;
    assert_string_equal(clock_iso(0, buf), "1970-01-01T00:00:00.000Z");
    assert_string_equal(clock_iso(1795383606123, buf), "2026-11-22T21:40:06.123Z");
    assert_string_equal(clock_iso(-1, buf), "1969-12-31T23:59:59.999Z");
    assert_string_equal(clock_iso(INT64_MAX, buf), "9999-12-31T23:59:59.999Z");
    assert_string_equal(clock_iso(INT64_MIN, buf), "0000-01-01T00:00:00.000Z");
}

static void parses_what_it_writes(void **state)
{
    static const int64_t times[] = {0, 1, 999, 1795383606123, 951782400000, 4102444800000};

    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        char buf[CLOCK_ISO_LEN];
        int64_t ms = -1;
        assert_int_equal(clock_parse(clock_iso(times[i], buf), &ms), 0);
        assert_int_equal(ms, times[i]);
    }
}

static void parses_offsets_and_local(void **state)
{
    int64_t utc = 0, ms = 0;

    (void)state;
    zone("Europe/Zurich");
    assert_int_equal(clock_parse("2026-07-01T12:00:00Z", &utc), 0);
    assert_int_equal(clock_parse("2026-07-01T14:00:00+02:00", &ms), 0);
    assert_int_equal(ms, utc);
    assert_int_equal(clock_parse("2026-07-01T07:30-04:30", &ms), 0);
    assert_int_equal(ms, utc);
    assert_int_equal(clock_parse("2026-07-01 14:00", &ms), 0); /* summer time */
    assert_int_equal(ms, utc);
    assert_int_equal(clock_parse("2026-01-01 13:00:00", &ms), 0);
    assert_int_equal(clock_parse("2026-01-01T12:00:00Z", &utc), 0);
    assert_int_equal(ms, utc);
    assert_int_equal(clock_parse("2026-01-01T12:00:00.25Z", &ms), 0);
    assert_int_equal(ms, utc + 250);
    assert_int_equal(clock_parse("2024-02-29T00:00:00Z", &ms), 0);
}

/* The hours in which the clocks are put back and forward. exact: what has to be said; NULL: taken.
 */
static void a_local_time_that_comes_twice_or_never(void **state)
{
    static const struct {
        const char *zone, *text, *utc, *exact;
    } rows[] = {
        {"Europe/Zurich", "2026-10-25 01:59:59", "2026-10-24T23:59:59Z", NULL},
        {"Europe/Zurich", "2026-10-25 02:00", "2026-10-25T01:00:00Z",
            "2026-10-25 02:00 comes twice, since the clocks are put back then: write \"2026-10-25 02:00:00+02:00\" for the first time or \"2026-10-25 02:00:00+01:00\" for the second"},
        {"Europe/Zurich", "2026-10-25 02:59:59.5", "2026-10-25T01:59:59.5Z",
            "2026-10-25 02:59:59.5 comes twice, since the clocks are put back then: write \"2026-10-25 02:59:59+02:00\" for the first time or \"2026-10-25 02:59:59+01:00\" for the second"},
        {"Europe/Zurich", "2026-10-25 02:30:00+02:00", "2026-10-25T00:30:00Z", NULL},
        {"Europe/Zurich", "2026-10-25 02:30:00+01:00", "2026-10-25T01:30:00Z", NULL},
        {"Europe/Zurich", "2026-10-25 03:00:00", "2026-10-25T02:00:00Z", NULL},
        {"Europe/Zurich", "2026-03-29 01:59:59", "2026-03-29T00:59:59Z", NULL},
        {"Europe/Zurich", "2026-03-29 02:30:00", "2026-03-29T01:30:00Z",
            "2026-03-29 02:30:00 never comes, since the clocks are put forward then: after \"2026-03-29 01:59:59+01:00\" comes \"2026-03-29 03:00:00+02:00\""},
        {"Europe/Zurich", "2026-03-29 03:00:00", "2026-03-29T01:00:00Z", NULL},
        {"America/New_York", "2026-11-01 01:30:00", "2026-11-01T06:30:00Z",
            "2026-11-01 01:30:00 comes twice, since the clocks are put back then: write \"2026-11-01 01:30:00-04:00\" for the first time or \"2026-11-01 01:30:00-05:00\" for the second"},
        {"Australia/Lord_Howe", "2026-10-04 02:10:00", "2026-10-03T15:40:00Z",
            "2026-10-04 02:10:00 never comes, since the clocks are put forward then: after \"2026-10-04 01:59:59+10:30\" comes \"2026-10-04 02:30:00+11:00\""},
        {"UTC", "2026-10-25 02:30:00", "2026-10-25T02:30:00Z", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct err e = {0};
        int64_t utc = 0, ms = 0, exact = 77;
        char text[CLOCK_EXACT_LEN];
        zone(rows[i].zone);
        assert_int_equal(clock_parse(rows[i].utc, &utc), 0);
        assert_int_equal(clock_parse(rows[i].text, &ms), 0);
        if (ms != utc)
            fail_msg("row %zu: %lld", i, (long long)(ms - utc));
        assert_int_equal(clock_parse_exact(rows[i].text, &exact, &e), rows[i].exact ? -EDOM : 0);
        assert_int_equal(exact, rows[i].exact ? 77 : utc);
        assert_string_equal(e.text, rows[i].exact ? rows[i].exact : "");
        /* as it is written it is read again */
        assert_int_equal(clock_parse_exact(clock_exact(utc, text), &exact, NULL), 0);
        assert_int_equal(exact, utc / 1000 * 1000);
    }
    zone("Europe/Zurich");
    char text[CLOCK_EXACT_LEN];
    assert_string_equal(clock_exact(INT64_C(1792888200000), text), "2026-10-25 02:30:00+02:00");
    assert_string_equal(clock_exact(INT64_C(1792891800000), text), "2026-10-25 02:30:00+01:00");
    assert_string_equal(clock_exact(INT64_C(1792895400000), text), "2026-10-25 03:30:00");
    assert_int_equal(clock_parse_exact("x", &(int64_t){0}, NULL), -EINVAL);
}

static void time_of_today(void **state)
{
    int64_t ms = 0;
    struct tm tm;

    (void)state;
    zone("Europe/Zurich");
    assert_int_equal(clock_parse("14:30", &ms), 0);
    time_t sec = (time_t)(ms / 1000), now = time(NULL);
    localtime_r(&sec, &tm);
    assert_int_equal(tm.tm_hour, 14);
    assert_int_equal(tm.tm_min, 30);
    assert_int_equal(tm.tm_sec, 0);
    assert_true(llabs((long long)(sec - now)) <= 25 * 3600);
}

static void refuses(void **state)
{
    static const char *const bad[] = {"", "x", "2026", "2026-11-22", "2026-11-22T", "24:00",
        "12:60", "1:30", "12:3", "2026-13-01 00:00", "2026-02-29 00:00", "2026-00-10 00:00",
        "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00Zx", "2026-01-01T00:00:00+0100",
        "2026-01-01T00:00:00.Z", "12:00x", "12:00Z", "-026-01-01 00:00", "2026-01-01  00:00",
        " 12:00", "2026-1-01 00:00"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t ms = 77;
        if (clock_parse(bad[i], &ms) != -EINVAL)
            fail_msg("\"%s\" was accepted", bad[i]);
        assert_int_equal(ms, 77);
    }
}

static void monotonic_goes_forward(void **state)
{
    uint64_t before = clock_mono_ns();

    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint64_t after = clock_mono_ns();
        assert_true(after >= before);
        before = after;
    }
    assert_true(clock_wall_ms() > INT64_C(1600000000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(iso),
        cmocka_unit_test(parses_what_it_writes),
        cmocka_unit_test(parses_offsets_and_local),
        cmocka_unit_test(a_local_time_that_comes_twice_or_never),
        cmocka_unit_test(time_of_today),
        cmocka_unit_test(refuses),
        cmocka_unit_test(monotonic_goes_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
