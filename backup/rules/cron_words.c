/* A schedule in words, English and German. */
#include "backup/rules/cron.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "common/utf8.h"

struct text {
    char *buf;
    size_t size, len;
};

static PRINTF(2, 3) void add(struct text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (t->len + 1 < t->size)
        t->len += utf8_format_v(t->buf + t->len, t->size - t->len, fmt, ap);
    va_end(ap);
}

/* The words that differ between the languages. */
struct words {
    const char *weekdays[7], *months[13];
    const char *to, *and;
    const char *every_minute, *every, *minutes, *at_minute, *of_every_hour, *of_hours;
    const char *at;
    const char *daily, *on_day, *or_on, *of_month, *in;
};

static const struct words languages[] = {
    [CRON_ENGLISH] = {.weekdays = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday",
                          "Saturday"},
        .months = {"", "January", "February", "March", "April", "May", "June", "July", "August",
            "September", "October", "November", "December"},
        .to = " to ",
        .and = " and ",
        .every_minute = "every minute",
        .every = "every",
        .minutes = "minutes",
        .at_minute = "at minute ",
        .of_every_hour = " of every hour",
        .of_hours = " of the hours ",
        .at = "at ",
        .daily = "daily",
        .on_day = "on day ",
        .or_on = " or ",
        .of_month = " of the month",
        .in = " in "},
    [CRON_GERMAN] = {.weekdays = {"Sonntag", "Montag", "Dienstag", "Mittwoch", "Donnerstag",
                         "Freitag", "Samstag"},
        .months = {"", "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August",
            "September", "Oktober", "November", "Dezember"},
        .to = " bis ",
        .and = " und ",
        .every_minute = "jede Minute",
        .every = "alle",
        .minutes = "Minuten",
        .at_minute = "zur Minute ",
        .of_every_hour = " jeder Stunde",
        .of_hours = " der Stunden ",
        .at = "um ",
        .daily = "täglich",
        .on_day = "am Tag ",
        .or_on = " oder ",
        .of_month = " des Monats",
        .in = " im "},
};

/* 1, 2, 3, 7 → "1 to 3 and 7"; names NULL = numbers. A run of two is listed, not made a range. */
static void add_set(
    struct text *t, uint64_t bits, int max, const char *const *names, const struct words *w)
{
    bool first = true;
    for (int v = 0; v <= max; v++) {
        if (!(bits >> v & 1))
            continue;
        int end = v;
        while (end < max && bits >> (end + 1) & 1)
            end++;
        if (end - v < 2)
            end = v;
        bool last = bits >> end >> 1 == 0;
        add(t, "%s", first ? "" : last ? w->and : ", ");
        if (names)
            add(t, "%s", names[v]);
        else
            add(t, "%d", v);
        if (end > v && names)
            add(t, "%s%s", w->to, names[end]);
        else if (end > v)
            add(t, "%s%d", w->to, end);
        first = false;
        v = end;
    }
}

/* Monday first, as in the calendar that people look at: Sunday moves to the end. */
static void add_weekdays(struct text *t, uint8_t bits, const struct words *w)
{
    const char *names[8];
    for (int i = 0; i < 7; i++)
        names[i + 1] = w->weekdays[(i + 1) % 7];
    names[0] = "";
    uint64_t monday_first = (uint64_t)(bits >> 1 & 0x3f) << 1 | (uint64_t)(bits & 1) << 7;
    add_set(t, monday_first, 7, names, w);
}

static void add_days(struct text *t, const struct cron *c, const struct words *w)
{
    bool every_day = (c->days & 0xfffffffe) == 0xfffffffe, every_weekday = c->weekdays == 0x7f;
    bool either = !c->any_day && !c->any_weekday;
    if (either && (every_day || every_weekday))
        every_day = every_weekday = true;

    if (every_day && every_weekday) {
        add(t, "%s", w->daily);
    } else {
        if (!every_weekday)
            add_weekdays(t, c->weekdays, w);
        if (!every_day) {
            add(t, "%s%s", every_weekday ? "" : either ? w->or_on : ", ", w->on_day);
            add_set(t, c->days, 31, NULL, w);
            add(t, "%s", w->of_month);
        }
    }
    if ((c->months & 0x1ffe) != 0x1ffe) {
        add(t, "%s", w->in);
        add_set(t, c->months, 12, w->months, w);
    }
}

/* 0 if the bits are not exactly 0, n, 2n, … up to max. */
static int step_of(uint64_t bits, int max)
{
    for (int n = 1; n <= (max + 1) / 2; n++) {
        uint64_t all = 0;
        for (int v = 0; v <= max; v += n)
            all |= UINT64_C(1) << v;
        if (all == bits)
            return n;
    }
    return 0;
}

static void add_clock_times(struct text *t, const struct cron *c, int count, const struct words *w)
{
    add(t, "%s", w->at);
    int done = 0;
    for (int m = 0; m < 24 * 60; m++) {
        if (!(c->hours >> m / 60 & 1) || !(c->minutes >> m % 60 & 1))
            continue;
        add(t, "%s%02d:%02d", done == 0 ? "" : done == count - 1 ? w->and : ", ", m / 60, m % 60);
        done++;
    }
}

static void add_times(struct text *t, const struct cron *c, const struct words *w)
{
    int count = __builtin_popcount(c->hours) * __builtin_popcountll(c->minutes);
    if (count <= 4) {
        add_clock_times(t, c, count, w);
        return;
    }
    int step = step_of(c->minutes, 59);
    if (step == 1) {
        add(t, "%s", w->every_minute);
    } else if (step > 1 && 60 % step == 0) {
        add(t, "%s %d %s", w->every, step, w->minutes);
    } else {
        add(t, "%s", w->at_minute);
        add_set(t, c->minutes, 59, NULL, w);
        if (c->hours == 0xffffff)
            add(t, "%s", w->of_every_hour);
    }
    if (c->hours != 0xffffff) {
        add(t, "%s", w->of_hours);
        add_set(t, c->hours, 23, NULL, w);
    }
}

char *cron_describe(const struct cron *c, enum cron_language language, char *buf, size_t size)
{
    const struct words *w = &languages[language];
    struct text t = {buf, size, 0};
    if (size)
        *buf = 0;
    add_days(&t, c, w);
    add(&t, " ");
    add_times(&t, c, w);
    return buf;
}
