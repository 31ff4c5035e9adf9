#include "common/sizes.h"

#include <stdio.h>
#include <string.h>

#include "common/utf8.h"

char *shown_bytes(enum lang lang, uint64_t bytes, char *buf, size_t size)
{
    static const char *const prefixes[] = {"", "k", "M", "G", "T", "P", "E"};
    double v = (double)bytes;
    size_t u = 0;
    char number[16];

    /* 999.5 would be printed as 1000. */
    for (; v >= 999.5 && u + 1 < sizeof prefixes / sizeof prefixes[0]; u++)
        v /= 1000;
    snprintf(number, sizeof number, "%.*f", u > 0 && v < 9.95, v);
    char *point = strchr(number, '.');
    if (point && lang != LANG_EN)
        *point = ',';
    utf8_format(buf, size, "%s %s%c", number, prefixes[u], lang == LANG_FR ? 'o' : 'B');
    return buf;
}
