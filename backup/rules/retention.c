/* Which generations may go. */
#include "backup/rules/retention.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY_S INT64_C(86400)

static int newest_first(const void *a, const void *b)
{
    const struct generation *x = *(struct generation *const *)a;
    const struct generation *y = *(struct generation *const *)b;
    if (x->sequence != y->sequence)
        return x->sequence < y->sequence ? 1 : -1;
    return (x->started_ms < y->started_ms) - (x->started_ms > y->started_ms);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

enum period { PERIOD_DAY, PERIOD_WEEK, PERIOD_MONTH, PERIOD_YEAR };

/* A number that is the same for all instants of one local day, week, month or year. */
static int64_t period_of(int64_t utc_ms, enum period p, const struct cron_zone *zone)
{
    int64_t utc = floor_div(utc_ms, 1000);
    time_t local = (time_t)(utc + zone->offset(zone->ctx, utc));
    int64_t day = floor_div(local, DAY_S);
    struct tm tm;
    switch (p) {
    case PERIOD_DAY:
        return day;
    case PERIOD_WEEK:
        return floor_div(day + 3, 7); /* 1970-01-01 was a Thursday; weeks begin on Monday */
    case PERIOD_MONTH:
    case PERIOD_YEAR:
        CHECK(gmtime_r(&local, &tm));
        return p == PERIOD_YEAR ? tm.tm_year : tm.tm_year * 12 + tm.tm_mon;
    }
    CHECK(false);
}

static void keep_generation(struct generation *g, const char *why)
{
    if (!g->kept_by)
        g->kept_by = why;
}

/* The newest of each of the last n periods that have one. sorted: newest first. */
static void keep_periods(struct generation **sorted, size_t count, unsigned n, enum period p,
    const struct cron_zone *zone, const char *why)
{
    int64_t last = 0;
    unsigned kept = 0;
    for (size_t i = 0; i < count && kept < n; i++) {
        int64_t at = period_of(sorted[i]->started_ms, p, zone);
        if (sorted[i]->bad || (kept > 0 && at == last))
            continue;
        keep_generation(sorted[i], why);
        last = at;
        kept++;
    }
}

size_t retention_apply(struct generation *g, size_t n, const char *type,
    const struct retention_policy *policy, const struct cron_zone *zone, bool run_succeeded)
{
    _cleanup_free_ struct generation **sorted = xcalloc(n + 1, sizeof *sorted);
    size_t count = 0, may_go = 0;

    for (size_t i = 0; i < n; i++) {
        g[i].kept_by = NULL;
        if (strcmp(g[i].type, type) != 0)
            g[i].kept_by = "other type";
        else if (!g[i].ours)
            g[i].kept_by = "foreign";
        else if (!g[i].complete)
            g[i].kept_by = "incomplete";
        else if (!run_succeeded)
            g[i].kept_by = "failed run";
        else
            sorted[count++] = &g[i];
    }
    qsort(sorted, count, sizeof *sorted, newest_first);

    if (count > 0)
        keep_generation(sorted[0], "newest");
    for (size_t i = 0; i < count; i++)
        if (sorted[i]->just_made)
            keep_generation(sorted[i], "just made");
    /* Whoever may make a table can have one that cannot be read, and so as many bad ones as there
     * are runs: they stay as long as the good ones around them. */
    for (size_t i = 0, good = 0; i < count && good < policy->keep; i++) {
        keep_generation(sorted[i], "keep");
        good += !sorted[i]->bad && !sorted[i]->protected;
    }
    for (size_t i = 0; i < count; i++) {
        if (sorted[i]->proven) {
            keep_generation(sorted[i], "proven");
            break;
        }
    }
    /* many made in one day, which anybody on the page may ask for, push no other day's out */
    keep_periods(sorted, count, policy->keep, PERIOD_DAY, zone, "keep");
    keep_periods(sorted, count, policy->daily, PERIOD_DAY, zone, "daily");
    keep_periods(sorted, count, policy->weekly, PERIOD_WEEK, zone, "weekly");
    keep_periods(sorted, count, policy->monthly, PERIOD_MONTH, zone, "monthly");
    keep_periods(sorted, count, policy->yearly, PERIOD_YEAR, zone, "yearly");

    for (size_t i = 0; i < count; i++) {
        if (sorted[i]->protected)
            keep_generation(sorted[i], "protected");
        may_go += !sorted[i]->kept_by;
    }
    return may_go;
}

const struct generation *retention_future(
    const struct generation *g, size_t n, const char *type, int64_t now_ms)
{
    for (size_t i = 0; i < n; i++)
        if (g[i].ours && strcmp(g[i].type, type) == 0 &&
            g[i].started_ms > now_ms + RETENTION_FUTURE_MS)
            return &g[i];
    return NULL;
}
