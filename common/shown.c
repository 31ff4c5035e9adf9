#include "common/shown.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/utf8.h"

#define DAY_MS 86400000

char *shown_duration(enum lang lang, int64_t ms, char *buf, size_t size)
{
    int64_t s = ms / 1000, min = s / 60, h = min / 60, days = h / 24;

    if (s < 1)
        utf8_format(buf, size, "< 1 s");
    else if (s < 120)
        utf8_format(buf, size, "%" PRId64 " s", s);
    else if (min < 120)
        utf8_format(buf, size, "%" PRId64 " min", min);
    else if (h < 48 && min % 60)
        utf8_format(buf, size, "%" PRId64 " h %" PRId64 " min", h, min % 60);
    else if (h < 48)
        utf8_format(buf, size, "%" PRId64 " h", h);
    else
        utf8_format(buf, size,
            lang_text_n(lang, "%" PRId64 " day", "%" PRId64 " days", (unsigned long long)days),
            days);
    return buf;
}

char *shown_count(enum lang lang, int64_t n, char *buf, size_t size)
{
    char digits[24], all[64] = "";
    const char *d = digits;
    size_t len = 0;

    snprintf(digits, sizeof digits, "%" PRId64, n);
    if (*d == '-')
        all[len++] = *d++;
    for (size_t left = strlen(d); left > 0; left--) {
        all[len++] = *d++;
        if (left > 1 && left % 3 == 1)
            len += utf8_format(all + len, sizeof all - len, "%s", lang == LANG_EN ? "," : "\u2019");
    }
    all[len] = '\0';
    utf8_copy(buf, size, all);
    return buf;
}

/* --- moments ---------------------------------------------------------------------------------- */

/* Days from today's date to that of t: -1 is yesterday. */
static int days_from_today(time_t t)
{
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm a, b;
    localtime_r(&now, &a);
    localtime_r(&t, &b);
    /* noon has the same date whatever daylight saving time does */
    a.tm_hour = b.tm_hour = 12;
    a.tm_min = b.tm_min = a.tm_sec = b.tm_sec = 0;
    a.tm_isdst = b.tm_isdst = -1;
    double seconds = difftime(mktime(&b), mktime(&a));
    return (int)((seconds + (seconds < 0 ? -43200 : 43200)) / 86400);
}

static const char *weekday(enum lang lang, const struct tm *tm)
{
    static const char *const names[] = {
        N_("Sun"), N_("Mon"), N_("Tue"), N_("Wed"), N_("Thu"), N_("Fri"), N_("Sat")};
    return lang_text(lang, names[tm->tm_wday]);
}

/* Day, month and year in the language's order. */
static void put_date(enum lang lang, const struct tm *tm, char out[static 48])
{
    int year = tm->tm_year + 1900, month = tm->tm_mon + 1;
    if (lang == LANG_EN)
        snprintf(out, 48, "%04d-%02d-%02d", year, month, tm->tm_mday);
    else
        snprintf(out, 48, "%02d.%02d.%04d", tm->tm_mday, month, year);
}

char *shown_time(enum lang lang, int64_t wall_ms, enum shown_form form, char *buf, size_t size)
{
    static const char *const days[] = {N_("yesterday"), N_("today"), N_("tomorrow")};
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;
    char date[48], minute[32], second[48];

    if (!localtime_r(&t, &tm)) {
        utf8_format(buf, size, "?");
        return buf;
    }
    put_date(lang, &tm, date);
    snprintf(minute, sizeof minute, "%02d:%02d", tm.tm_hour, tm.tm_min);
    char exact[CLOCK_EXACT_LEN]; /* which of the two, in the hour that comes twice */
    size_t plain = sizeof "2026-10-25 02:30:00" - 1;
    clock_exact(wall_ms, exact);
    snprintf(second, sizeof second, "%s:%02d%s", minute, tm.tm_sec,
        strlen(exact) > plain ? exact + plain : "");
    int away = form == SHOWN_WHEN ? days_from_today(t) : 2;
    if (away >= -1 && away <= 1) {
        utf8_format(buf, size, "%s %s", lang_text(lang, days[away + 1]), minute);
        return buf;
    }
    bool named = form == SHOWN_DAY || form == SHOWN_MOMENT || form == SHOWN_WHEN;
    bool dated = form != SHOWN_CLOCK && form != SHOWN_CLOCK_SECONDS;
    bool timed = form != SHOWN_DATE && form != SHOWN_DAY;
    utf8_format(buf, size, "%s%s%s%s%s", named ? weekday(lang, &tm) : "", named ? " " : "",
        dated ? date : "", dated && timed ? " " : "",
        !timed                                                ? ""
        : form == SHOWN_SECOND || form == SHOWN_CLOCK_SECONDS ? second
                                                              : minute);
    return buf;
}

const char *shown_run(enum lang lang, const char *run, char *buf, size_t size)
{
    unsigned year, month, day, hour, minute;
    int n = 0;

    if (sscanf(run, "%4u-%2u-%2u-%2u%2u%n", &year, &month, &day, &hour, &minute, &n) != 5 ||
        n != (int)strlen("2026-11-30-0914") || run[n])
        return run;
    /* the clock on the wall of then, also in an hour that the zone leaves out or has twice */
    struct tm tm = {.tm_year = (int)year - 1900, .tm_mon = (int)month - 1, .tm_mday = (int)day};
    char date[48];
    put_date(lang, &tm, date);
    utf8_format(buf, size, "%s %02u:%02u", date, hour, minute);
    return buf;
}

char *shown_ago(enum lang lang, int64_t ms, char *buf, size_t size)
{
    char duration[SHOWN_LEN];
    bool past = ms >= 0;
    long long days = (past ? ms : -ms) / DAY_MS;

    shown_duration(lang, past ? ms : -ms, duration, sizeof duration);
    if (past && ms < 1000)
        utf8_format(buf, size, "%s", lang_text(lang, N_("just now")));
    else if (days > 1 && past) /* a sentence of their own: "vor 3 Tagen" */
        utf8_format(buf, size, lang_text(lang, "%lld days ago"), days);
    else if (days > 1)
        utf8_format(buf, size, lang_text(lang, "in %lld days"), days);
    else
        utf8_format(
            buf, size, past ? lang_text(lang, "%s ago") : lang_text(lang, "in %s"), duration);
    return buf;
}
