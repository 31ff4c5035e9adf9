/*
 * Crontab times: what is accepted, the words of what is not, and the runs around the changes of
 * daylight saving in Zurich. tests/system/test_archive_cron.py compares with another
 * implementation.
 */
#include "tests/unit/common/unit.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "backup/rules/cron.h"
#include "common/error_phrase.h"
#include "common/utf8.h"
#include "common/clock.h"

static struct cron parsed(const char *text)
{
    struct cron c;
    struct err e = {0};
    if (cron_parse(text, &c, &e) != 0)
        fail_msg("%s: %s", text, e.text);
    return c;
}

/* Local time in the process's TZ, "2026-03-29 02:30" → UTC seconds; UTC with a final Z. */
static int64_t utc(const char *text)
{
    int64_t ms;
    if (clock_parse(text, &ms) < 0)
        fail_msg("%s", text);
    return ms / 1000;
}

static void zurich(void)
{
    setenv("TZ", "Europe/Zurich", 1);
    tzset();
}

/* The runs after `from` (UTC), as local times with their zone. */
static void assert_runs(const char *expression, const char *from, const char *const *want)
{
    struct cron c = parsed(expression);
    int64_t at = utc(from);
    for (int i = 0; want[i]; i++) {
        char got[64];
        assert_int_equal(cron_next(&c, &cron_zone_local, at, &at), 0);
        time_t t = (time_t)at;
        struct tm tm;
        strftime(got, sizeof got, "%Y-%m-%d %H:%M %Z", localtime_r(&t, &tm));
        if (strcmp(got, want[i]) != 0)
            fail_msg("%s, run %d: %s, wanted %s", expression, i + 1, got, want[i]);
    }
}
#define RUNS(expression, from, ...)                                                                \
    assert_runs((expression), (from), (const char *const[]){__VA_ARGS__, NULL})

static void test_parse(void **state)
{
    (void)state;
    struct cron c = parsed("*/15 8-18/2 1,15 jan,Mai-sep mon-fri");
    assert_true(c.minutes == (1ull | 1ull << 15 | 1ull << 30 | 1ull << 45));
    assert_true(c.hours == (1u << 8 | 1u << 10 | 1u << 12 | 1u << 14 | 1u << 16 | 1u << 18));
    assert_true(c.days == (1u << 1 | 1u << 15));
    assert_true(c.months == (1 << 1 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 9));
    assert_true(c.weekdays == 0x3e);
    assert_false(c.any_day || c.any_weekday);
    assert_true(parsed("0 0 * * 7").weekdays == 1);
    assert_true(parsed("0 0 * * 0").weekdays == 1);
    assert_true(parsed("0 0 * * 5-7").weekdays == (1 << 5 | 1 << 6 | 1));
    assert_true(parsed("0 0 * * fri-sun").weekdays == (1 << 5 | 1 << 6 | 1));
    assert_true(parsed("0 0 * * Mo-Fr,so").weekdays == 0x3f);
    assert_true(parsed("0 0 1 mär,okt,DEZ *").months == (1 << 3 | 1 << 10 | 1 << 12));
    assert_true(parsed("  5\t4   *  * * ").minutes == 1 << 5);
    assert_true(parsed("@weekly").weekdays == 1);
    assert_true(parsed("@YEARLY").months == 1 << 1);
}

static void test_errors_name_the_field(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {{"60 * * * *", "minute \"60\" is out of range; right would be 0-59"},
        {"* 24 * * *", "hour \"24\" is out of range"}, {"* * 0 * *", "day \"0\" is out of range"},
        {"* * 32 * *", "day \"32\""}, {"* * * 13 *", "month \"13\" is out of range"},
        {"* * * * 8", "weekday \"8\" is out of range"},
        {"* * * foo *", "month \"foo\" is not a number or a name"},
        {"* * * * mond", "weekday \"mond\" has something behind it"},
        {"5-1 * * * *", "minute \"5-1\" is a range that runs backwards"},
        {"*/0 * * * *", "minute \"*/0\" has a step out of range"},
        {"5/2 * * * *", "minute \"5/2\" has a step on a single number"},
        {"*/x * * * *", "minute \"*/x\" has a step that is not a number"},
        {"1,,2 * * * *", "minute \"1,,2\" has an empty place"}, {"1, * * * *", "empty place"},
        {"1-", "minute \"1-\" is a range without an end"},
        {"-5 * * * *", "minute \"-5\" is not a number"}, {"99999999999 * * * *", "minute"},
        {"* * * *", "the field weekday is missing"}, {"", "the field minute is missing"},
        {"* * * * * *", "more than five fields"},
        {"@reboot", "\"@reboot\" is not known; right would be @hourly"}, {"@", "is not known"},
        {"0 0 30 2 *", "never comes"}, {"0 0 31 4,6,9,11 *", "never comes"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cron c = {.minutes = 42};
        struct err e = {0};
        if (cron_parse(cases[i].text, &c, &e) != -EINVAL)
            fail_msg("\"%s\" was accepted", cases[i].text);
        if (!strstr(e.text, cases[i].says))
            fail_msg("\"%s\": \"%s\"", cases[i].text, e.text);
        assert_true(c.minutes == 42); /* untouched */
    }
}

static void test_day_or_weekday(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    /* both restricted: either one; 2026-11-01 is a Sunday */
    RUNS("0 3 13 * 5", "2026-11-10T00:00:00Z", "2026-11-13 03:00 UTC", "2026-11-20 03:00 UTC",
        "2026-11-27 03:00 UTC", "2026-12-04 03:00 UTC", "2026-12-11 03:00 UTC",
        "2026-12-13 03:00 UTC");
    /* one begins with a star: both must fit */
    RUNS("0 3 * * 5", "2026-11-10T00:00:00Z", "2026-11-13 03:00 UTC", "2026-11-20 03:00 UTC");
    RUNS("0 3 */2 * 5", "2026-11-10T00:00:00Z", "2026-11-13 03:00 UTC", "2026-11-27 03:00 UTC");
    RUNS("0 0 29 2 *", "2026-11-10T00:00:00Z", "2028-02-29 00:00 UTC", "2032-02-29 00:00 UTC");
    RUNS("0 0 29 2 */7", "2026-11-10T00:00:00Z", "2032-02-29 00:00 UTC", "2060-02-29 00:00 UTC");
}

static void test_spring(void **state)
{
    (void)state;
    zurich();
    /* 2027-03-28: 02:00 CET becomes 03:00 CEST; also 2026-03-29 */
    RUNS("30 2 * * *", "2027-03-26T12:00:00Z", "2027-03-27 02:30 CET", "2027-03-28 03:00 CEST",
        "2027-03-29 02:30 CEST");
    RUNS("30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-29 03:00 CEST", "2026-03-30 02:30 CEST");
    /* several skipped times, and one that is due then anyway: once */
    RUNS("0,15,30 2,3 * * *", "2027-03-28T00:00:00Z", "2027-03-28 03:00 CEST",
        "2027-03-28 03:15 CEST", "2027-03-28 03:30 CEST", "2027-03-29 02:00 CEST");
    RUNS("*/20 2 * * *", "2027-03-28T00:00:00Z", "2027-03-28 03:00 CEST", "2027-03-29 02:00 CEST");
    /* every hour: follows elapsed time */
    RUNS("30 * * * *", "2027-03-28T00:00:00Z", "2027-03-28 01:30 CET", "2027-03-28 03:30 CEST",
        "2027-03-28 04:30 CEST");
    RUNS("*/30 * * * *", "2027-03-28T00:30:00Z", "2027-03-28 03:00 CEST", "2027-03-28 03:30 CEST");
    /* asked from within the hour after */
    RUNS("30 2 * * *", "2027-03-28T01:00:00Z", "2027-03-29 02:30 CEST");
    RUNS("0 3 * * *", "2027-03-27T12:00:00Z", "2027-03-28 03:00 CEST", "2027-03-29 03:00 CEST");
}

static void test_autumn(void **state)
{
    (void)state;
    zurich();
    /* 2026-10-25 and 2027-10-31: 03:00 CEST becomes 02:00 CET */
    RUNS("30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25 02:30 CEST", "2026-10-26 02:30 CET");
    RUNS("30 2 * * *", "2027-10-30T12:00:00Z", "2027-10-31 02:30 CEST", "2027-11-01 02:30 CET");
    /* asked between the passes: not again */
    RUNS("30 2 * * *", "2026-10-25T00:45:00Z", "2026-10-26 02:30 CET");
    RUNS("0 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25 02:00 CEST", "2026-10-26 02:00 CET");
    RUNS("0 3 * * *", "2026-10-24T12:00:00Z", "2026-10-25 03:00 CET", "2026-10-26 03:00 CET");
    /* every hour: both passes */
    RUNS("30 * * * *", "2026-10-24T23:00:00Z", "2026-10-25 01:30 CEST", "2026-10-25 02:30 CEST",
        "2026-10-25 02:30 CET", "2026-10-25 03:30 CET");
}

/* A zone that is set back over midnight (as Havana's): the day begins before the last one ended. */
static int64_t over_midnight(const void *ctx, int64_t t)
{
    const int64_t *change = ctx;
    return t < *change ? 3600 : 0;
}

static void test_change_at_midnight(void **state)
{
    (void)state;
    int64_t change = utc("2026-11-01T00:30:00Z"), at = utc("2026-10-31T20:00:00Z");
    const struct cron_zone zone = {over_midnight, &change};
    struct cron c = parsed("40 0,23 * * *");
    /* local: 23:40 (22:40Z), 00:40 (23:40Z), [01:30 becomes 00:30], 23:40 */
    assert_int_equal(cron_next(&c, &zone, at, &at), 0);
    assert_int_equal(at, utc("2026-10-31T22:40:00Z"));
    assert_int_equal(cron_next(&c, &zone, at, &at), 0);
    assert_int_equal(at, utc("2026-10-31T23:40:00Z"));
    assert_int_equal(cron_next(&c, &zone, at, &at), 0);
    assert_int_equal(at, utc("2026-11-01T23:40:00Z"));
}

/* Whatever is asked: later than asked, not later than any other matching minute (checked against a
 * search through every minute). */
static void test_against_every_minute(void **state)
{
    (void)state;
    static const char *const list[] = {"7 */5 * * *", "0,30 2 * * *", "15 3 * 3,10 0",
        "* 2 * * sun", "35 22 */15 * *", "0 4 29-31 * *", "0 4 */9 * 1-5"};
    zurich();
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        struct cron c = parsed(list[i]);
        int64_t at = utc("2026-01-30T00:00:00Z"), end = utc("2026-04-15T00:00:00Z");
        while (at < end) {
            int64_t next = 0, t;
            assert_int_equal(cron_next(&c, &cron_zone_local, at, &next), 0);
            for (t = at + 60 - at % 60; t < next; t += 60) {
                time_t tt = (time_t)t;
                struct tm tm;
                localtime_r(&tt, &tm);
                bool fits = c.minutes >> tm.tm_min & 1 && c.hours >> tm.tm_hour & 1 &&
                            c.months >> (tm.tm_mon + 1) & 1 && c.days >> tm.tm_mday & 1 &&
                            c.weekdays >> tm.tm_wday & 1;
                if (fits)
                    fail_msg("%s: skipped %lld", list[i], (long long)t);
            }
            assert_true(next > at);
            at = next;
        }
    }
}

static void assert_words(const json_t *said, enum lang lang, const char *wanted)
{
    char *words = phrase_words(lang, said);
    assert_string_equal(words, wanted);
    free(words);
}

static void test_words(void **state)
{
    (void)state;
    static const struct {
        const char *text, *english, *german;
    } cases[] = {
        {"15 3 * * 1-5", "Monday to Friday at 03:15", "Montag bis Freitag um 03:15"},
        {"15 3 * * *", "daily at 03:15", "täglich um 03:15"},
        {"0 12,20 * * *", "daily at 12:00 and 20:00", "täglich um 12:00 und 20:00"},
        {"0 2 * * 0", "Sunday at 02:00", "Sonntag um 02:00"},
        {"0 2 * * 6,0", "Saturday and Sunday at 02:00", "Samstag und Sonntag um 02:00"},
        {"0 2 1 * *", "on day 1 of the month at 02:00", "am Tag 1 des Monats um 02:00"},
        {"0 2 1 1,7 *", "on day 1 of the month in January and July at 02:00",
            "am Tag 1 des Monats im Januar und Juli um 02:00"},
        {"0 2 13 * 5", "Friday or on day 13 of the month at 02:00",
            "Freitag oder am Tag 13 des Monats um 02:00"},
        {"*/15 * * * *", "daily every 15 minutes", "täglich alle 15 Minuten"},
        {"*/15 8-18 * * 1-5", "Monday to Friday every 15 minutes of the hours 8 to 18",
            "Montag bis Freitag alle 15 Minuten in den Stunden 8 bis 18"},
        {"*/5 3 1,2,3,9 * *", "on day 1 to 3 and 9 of the month every 5 minutes of the hour 3",
            "am Tag 1 bis 3 und 9 des Monats alle 5 Minuten in der Stunde 3"},
        {"1,7,20,33,40 * 1,4,8 * mon,wed-fri",
            "Monday and Wednesday to Friday or on day 1, 4 and 8 of the month at minute 1, 7, 20, 33 and 40 of every hour",
            "Montag und Mittwoch bis Freitag oder am Tag 1, 4 und 8 des Monats zur Minute 1, 7, 20, 33 und 40 jeder Stunde"},
        {"30 * * * *", "daily at minute 30 of every hour", "täglich zur Minute 30 jeder Stunde"},
        {"* * * * *", "daily every minute", "täglich jede Minute"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cron c = parsed(cases[i].text);
        json_t *said = cron_phrase(&c);
        assert_words(said, LANG_EN, cases[i].english);
        assert_words(said, LANG_DE, cases[i].german);
        json_decref(said);
    }
}

/* For a form: the field, and the words in German; whatever was typed, they are whole UTF-8. */
static void test_faults(void **state)
{
    static const struct {
        const char *text, *field, *german;
    } cases[] = {
        {"75 3 * * *", "minute", "Minute \"75\" liegt ausserhalb"},
        {"1 24 * * *", "hour", "Stunde \"24\""},
        {"1 1 0 * *", "day", "Tag \"0\""},
        {"1 1 1 jux *", "month", "Monat \"jux\" ist weder Zahl noch Name"},
        {"1 1 1 1 8", "weekday", "0 und 7 sind Sonntag"},
        {"1 2 3", "month", "das Feld Monat fehlt"},
        {"1 2 3 4 5 6", "schedule", "mehr als fünf Felder"},
        {"0 0 31 2,4 *", "schedule", "nie"},
        {"@immer", "schedule", "\"@immer\" ist nicht bekannt"},
        {"*/0 * * * *", "minute", "Schrittweite"},
        {"\xff\xc3 * * * *", "minute", "weder Zahl"},
        {"@\xf0\x9f\x90", "schedule", "nicht bekannt"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cron c;
        const char *field = NULL;
        struct err e = {0};
        assert_int_equal(cron_check(cases[i].text, &c, &field, &e), -EINVAL);
        assert_string_equal(field, cases[i].field);
        char *german = error_phrase_words(LANG_DE, &e);
        if (!strstr(german, cases[i].german))
            fail_msg("\"%s\" does not say \"%s\"", german, cases[i].german);
        assert_int_equal(utf8_check(e.text, strlen(e.text)), strlen(e.text));
        assert_int_equal(utf8_check(german, strlen(german)), strlen(german));
        free(german);
    }
    /* a character that is cut in two, because the field is long */
    char longer[200];
    for (size_t i = 0; i < 60; i++)
        memcpy(longer + 2 * i, "ü", 2);
    memcpy(longer + 120, " * * * *", 9);
    struct cron c;
    const char *field = NULL;
    struct err e = {0};
    assert_int_equal(cron_check(longer, &c, &field, &e), -EINVAL);
    assert_int_equal(utf8_check(e.text, strlen(e.text)), strlen(e.text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_errors_name_the_field),
        cmocka_unit_test(test_day_or_weekday),
        cmocka_unit_test(test_spring),
        cmocka_unit_test(test_autumn),
        cmocka_unit_test(test_change_at_midnight),
        cmocka_unit_test(test_against_every_minute),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
