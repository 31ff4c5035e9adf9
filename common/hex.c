#include "common/hex.h"

#include <string.h>

static char *write_hex(const char *digits, const unsigned char *in, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 15];
    }
    out[2 * n] = '\0';
    return out;
}

char *hex_text(const void *bytes, size_t n, char *out)
{
    return write_hex("0123456789abcdef", bytes, n, out);
}

char *hex_upper(const void *bytes, size_t n, char *out)
{
    return write_hex("0123456789ABCDEF", bytes, n, out);
}

bool hex_valid(const char *text, size_t digits)
{
    return text && strspn(text, "0123456789abcdef") == digits && text[digits] == '\0';
}
