/*
 * How much was written each minute: transactions, counted as the stream sees them, so that the
 * picture of a day needs no archived log to be opened, nor the key of an encrypted one. Lines
 * "MINUTE COUNT" (minutes since 1970; the same minute may come again) in
 * <state_dir>/activity/YYYY-MM-DD, by days of UTC, kept for ACTIVITY_DAYS.
 */
#ifndef ELEXGATE_BACKUP_JOB_BINLOG_ACTIVITY_H
#define ELEXGATE_BACKUP_JOB_BINLOG_ACTIVITY_H

#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"

#define ACTIVITY_DAYS 100

struct activity { /* zero-initialise */
    uint32_t minute, count;
    uint64_t since_ms; /* monotonic: of what is not in the file yet */
};
/* A transaction of that second. What cannot be written is lost: it is a picture. */
void activity_note(struct activity *a, const char *state_dir, uint32_t when);
/* What was counted goes to the file: when it is some seconds old, or at once. */
void activity_save(struct activity *a, const char *state_dir, bool at_once);
/* Days that are older than they are kept go. */
void activity_tidy(const char *state_dir);

/* Adds up the minutes from..from+n-1 into counts. */
int activity_read(
    const char *state_dir, uint32_t from, size_t n, uint32_t *counts, struct err *e) MUSTCHECK;

#endif
