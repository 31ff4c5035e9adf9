/*
 * Numbers, sizes, durations and moments as people read them, in their language: the one place for
 * page, commands and mails. (What a program reads is units.h and clock.h.)
 *
 * All return buf, cut between two characters where it is too small. Moments are in local time. As
 * in Switzerland: "8,1 MB", "12’345", "30.11.2026" in German, French and Italian.
 */
#ifndef ELEXGATE_COMMON_SHOWN_H
#define ELEXGATE_COMMON_SHOWN_H

#include <stddef.h>
#include <stdint.h>

#include "common/sizes.h"

#define SHOWN_LEN 48 /* enough for each of them, in every language */

/* "< 1 s", "119 s", "10 min", "4 h 10 min", "3 Tage"; below 0 it is the first. */
char *shown_duration(enum lang lang, int64_t ms, char *buf, size_t size);
/* "12’345", "12,345" */
char *shown_count(enum lang lang, int64_t n, char *buf, size_t size);

enum shown_form {
    SHOWN_DATE,   /* "30.11.2026" or "2026-11-30" */
    SHOWN_DAY,    /* "Mo 30.11.2026" */
    SHOWN_MINUTE, /* "30.11.2026 03:15", for tables */
    SHOWN_SECOND, /* "30.11.2026 03:15:07" */
    SHOWN_MOMENT, /* "Mo 30.11.2026 03:15", for sentences */
    SHOWN_WHEN,   /* "heute 03:15", "gestern 03:15", "morgen 03:15", else as SHOWN_MOMENT */
    SHOWN_CLOCK,  /* "03:15" */
    SHOWN_CLOCK_SECONDS,
};
/* "?" for what is no time. */
char *shown_time(enum lang lang, int64_t wall_ms, enum shown_form form, char *buf, size_t size);
/* When a run began, by its name "2026-11-30-0914", as SHOWN_MINUTE; another name is returned as it
 * is. For sentences about its data; what one types is the name. */
const char *shown_run(enum lang lang, const char *run, char *buf, size_t size);
/* That long before now, below 0 after: "gerade eben", "vor 3 h", "in 2 Tagen". */
char *shown_ago(enum lang lang, int64_t ms, char *buf, size_t size);

#endif
