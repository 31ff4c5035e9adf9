/*
 * The next run of a schedule.
 *
 * The calendar is walked in local days; each matching minute of a day is turned into the instants
 * that show it on the clock: none in the skipped hour, two in the doubled one. Only the offset
 * function of the zone is used, so no assumption about rules of daylight saving is built in.
 */
#include "backup/rules/cron.h"

#include <errno.h>
#include <time.h>

#define DAY_S     INT64_C(86400)
#define SEARCH    (50 * 366) /* days */
#define ALL_HOURS UINT32_C(0xffffff)

static int64_t offset_local(const void *ctx, int64_t utc)
{
    (void)ctx;
    time_t t = (time_t)utc;
    struct tm tm;
    return localtime_r(&t, &tm) ? tm.tm_gmtoff : 0;
}

static int64_t offset_utc(const void *ctx, int64_t utc)
{
    (void)ctx;
    (void)utc;
    return 0;
}

const struct cron_zone cron_zone_local = {offset_local, NULL};
const struct cron_zone cron_zone_utc = {offset_utc, NULL};

static int64_t zone_offset(const struct cron_zone *z, int64_t utc)
{
    return z->offset(z->ctx, utc);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/* Civil date of a day number since 1970-01-01 (Gregorian calendar, eras of 400 years from March).
 */
static void civil(int64_t days, int *month, int *day)
{
    days += 719468;
    int64_t era = floor_div(days, 146097);
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
}

static bool day_matches(const struct cron *c, int64_t date)
{
    int month, day;
    civil(date, &month, &day);
    int weekday = (int)((date % 7 + 11) % 7); /* 1970-01-01 was a Thursday */
    if (!(c->months >> month & 1))
        return false;
    bool by_day = c->days >> day & 1, by_weekday = c->weekdays >> weekday & 1;
    return c->any_day || c->any_weekday ? by_day && by_weekday : by_day || by_weekday;
}

/* The instant in (lo, hi] from which on the offset is no longer that of lo. */
static int64_t transition(const struct cron_zone *z, int64_t lo, int64_t hi)
{
    int64_t before = zone_offset(z, lo);
    while (hi - lo > 1) {
        int64_t mid = lo + (hi - lo) / 2;
        if (zone_offset(z, mid) == before)
            lo = mid;
        else
            hi = mid;
    }
    return hi;
}

/* The instants at which clocks show the local time; at most two. Returns how many. */
static int instants(const struct cron *c, const struct cron_zone *z, int64_t local, int64_t out[2])
{
    int64_t before = zone_offset(z, local - DAY_S), after = zone_offset(z, local + DAY_S);
    if (before == after) {
        out[0] = local - before;
        return 1;
    }
    int64_t first = local - before, second = local - after;
    bool first_shows = zone_offset(z, first) == before;
    bool second_shows = zone_offset(z, second) == after;
    bool elapsed = c->hours == ALL_HOURS;
    if (first_shows && second_shows) { /* doubled: `before` is the first pass */
        out[0] = first;
        out[1] = second;
        return elapsed ? 2 : 1;
    }
    if (first_shows || second_shows) {
        out[0] = first_shows ? first : second;
        return 1;
    }
    if (elapsed)
        return 0;
    out[0] = transition(z, local - DAY_S, local + DAY_S);
    return 1;
}

/* Earliest run later than after on one local day; false if none. */
static bool day_next(
    const struct cron *c, const struct cron_zone *z, int64_t date, int64_t after, int64_t *next)
{
    bool found = false;
    for (int minute = 0; minute < 24 * 60; minute++) {
        if (!(c->hours >> minute / 60 & 1) || !(c->minutes >> minute % 60 & 1))
            continue;
        int64_t at[2];
        int n = instants(c, z, date * DAY_S + minute * 60, at);
        for (int i = 0; i < n; i++) {
            if (at[i] > after && (!found || at[i] < *next)) {
                *next = at[i];
                found = true;
            }
        }
    }
    return found;
}

int cron_next(const struct cron *c, const struct cron_zone *zone, int64_t after, int64_t *next)
{
    int64_t today = floor_div(after + zone_offset(zone, after), DAY_S);
    /* From the day before, since the clock may have been set back over midnight. */
    for (int64_t d = today - 1; d < today + SEARCH; d++) {
        int64_t found, other;
        if (!day_matches(c, d) || !day_next(c, zone, d, after, &found))
            continue;
        /* A doubled hour around midnight lets the next day begin before this one has ended. */
        if (day_matches(c, d + 1) && day_next(c, zone, d + 1, after, &other) && other < found)
            found = other;
        *next = found;
        return 0;
    }
    return -ERANGE;
}
