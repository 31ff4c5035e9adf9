/*
 * Durations and sizes as people write them.
 */
#ifndef ELEXGATE_COMMON_UNITS_H
#define ELEXGATE_COMMON_UNITS_H

#include <stddef.h>
#include <stdint.h>

/* "250ms" "30s" "5m" "2h" "3d" or "0" -> milliseconds. 0 or -EINVAL, -ERANGE past int64. */
int units_parse_duration(const char *text, int64_t *ms);
/* "4096" "64k" "1M" "2G" (binary; a trailing B or iB is allowed) -> bytes. 0, -EINVAL, -ERANGE. */
int units_parse_size(const char *text, int64_t *bytes);
/* Decimal whole number, optional minus. 0, -EINVAL, -ERANGE. */
int units_parse_int(const char *text, int64_t *out);

/* For people: "12 kB" (decimal, as disks are sold); "119 s", "10 min", "4 h 10 min", "3 d", where
 * day is the word for days. Return buf. */
#define UNITS_BYTES_LEN 16
char *units_bytes(uint64_t bytes, char buf[static UNITS_BYTES_LEN]);
char *units_duration(uint64_t ms, const char *day, char *buf, size_t size);

#endif
