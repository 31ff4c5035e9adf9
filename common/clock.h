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
/* By strftime's format, local or UTC; "?" for what no calendar has. Returns buf. */
char *clock_local(int64_t wall_ms, const char *format, char *buf, size_t size)
    __attribute__((format(strftime, 2, 0)));
char *clock_utc(int64_t wall_ms, const char *format, char *buf, size_t size)
    __attribute__((format(strftime, 2, 0)));
/* RFC 3339 with Z or offset, or local "YYYY-MM-DD HH:MM[:SS]" / "HH:MM". 0 or -EINVAL. */
int clock_parse(const char *text, int64_t *wall_ms);

#endif
