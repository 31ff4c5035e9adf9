#include "backup/rules/binlog_decimal.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define DECIMAL_DIGIT 9 /* decimal digits in four bytes */

static size_t digits_size(unsigned digits)
{
    static const uint8_t sizes[] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};
    return digits / DECIMAL_DIGIT * 4 + sizes[digits % DECIMAL_DIGIT];
}

size_t binlog_decimal_size(unsigned digits, unsigned behind)
{
    return digits_size(digits - behind) + digits_size(behind);
}

/* Each group of nine digits in four bytes, the rest in as few as they need; all of them turned
 * round where the number is negative. */
void binlog_decimal_text(
    const uint8_t *from, unsigned digits, unsigned behind, char out[static BINLOG_DECIMAL_LEN])
{
    unsigned scale = behind, whole = digits - behind;
    uint8_t bytes[128];
    size_t n = binlog_decimal_size(digits, behind);
    const uint8_t *p = bytes;
    bool negative = !(from[0] & 0x80);
    for (size_t i = 0; i < n; i++)
        bytes[i] = negative ? (uint8_t)~from[i] : from[i];
    bytes[0] ^= 0x80;
    char *at = out;
    if (negative)
        *at++ = '-';
    char *first = at;
    if (whole == 0)
        *at++ = '0';
    for (unsigned part = 0; part < 2; part++) {
        unsigned left = part ? scale : whole;
        while (left > 0) { /* odd digits stand first before the point, last behind it */
            unsigned now = left % DECIMAL_DIGIT && (!part || left < DECIMAL_DIGIT)
                               ? left % DECIMAL_DIGIT
                               : DECIMAL_DIGIT;
            size_t size = digits_size(now);
            uint64_t number = 0;
            for (size_t i = 0; i < size; i++)
                number = number << 8 | p[i];
            at += sprintf(at, "%0*" PRIu64, (int)now, number);
            p += size;
            left -= now;
        }
        if (!part && scale)
            *at++ = '.';
    }
    *at = '\0';
    while (first[0] == '0' && first[1] >= '0' && first[1] <= '9')
        memmove(first, first + 1, strlen(first));
}
