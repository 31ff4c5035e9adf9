#include "common/units.h"

#include <inttypes.h>
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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
