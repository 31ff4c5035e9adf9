/*
 * Which generations may go.
 *
 * N per data type, counting only complete ones (archive and manifest there and sound) that this
 * installation made, in the order in which it made them: each run has a number, since a clock can
 * be set back or wrong for a night. Beside that, optionally, grandfather-father-son: the newest of
 * each of the last N days, weeks (Monday to Sunday), months and years that have one.
 *
 * Never: what somebody has protected; anything after a failed run; an incomplete file; what another
 * installation made, or anybody; a generation of another type (exact name); what this run has made;
 * the newest complete one; the newest one that a drill has proven restorable; anything at all while
 * one of ours lies in the future, for then either its time or the clock is wrong.
 */
#ifndef ELEXGATE_BACKUP_RULES_RETENTION_H
#define ELEXGATE_BACKUP_RULES_RETENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "backup/rules/cron.h" /* struct cron_zone */

struct retention_policy {
    unsigned keep; /* generations; 0 is taken as 1 */
    unsigned daily, weekly, monthly, yearly;
};

struct generation {
    const char *type;
    uint64_t sequence;  /* the number of its run; 0 = from before there were numbers */
    int64_t started_ms; /* UTC, from the manifest */
    bool ours;
    bool just_made; /* by the run that asks */
    bool complete;
    bool proven;         /* the last drill succeeded */
    bool bad;            /* it was found wanting; it takes no good one's place */
    bool protected;      /* somebody said that it stays; it takes no other one's place */
    const void *owner;   /* the caller's */
    const char *kept_by; /* out: "newest", "keep", "proven", "daily", "weekly", "monthly", "yearly",
                            "protected", "incomplete", "other type", "foreign", "just made", "failed
                            run"; NULL = may go */
};

/* Sets kept_by of every element; the order of the array stays. Returns how many may go. */
size_t retention_apply(struct generation *g, size_t n, const char *type,
    const struct retention_policy *policy, const struct cron_zone *zone, bool run_succeeded);

#define RETENTION_FUTURE_MS                                                                        \
    INT64_C(600000) /* clocks of two machines differ, and a run takes its time */
/* One of ours of this type that says it was made later than now, by more than clocks differ; NULL:
 * none. */
const struct generation *retention_future(
    const struct generation *g, size_t n, const char *type, int64_t now_ms);

#endif
