#include "proxy/wire/user_name.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include "common/utf8.h"

/* Collations of character sets with one byte a character, in which a byte above 127 is never an
 * ASCII letter and everything can be converted (SHOW COLLATION). */
static const uint8_t single_byte[] = {2, 3, 4, 5, 6, 7, 8, 9, 14, 15, 16, 20, 21, 22, 23, 25, 26,
    27, 29, 30, 31, 34, 36, 37, 38, 39, 40, 41, 42, 43, 44, 47, 48, 49, 50, 51, 52, 53, 57, 58, 59,
    66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 77, 78, 79, 80, 81, 94, 99};

static bool is_single_byte(uint8_t charset)
{
    return memchr(single_byte, charset, sizeof single_byte) != NULL;
}

static bool is_ascii(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] >= 0x80)
            return false;
    return true;
}

/* What some server might strip. */
static bool around(char c)
{
    return c == ' ' || c == '\t' || c == '\'' || c == '"' || c == '`';
}

static bool has_control(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
            return true;
    return false;
}

enum user_name_match user_name_match(const char *name, uint8_t charset, const char *account)
{
    size_t n = strlen(name), len = strlen(account);
    while (n > 0 && around(name[n - 1]))
        n--;
    while (n > 0 && around(name[0])) {
        name++;
        n--;
    }
    if (n == len && strncasecmp(name, account, n) == 0)
        return USER_NAME_SAME;
    if (has_control(name, n))
        return USER_NAME_UNCLEAR;
    if (is_ascii(name, n))
        return USER_NAME_OTHER;
    if (is_single_byte(charset)) /* nothing but ASCII becomes ASCII */
        return is_ascii(account, len) ? USER_NAME_OTHER : USER_NAME_UNCLEAR;
    return utf8_check(name, n) == n ? USER_NAME_OTHER : USER_NAME_UNCLEAR;
}
