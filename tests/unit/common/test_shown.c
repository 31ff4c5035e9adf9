/* Numbers, sizes, durations and moments in the four languages, as a table each. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/clock.h"
#include "common/shown.h"
#include "unit.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* In the order of enum lang; NULL: as the one before. */
struct words {
    int64_t n;
    const char *in[LANG_COUNT];
};

static void check(
    const struct words *rows, size_t n, char *(*show)(enum lang, int64_t, char *, size_t))
{
    for (size_t i = 0; i < n; i++) {
        const char *want = NULL;
        for (enum lang lang = LANG_EN; lang < LANG_COUNT; lang++) {
            char buf[SHOWN_LEN];
            want = rows[i].in[lang] ? rows[i].in[lang] : want;
            if (strcmp(show(lang, rows[i].n, buf, sizeof buf), want) != 0)
                fail_msg("%lld in %s: \"%s\", not \"%s\"", (long long)rows[i].n, lang_code(lang),
                    buf, want);
        }
    }
}

static char *bytes(enum lang lang, int64_t n, char *buf, size_t size)
{
    return shown_bytes(lang, (uint64_t)n, buf, size);
}

static void sizes(void **state)
{
    static const struct words rows[] = {{0, {"0 B", "0 B", "0 o", "0 B"}},
        {999, {"999 B", "999 B", "999 o", "999 B"}},
        {1000, {"1.0 kB", "1,0 kB", "1,0 ko", "1,0 kB"}},
        {9949, {"9.9 kB", "9,9 kB", "9,9 ko", "9,9 kB"}},
        {9950, {"10 kB", "10 kB", "10 ko", "10 kB"}}, {12345, {"12 kB", "12 kB", "12 ko", "12 kB"}},
        {999499, {"999 kB", "999 kB", "999 ko", "999 kB"}},
        {999500, {"1.0 MB", "1,0 MB", "1,0 Mo", "1,0 MB"}},
        {8100000, {"8.1 MB", "8,1 MB", "8,1 Mo", "8,1 MB"}},
        {INT64_C(1500000000), {"1.5 GB", "1,5 GB", "1,5 Go", "1,5 GB"}},
        {-1, {"18 EB", "18 EB", "18 Eo", "18 EB"}}};
    (void)state;
    check(rows, N(rows), bytes);
}

static void durations(void **state)
{
    static const struct words rows[] = {{-5, {"< 1 s"}}, {0, {"< 1 s"}}, {6, {"< 1 s"}},
        {999, {"< 1 s"}}, {1000, {"1 s"}}, {119999, {"119 s"}}, {120000, {"2 min"}},
        {7199999, {"119 min"}}, {7200000, {"2 h"}}, {15000000, {"4 h 10 min"}},
        {86400000, {"24 h"}}, {172800000, {"2 days", "2 Tage", "2 jours", "2 giorni"}},
        {INT64_C(864000000), {"10 days", "10 Tage", "10 jours", "10 giorni"}}};
    (void)state;
    check(rows, N(rows), shown_duration);
}

static void counts(void **state)
{
    static const struct words rows[] = {{0, {"0"}}, {999, {"999"}}, {1000, {"1,000", "1’000"}},
        {-1234567, {"-1,234,567", "-1’234’567"}},
        {INT64_MIN, {"-9,223,372,036,854,775,808", "-9’223’372’036’854’775’808"}}};
    (void)state;
    check(rows, N(rows), shown_count);
}

static void moments(void **state)
{
    const int64_t night = INT64_C(
        1796004907000); /* 2026-11-30T02:15:07Z, a Monday; 03:15:07 here */
    static const struct {
        enum shown_form form;
        const char *in[LANG_COUNT];
    } rows[] = {
        {SHOWN_DATE, {"2026-11-30", "30.11.2026", "30.11.2026", "30.11.2026"}},
        {SHOWN_DAY, {"Mon 2026-11-30", "Mo 30.11.2026", "Lun 30.11.2026", "Lun 30.11.2026"}},
        {SHOWN_MINUTE,
            {"2026-11-30 03:15", "30.11.2026 03:15", "30.11.2026 03:15", "30.11.2026 03:15"}},
        {SHOWN_SECOND, {"2026-11-30 03:15:07", "30.11.2026 03:15:07", "30.11.2026 03:15:07",
                           "30.11.2026 03:15:07"}},
        {SHOWN_MOMENT, {"Mon 2026-11-30 03:15", "Mo 30.11.2026 03:15", "Lun 30.11.2026 03:15",
                           "Lun 30.11.2026 03:15"}},
        {SHOWN_CLOCK, {"03:15", "03:15", "03:15", "03:15"}},
        {SHOWN_CLOCK_SECONDS, {"03:15:07", "03:15:07", "03:15:07", "03:15:07"}},
    };
    (void)state;
    for (size_t i = 0; i < N(rows); i++)
        for (enum lang lang = LANG_EN; lang < LANG_COUNT; lang++) {
            char buf[SHOWN_LEN];
            assert_string_equal(
                shown_time(lang, night, rows[i].form, buf, sizeof buf), rows[i].in[lang]);
        }
}

/* By the date of here, not by hours. */
static void near_moments(void **state)
{
    static const char *const in[LANG_COUNT][3] = {{"yesterday", "today", "tomorrow"},
        {"gestern", "heute", "morgen"}, {"hier", "aujourd'hui", "demain"},
        {"ieri", "oggi", "domani"}};
    time_t now = (time_t)(clock_wall_ms() / 1000);
    char buf[SHOWN_LEN], moment[SHOWN_LEN], want[SHOWN_LEN];
    (void)state;
    for (enum lang lang = LANG_EN; lang < LANG_COUNT; lang++)
        for (int day = -2; day <= 2; day++) {
            struct tm tm;
            localtime_r(&now, &tm);
            tm.tm_mday += day;
            tm.tm_hour = 12, tm.tm_min = 5, tm.tm_isdst = -1;
            int64_t ms = (int64_t)mktime(&tm) * 1000;
            shown_time(lang, ms, SHOWN_WHEN, buf, sizeof buf);
            if (day < -1 || day > 1)
                snprintf(want, sizeof want, "%s",
                    shown_time(lang, ms, SHOWN_MOMENT, moment, sizeof moment));
            else
                snprintf(want, sizeof want, "%s 12:05", in[lang][day + 1]);
            assert_string_equal(buf, want);
        }
}

/* A run's name in a sentence about its data; another name stays. */
static void runs(void **state)
{
    static const char *const others[] = {"", "latest", "2026-11-30", "2026-11-30-091",
        "2026-11-30-09145", "2026-11-30-0914x", "/backup/elexis.zst"};
    char buf[SHOWN_LEN];
    (void)state;
    for (enum lang lang = LANG_EN; lang < LANG_COUNT; lang++) {
        assert_string_equal(shown_run(lang, "2026-11-30-0914", buf, sizeof buf),
            lang == LANG_EN ? "2026-11-30 09:14" : "30.11.2026 09:14");
        for (size_t i = 0; i < N(others); i++)
            assert_ptr_equal(shown_run(lang, others[i], buf, sizeof buf), others[i]);
    }
}

/* Which of the two, where that is the question. */
static void the_hour_that_comes_twice(void **state)
{
    char buf[SHOWN_LEN];
    (void)state;
    setenv("TZ", "Europe/Zurich", 1);
    tzset();
    assert_string_equal(shown_time(LANG_DE, INT64_C(1792888200000), SHOWN_SECOND, buf, sizeof buf),
        "25.10.2026 02:30:00+02:00");
    assert_string_equal(shown_time(LANG_DE, INT64_C(1792891800000), SHOWN_SECOND, buf, sizeof buf),
        "25.10.2026 02:30:00+01:00");
    assert_string_equal(shown_time(LANG_DE, INT64_C(1792895400000), SHOWN_SECOND, buf, sizeof buf),
        "25.10.2026 03:30:00");
}

static void ago(void **state)
{
    static const struct words rows[] = {{2500, {"2 s ago", "vor 2 s", "il y a 2 s", "2 s fa"}},
        {500, {"just now", "gerade eben", "à l'instant", "proprio ora"}},
        {INT64_C(3) * 86400000 + 5000,
            {"3 days ago", "vor 3 Tagen", "il y a 3 jours", "3 giorni fa"}},
        {-INT64_C(2) * 86400000 - 60000,
            {"in 2 days", "in 2 Tagen", "dans 2 jours", "fra 2 giorni"}}};
    (void)state;
    check(rows, N(rows), shown_ago);
}

static void cut(void **state)
{
    char tiny[5];
    (void)state;
    assert_string_equal(shown_duration(LANG_EN, 86400000, tiny, sizeof tiny), "24 h");
    assert_string_equal(shown_count(LANG_DE, 12345, tiny, sizeof tiny), "12"); /* no half of a ’ */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sizes), cmocka_unit_test(durations),
        cmocka_unit_test(counts), cmocka_unit_test(moments), cmocka_unit_test(near_moments),
        cmocka_unit_test(the_hour_that_comes_twice), cmocka_unit_test(ago), cmocka_unit_test(runs),
        cmocka_unit_test(cut)};
    setenv("TZ", "Europe/Zurich", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
