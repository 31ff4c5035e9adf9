/* A schedule as a phrase. */
#include "backup/rules/cron.h"

#include <string.h>
#include "common/phrase.h"

static const char *const weekdays[] = {NULL, N_("Monday"), N_("Tuesday"), N_("Wednesday"),
    N_("Thursday"), N_("Friday"), N_("Saturday"), N_("Sunday")};
static const char *const months[] = {NULL, N_("January"), N_("February"), N_("March"), N_("April"),
    N_("May"), N_("June"), N_("July"), N_("August"), N_("September"), N_("October"), N_("November"),
    N_("December")};

/* Takes the arguments over. */
static json_t *with(const char *english, json_t *one, json_t *other)
{
    json_t *p = phrase_of(english);
    (void)json_array_append_new(p, one);
    if (other)
        (void)json_array_append_new(p, other);
    return p;
}

/* "a, b and c"; takes the list over. */
static json_t *listed(json_t *list)
{
    size_t n = json_array_size(list);
    json_t *last = json_incref(json_array_get(list, n - 1)), *commas = json_array();
    _cleanup_free_ char *key = xcalloc(n, 4);
    for (size_t i = 0; i + 1 < n; i++) {
        strcat(key, i ? ", %s" : "%s");
        (void)json_array_append(commas, json_array_get(list, i));
    }
    (void)json_array_insert_new(commas, 0, json_string(key));
    json_decref(list);
    if (n > 1)
        return with(N_("%s and %s"), commas, last);
    json_decref(commas);
    return last;
}

/* 1, 2, 3, 7: "1 to 3 and 7"; names NULL = numbers. A run of two is listed, not made a range. */
static json_t *set_of(uint64_t bits, int max, const char *const *names)
{
    json_t *list = json_array();
    for (int v = 0; v <= max; v++) {
        if (!(bits >> v & 1))
            continue;
        int end = v;
        while (end < max && bits >> (end + 1) & 1)
            end++;
        json_t *from = names ? phrase_of(names[v]) : phrase("%d", v);
        if (end - v >= 2) {
            from = with(N_("%s to %s"), from, names ? phrase_of(names[end]) : phrase("%d", end));
            v = end;
        }
        (void)json_array_append_new(list, from);
    }
    return listed(list);
}

/* Monday first, as in the calendar that people look at: Sunday moves to the end. */
static json_t *weekdays_of(uint8_t bits)
{
    uint64_t monday_first = (uint64_t)(bits >> 1 & 0x3f) << 1 | (uint64_t)(bits & 1) << 7;
    return set_of(monday_first, 7, weekdays);
}

static json_t *days_of(const struct cron *c)
{
    bool every_day = (c->days & 0xfffffffe) == 0xfffffffe, every_weekday = c->weekdays == 0x7f;
    bool either = !c->any_day && !c->any_weekday;
    if (either && (every_day || every_weekday))
        every_day = every_weekday = true;
    json_t *days;
    if (every_day && every_weekday)
        days = phrase_of(N_("daily"));
    else if (every_day)
        days = weekdays_of(c->weekdays);
    else if (every_weekday)
        days = with(N_("on day %s of the month"), set_of(c->days, 31, NULL), NULL);
    else
        days = with(either ? N_("%s or on day %s of the month") : N_("%s, on day %s of the month"),
            weekdays_of(c->weekdays), set_of(c->days, 31, NULL));
    return (c->months & 0x1ffe) == 0x1ffe
               ? days
               : with(N_("%s in %s"), days, set_of(c->months, 12, months));
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

static json_t *clock_times(const struct cron *c)
{
    json_t *list = json_array();
    for (int m = 0; m < 24 * 60; m++)
        if (c->hours >> m / 60 & 1 && c->minutes >> m % 60 & 1)
            (void)json_array_append_new(list, phrase("%02d:%02d", m / 60, m % 60));
    return with(N_("at %s"), listed(list), NULL);
}

static json_t *times_of(const struct cron *c)
{
    if (__builtin_popcount(c->hours) * __builtin_popcountll(c->minutes) <= 4)
        return clock_times(c);
    int step = step_of(c->minutes, 59);
    bool every_hour = c->hours == 0xffffff, one_hour = __builtin_popcount(c->hours) == 1;
    json_t *times;
    if (step == 1)
        times = phrase_of(N_("every minute"));
    else if (step > 1 && 60 % step == 0)
        times = phrase("every %d minutes", step);
    else
        times = with(every_hour ? N_("at minute %s of every hour") : N_("at minute %s"),
            set_of(c->minutes, 59, NULL), NULL);
    return every_hour ? times
                      : with(one_hour ? N_("%s of the hour %s") : N_("%s of the hours %s"), times,
                            set_of(c->hours, 23, NULL));
}

json_t *cron_phrase(const struct cron *c)
{
    return with("%s %s", days_of(c), times_of(c));
}
