/*
 * Durations and sizes as people write them in options. (As they read them: shown.h.)
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

#endif
