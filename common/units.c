#include "common/units.h"

#include <stdio.h>
#include <inttypes.h>
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/utf8.h"

struct unit {
    const char *name;
    int64_t factor;
};

/* strtoll alone would also take leading spaces, "+5" and an empty text. */
static int parse_number(const char *text, const char **end, int64_t *out)
{
    char *stop;

    if (!isdigit((unsigned char)text[*text == '-']))
        return -EINVAL;
    errno = 0;
    long long v = strtoll(text, &stop, 10);
    if (errno == ERANGE)
        return -ERANGE;
    *end = stop;
    *out = v;
    return 0;
}

int units_parse_int(const char *text, int64_t *out)
{
    const char *end;
    int64_t v;
    int r = parse_number(text, &end, &v);

    if (r < 0)
        return r;
    if (*end)
        return -EINVAL;
    *out = v;
    return 0;
}

static int parse_with_unit(
    const char *text, const struct unit *units, size_t count, int64_t bare, int64_t *out)
{
    const char *end;
    int64_t v, factor = bare;
    int r = parse_number(text, &end, &v);

    if (r < 0)
        return r;
    end += strspn(end, " ");
    if (*end) {
        factor = 0;
        for (size_t i = 0; i < count; i++)
            if (strcasecmp(end, units[i].name) == 0)
                factor = units[i].factor;
    } else if (v == 0) {
        factor = 1; /* nothing is nothing in every unit */
    }
    if (factor == 0)
        return -EINVAL;
    if (__builtin_mul_overflow(v, factor, &v))
        return -ERANGE;
    *out = v;
    return 0;
}

int units_parse_duration(const char *text, int64_t *ms)
{
    static const struct unit units[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60000}, {"min", 60000}, {"h", 3600000}, {"d", 86400000}};

    return parse_with_unit(text, units, sizeof units / sizeof units[0], 0, ms);
}

int units_parse_size(const char *text, int64_t *bytes)
{
    static const struct unit units[] = {{"b", 1}, {"k", 1 << 10}, {"kb", 1 << 10}, {"kib", 1 << 10},
        {"m", 1 << 20}, {"mb", 1 << 20}, {"mib", 1 << 20}, {"g", 1 << 30}, {"gb", 1 << 30},
        {"gib", 1 << 30}, {"t", INT64_C(1) << 40}, {"tb", INT64_C(1) << 40},
        {"tib", INT64_C(1) << 40}};

    return parse_with_unit(text, units, sizeof units / sizeof units[0], 1, bytes);
}

char *units_bytes(uint64_t bytes, char buf[static UNITS_BYTES_LEN])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double v = (double)bytes;
    size_t u = 0;

    /* 999.5 would be printed as 1000. */
    for (; v >= 999.5 && u + 1 < sizeof units / sizeof units[0]; u++)
        v /= 1000;
    utf8_format(buf, UNITS_BYTES_LEN, "%.*f %s", u > 0 && v < 9.95, v, units[u]);
    return buf;
}

char *units_duration(uint64_t ms, const char *day, char *buf, size_t size)
{
    uint64_t s = ms / 1000, min = s / 60, h = min / 60;

    if (s < 1)
        snprintf(buf, size, "< 1 s");
    else if (s < 120)
        snprintf(buf, size, "%" PRIu64 " s", s);
    else if (min < 120)
        snprintf(buf, size, "%" PRIu64 " min", min);
    else if (h < 48 && min % 60)
        snprintf(buf, size, "%" PRIu64 " h %" PRIu64 " min", h, min % 60);
    else if (h < 48)
        snprintf(buf, size, "%" PRIu64 " h", h);
    else
        utf8_format(buf, size, "%" PRIu64 " %s", h / 24, day);
    return buf;
}
