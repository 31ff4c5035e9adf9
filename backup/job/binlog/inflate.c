#include "backup/job/binlog/inflate.h"

#include <errno.h>
#include <zlib.h>

#define INFLATED_MAX ((uint32_t)1 << 30)

int binlog_inflate(
    const uint8_t *p, size_t n, const char *what, uint8_t **out, size_t *len, struct err *e)
{
    size_t digits = n ? p[0] & 7 : 0;
    uint32_t size = 0;
    if (n < 1 + digits || digits == 0 || digits > 4 || (p[0] & 0x70) != 0)
        return err_set(e, EBADMSG, "%s is damaged", what);
    for (size_t i = 0; i < digits; i++)
        size = size << 8 | p[1 + i];
    if (size > INFLATED_MAX)
        return err_set(e, EBADMSG, "%s is too long", what);
    uint8_t *data = xmalloc((size_t)size + 1);
    uLongf got = size;
    if (uncompress(data, &got, p + 1 + digits, n - 1 - digits) != Z_OK || got != size) {
        free(data);
        return err_set(e, EBADMSG, "%s is damaged", what);
    }
    *out = data;
    *len = size;
    return 0;
}
