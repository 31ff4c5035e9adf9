#include "people/totp.h"

#include <ctype.h>
#include <errno.h>
#include <liboath/oath.h>
#include <sodium.h>
#include <string.h>

#define SECRET_BYTES 20
#define DIGITS       6
#define STEPS_BESIDE 1 /* RFC 6238, 5.2: for a phone whose clock is a little off */

char *totp_make(char out[static TOTP_SECRET_LEN])
{
    char bytes[SECRET_BYTES], *text = NULL;
    size_t len = 0;
    randombytes_buf(bytes, sizeof bytes);
    CHECK(oath_base32_encode(bytes, sizeof bytes, &text, &len) == OATH_OK &&
          len == TOTP_SECRET_LEN - 1);
    memcpy(out, text, TOTP_SECRET_LEN);
    sodium_memzero(bytes, sizeof bytes);
    free(text);
    return out;
}

int totp_check(const char *secret, const char *code, int64_t now, uint64_t last, uint64_t *step)
{
    char *key = NULL;
    size_t len = 0;
    uint64_t found = 0;
    if (strlen(code) != DIGITS || code[strspn(code, "0123456789")] != '\0')
        return 1;
    if (oath_base32_decode(secret, strlen(secret), &key, &len) != OATH_OK)
        return -EINVAL;
    int r = oath_totp_validate3(key, len, (time_t)now, OATH_TOTP_DEFAULT_TIME_STEP_SIZE,
        OATH_TOTP_DEFAULT_START_TIME, STEPS_BESIDE, NULL, &found, code);
    sodium_memzero(key, len);
    free(key);
    if (r < 0 || found <= last)
        return 1;
    *step = found;
    return 0;
}

/* Unreserved characters of RFC 3986, 2.3, stay. */
static char *escaped(const char *s)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = xmalloc(strlen(s) * 3 + 1), *p = out;
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 0x80 && (isalnum(c) || strchr("-._~", c))) {
            *p++ = (char)c;
        } else {
            *p++ = '%';
            *p++ = hex[c >> 4];
            *p++ = hex[c & 15];
        }
    }
    *p = '\0';
    return out;
}

char *totp_uri(const char *account, const char *secret)
{
    _cleanup_free_ char *name = escaped(account);
    return xasprintf("otpauth://totp/Elexgate:%s?secret=%s&issuer=Elexgate", name, secret);
}
