/*
 * Time: monotonic for measuring, UTC for records, local for people.
 */
#ifndef ELEXGATE_COMMON_CLOCK_H
#define ELEXGATE_COMMON_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "common/error.h"

uint64_t clock_mono_ns(void); /* CLOCK_MONOTONIC */
uint64_t clock_mono_ms(void);
int64_t clock_wall_ms(void); /* milliseconds since 1970, UTC */

#define CLOCK_ISO_LEN sizeof("2026-11-22T21:46:56.123Z")
/* RFC 3339, UTC, milliseconds. Returns buf. */
char *clock_iso(int64_t wall_ms, char buf[static CLOCK_ISO_LEN]);
/* By strftime's format, local or UTC; "?" for what no calendar has. Returns buf. */
char *clock_local(int64_t wall_ms, const char *format, char *buf, size_t size)
    __attribute__((format(strftime, 2, 0)));
char *clock_utc(int64_t wall_ms, const char *format, char *buf, size_t size)
    __attribute__((format(strftime, 2, 0)));
/* RFC 3339 with Z or offset, or local "YYYY-MM-DD HH:MM[:SS]" / "HH:MM". A local time that comes
 * twice when the clocks go back is the later one; one that they skip is as long after the change as
 * it would have been. 0 or -EINVAL. */
int clock_parse(const char *text, int64_t *wall_ms);
/* As clock_parse, of a moment that somebody typed and that much depends on: -EDOM for a local time
 * that comes twice or never; e says how to name the one that is meant. -EINVAL without words. */
int clock_parse_exact(const char *text, int64_t *wall_ms, struct err *e) MUSTCHECK;
/* How a local time is written in which nothing is in doubt: "2026-10-25 02:30:00+01:00" in the hour
 * that comes twice, without the offset else. clock_parse reads both. Returns buf. */
#define CLOCK_EXACT_LEN sizeof("2026-10-25 02:30:00+01:00")
char *clock_exact(int64_t wall_ms, char buf[static CLOCK_EXACT_LEN]);

#endif
