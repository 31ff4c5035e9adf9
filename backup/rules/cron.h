/*
 * Crontab times: five fields, parsed, asked for the next run, and put into words.
 *
 * Syntax (crontab(5)): minute hour day month weekday; each `*`, a number, a list `1,15`, a range
 * `8-12`, a step `*`/10 or 8-18/2, names (jan..dec, sun..sat; the German mär mai okt dez and so mo
 * di mi do fr sa too, since none of them means something else in English). 0 and 7 are Sunday. If
 * both day and weekday are restricted, a day that fits either one counts; a field that begins with
 * `*` does not restrict. @hourly @daily @midnight @weekly @monthly @yearly @annually.
 *
 * Daylight saving. A schedule whose hour field holds all 24 hours follows elapsed time: nothing is
 * special about the change. Any other schedule follows the clock on the wall: what falls into the
 * skipped hour runs once, right after it; what falls into the doubled hour runs in its first pass
 * only.
 *
 * Pure: no clock is read, and the time zone is a function that the caller hands in.
 */
#ifndef ELEXGATE_BACKUP_RULES_CRON_H
#define ELEXGATE_BACKUP_RULES_CRON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"

struct cron {
    uint64_t minutes; /* bit 0..59 */
    uint32_t hours;   /* bit 0..23 */
    uint32_t days;    /* bit 1..31 */
    uint16_t months;  /* bit 1..12 */
    uint8_t weekdays; /* bit 0..6, 0 = Sunday */
    bool any_day;     /* the day field begins with '*' */
    bool any_weekday; /* the weekday field begins with '*' */
};

/* Seconds east of UTC at an instant (seconds since 1970, UTC). */
struct cron_zone {
    int64_t (*offset)(const void *ctx, int64_t utc);
    const void *ctx;
};
extern const struct cron_zone cron_zone_local; /* the process's TZ, through localtime_r */
extern const struct cron_zone cron_zone_utc;

/* -EINVAL with a message that names the field, what was written, and the right form; also for a
 * schedule that never comes (30 February). */
int cron_parse(const char *text, struct cron *out, struct err *e) MUSTCHECK;
/* The same for a form that a person fills in. *field: "minute" "hour" "day" "month" "weekday", or
 * "schedule" for all of it. */
int cron_check(const char *text, struct cron *out, const char **field, struct err *e) MUSTCHECK;
/* First run strictly after `after` (seconds since 1970, UTC). -ERANGE if there is none within 50
 * years, which cron_parse rules out. */
int cron_next(
    const struct cron *c, const struct cron_zone *zone, int64_t after, int64_t *next) MUSTCHECK;
/* "Monday to Friday at 03:15": a phrase (common/phrase.h), new reference. */
json_t *cron_phrase(const struct cron *c) MUSTCHECK;

#endif
