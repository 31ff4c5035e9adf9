#include "common/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t utf8_decode(const char *s, size_t n, uint32_t *out)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char lead = (unsigned char)s[0];
    size_t len;
    uint32_t c;

    if (lead < 0x80) {
        *out = lead;
        return 1;
    }
    if ((lead & 0xE0) == 0xC0) {
        len = 2;
        c = lead & 0x1F;
    } else if ((lead & 0xF0) == 0xE0) {
        len = 3;
        c = lead & 0x0F;
    } else if ((lead & 0xF8) == 0xF0) {
        len = 4;
        c = lead & 0x07;
    } else {
        return 0;
    }
    if (n < len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if (((unsigned char)s[i] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | ((unsigned char)s[i] & 0x3F);
    }
    if (c < smallest[len] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        return 0;
    *out = c;
    return len;
}

size_t utf8_check(const char *s, size_t n)
{
    size_t i = 0;
    uint32_t c;

    while (i < n) {
        size_t len = utf8_decode(s + i, n - i, &c);
        if (len == 0)
            break;
        i += len;
    }
    return i;
}

size_t utf8_cut(const char *s, size_t n, size_t max)
{
    if (n <= max)
        return n;
    size_t at = max, back = 0;
    while (at > 0 && back < 3 && ((unsigned char)s[at] & 0xC0) == 0x80) {
        at--;
        back++;
    }
    uint32_t c;
    /* bytes that are no character can be cut anywhere */
    return utf8_decode(s + at, n - at, &c) > back ? at : max;
}

char *utf8_copy(char *buf, size_t size, const char *text)
{
    size_t n = text ? strlen(text) : 0, out = 0;
    uint32_t c;
    while (n > 0) {
        size_t len = utf8_decode(text, n, &c), step = len ? len : 1;
        if (out + step >= size)
            break;
        if (len)
            memmove(buf + out, text, len);
        else
            buf[out] = '?';
        out += step;
        text += step;
        n -= step;
    }
    buf[out] = '\0';
    return buf;
}

size_t utf8_format_v(char *buf, size_t size, const char *fmt, va_list ap)
{
    char *text = NULL;
    if (vasprintf(&text, fmt, ap) < 0)
        text = NULL;
    utf8_copy(buf, size, text ? text : "");
    free(text);
    return strlen(buf);
}

size_t utf8_format(char *buf, size_t size, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    size_t n = utf8_format_v(buf, size, fmt, ap);
    va_end(ap);
    return n;
}

bool utf8_is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x061C || (c >= 0x200E && c <= 0x200F) ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}
