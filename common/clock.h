/*
 * Time: monotonic for measuring, UTC for records, local for people.
 */
#ifndef ELEXGATE_COMMON_CLOCK_H
#define ELEXGATE_COMMON_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

uint64_t clock_mono_ns(void); /* CLOCK_MONOTONIC */
uint64_t clock_mono_ms(void);
int64_t clock_wall_ms(void); /* milliseconds since 1970, UTC */

#define CLOCK_ISO_LEN sizeof("2026-11-22T21:46:56.123Z")
/* RFC 3339, UTC, milliseconds. Returns buf. */
char *clock_iso(int64_t wall_ms, char buf[static CLOCK_ISO_LEN]);
/* RFC 3339 with Z or offset, or local "YYYY-MM-DD HH:MM[:SS]" / "HH:MM". 0 or -EINVAL. */
int clock_parse(const char *text, int64_t *wall_ms);

#endif
