#include "common/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/lang.h"

static struct timespec now(clockid_t id)
{
    struct timespec ts;

    CHECK(clock_gettime(id, &ts) == 0);
    return ts;
}

uint64_t clock_mono_ns(void)
{
    struct timespec ts = now(CLOCK_MONOTONIC);

    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t clock_mono_ms(void)
{
    return clock_mono_ns() / 1000000u;
}

int64_t clock_wall_ms(void)
{
    struct timespec ts = now(CLOCK_REALTIME);

    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Rounds towards minus infinity, so that times before 1970 have a positive millisecond part. */
static void split_ms(int64_t wall_ms, time_t *sec, int *ms)
{
    int64_t rest = wall_ms % 1000;

    if (rest < 0)
        rest += 1000;
    *ms = (int)rest;
    *sec = (time_t)((wall_ms - rest) / 1000);
}

char *clock_iso(int64_t wall_ms, char buf[static CLOCK_ISO_LEN])
{
    /* The years 0000 to 9999 are what RFC 3339 can write. */
    const int64_t first = INT64_C(-62167219200000), last = INT64_C(253402300799999);
    struct tm tm;
    time_t sec;
    int ms;

    if (wall_ms < first)
        wall_ms = first;
    if (wall_ms > last)
        wall_ms = last;
    split_ms(wall_ms, &sec, &ms);
    CHECK(gmtime_r(&sec, &tm));
    int year = tm.tm_year + 1900;
    const int pairs[] = {
        year / 100, year % 100, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec};
    const char *pattern = "0000-00-00T00:00:00.000Z";
    memcpy(buf, pattern, CLOCK_ISO_LEN);
    char *p = buf;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        p += *p != '0'; /* what stands between them */
        *p++ = (char)('0' + pairs[i] / 10);
        *p++ = (char)('0' + pairs[i] % 10);
    }
    for (int i = 3; i > 0; i--, ms /= 10)
        p[i] = (char)('0' + ms % 10);
    return buf;
}

/* Exactly `digits` digits with a value of min..max; moves *p behind them. */
static bool number(const char **p, int digits, int min, int max, int *out)
{
    int v = 0;

    for (int i = 0; i < digits; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return false;
        v = v * 10 + (**p - '0');
    }
    *out = v;
    return v >= min && v <= max;
}

static bool literal(const char **p, char c)
{
    if (**p != c)
        return false;
    (*p)++;
    return true;
}

/* HH:MM[:SS[.fff]]; ms gets the fraction. */
static bool parse_time(const char **p, struct tm *tm, int *ms)
{
    *ms = 0;
    tm->tm_sec = 0;
    if (!number(p, 2, 0, 23, &tm->tm_hour) || !literal(p, ':') || !number(p, 2, 0, 59, &tm->tm_min))
        return false;
    if (!literal(p, ':'))
        return true;
    if (!number(p, 2, 0, 60, &tm->tm_sec))
        return false;
    if (literal(p, '.')) {
        int scale = 100;
        if (**p < '0' || **p > '9')
            return false;
        for (; **p >= '0' && **p <= '9'; (*p)++, scale /= 10)
            *ms += (**p - '0') * scale;
    }
    return true;
}

/* Z, +HH:MM or -HH:MM; *offset in seconds east of Greenwich. */
static bool parse_offset(const char **p, int *offset)
{
    int h, m, sign;

    *offset = 0;
    if (literal(p, 'Z') || literal(p, 'z'))
        return true;
    if (literal(p, '+'))
        sign = 1;
    else if (literal(p, '-'))
        sign = -1;
    else
        return false;
    if (!number(p, 2, 0, 23, &h) || !literal(p, ':') || !number(p, 2, 0, 59, &m))
        return false;
    *offset = sign * (h * 3600 + m * 60);
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

static bool parse_date(const char **p, struct tm *tm)
{
    int year, month, day;

    if (!number(p, 4, 1, 9999, &year) || !literal(p, '-') || !number(p, 2, 1, 12, &month) ||
        !literal(p, '-') || !number(p, 2, 1, days_in_month(year, month), &day))
        return false;
    tm->tm_year = year - 1900;
    tm->tm_mon = month - 1;
    tm->tm_mday = day;
    return true;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the callers' are checked */
static char *format_time(int64_t wall_ms, bool utc, const char *format, char *buf, size_t size)
{
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;
    if (!(utc ? gmtime_r(&t, &tm) : localtime_r(&t, &tm)) || strftime(buf, size, format, &tm) == 0)
        snprintf(buf, size, "?");
    return buf;
}

char *clock_local(int64_t wall_ms, const char *format, char *buf, size_t size)
{
    return format_time(wall_ms, false, format, buf, size);
}

char *clock_utc(int64_t wall_ms, const char *format, char *buf, size_t size)
{
    return format_time(wall_ms, true, format, buf, size);
}
#pragma GCC diagnostic pop

/* --- local time ---------------------------------------------------------------------------------
 */

#define DAY 86400

static long offset_at(time_t t)
{
    struct tm tm;
    return localtime_r(&t, &tm) ? tm.tm_gmtoff : 0;
}

/* What a local time of day can be: its first and its last moment, by the offsets that are in force
 * around it. A time that the clocks skip is neither. */
struct local {
    time_t first, last;
    bool never;
};

static struct local local_at(const struct tm *given)
{
    struct tm tm = *given;
    time_t as_utc = timegm(&tm);
    long before = offset_at(as_utc - DAY), after = offset_at(as_utc + DAY);
    struct local l = {as_utc - before, as_utc - after, .never = false};
    bool first = offset_at(l.first) == before, last = offset_at(l.last) == after;
    l.never = !first && !last;
    if (!last)
        l.last = l.first;
    else if (!first)
        l.first = l.last;
    return l;
}

static void with_offset(time_t t, char buf[static CLOCK_EXACT_LEN])
{
    long minutes = offset_at(t) / 60;
    size_t len = strlen(clock_local((int64_t)t * 1000, "%Y-%m-%d %H:%M:%S", buf, CLOCK_EXACT_LEN));
    snprintf(buf + len, CLOCK_EXACT_LEN - len, "%c%02u:%02u", minutes < 0 ? '-' : '+',
        (unsigned)labs(minutes) / 60 % 24, (unsigned)labs(minutes) % 60);
}

char *clock_exact(int64_t wall_ms, char buf[static CLOCK_EXACT_LEN])
{
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;
    struct local l = {0};
    if (localtime_r(&t, &tm))
        l = local_at(&tm);
    if (l.first != l.last)
        with_offset(t, buf);
    else
        clock_local(wall_ms, "%Y-%m-%d %H:%M:%S", buf, CLOCK_EXACT_LEN);
    return buf;
}

static int comes_twice(const char *text, const struct local *l, struct err *e)
{
    char first[CLOCK_EXACT_LEN], last[CLOCK_EXACT_LEN];
    with_offset(l->first, first);
    with_offset(l->last, last);
    return err_set(e, EDOM,
        N_("%s comes twice, since the clocks are put back then: write \"%s\" for the first time or \"%s\" for the second"),
        text, first, last);
}

static int never_comes(const char *text, const struct local *l, struct err *e)
{
    char last[CLOCK_EXACT_LEN], next[CLOCK_EXACT_LEN];
    time_t before = l->first - DAY, change = l->first + DAY;
    while (change - before > 1) { /* the first second of the new time */
        time_t middle = before + (change - before) / 2;
        *(offset_at(middle) == offset_at(l->first - DAY) ? &before : &change) = middle;
    }
    with_offset(before, last);
    with_offset(change, next);
    return err_set(e, EDOM,
        N_("%s never comes, since the clocks are put forward then: after \"%s\" comes \"%s\""),
        text, last, next);
}

/* *l: of a local time, else both its ends are the moment. */
static int parse(const char *text, struct local *l, int *ms)
{
    struct tm tm = {.tm_isdst = -1};
    const char *p = text;
    int offset = 0;
    bool has_date = strlen(text) > 4 && text[4] == '-';

    if (has_date) {
        if (!parse_date(&p, &tm) || !(literal(&p, 'T') || literal(&p, 't') || literal(&p, ' ')))
            return -EINVAL;
    } else {
        time_t today = now(CLOCK_REALTIME).tv_sec;
        if (!localtime_r(&today, &tm))
            return -EINVAL;
    }
    if (!parse_time(&p, &tm, ms))
        return -EINVAL;
    bool local = !has_date || !*p;
    if ((!local && !parse_offset(&p, &offset)) || *p)
        return -EINVAL;
    if (local)
        *l = local_at(&tm);
    else
        l->first = l->last = timegm(&tm) - offset;
    return 0;
}

int clock_parse(const char *text, int64_t *wall_ms)
{
    struct local l = {.never = false};
    int ms, r = parse(text, &l, &ms);
    if (r == 0) /* skipped: by the time that was in force before */
        *wall_ms = (int64_t)(l.never ? l.first : l.last) * 1000 + ms;
    return r;
}

int clock_parse_exact(const char *text, int64_t *wall_ms, struct err *e)
{
    struct local l = {.never = false};
    int ms, r = parse(text, &l, &ms);
    if (r == 0 && l.never)
        return never_comes(text, &l, e);
    if (r == 0 && l.first != l.last)
        return comes_twice(text, &l, e);
    if (r == 0)
        *wall_ms = (int64_t)l.last * 1000 + ms;
    return r;
}
