#include "proof/salt.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <string.h>
#include "common/json_get.h"

#define NATIVE_LEN      20u
#define PUBLIC_KEY_LEN  32u
#define PARSEC_SALT_LEN 18u

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Exactly want bytes from base64 without padding, as the server writes it. */
static bool base64_read(const char *text, size_t n, uint8_t *out, size_t want)
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t done = 0;
    if (n != (want * 8 + 5) / 6)
        return false;
    for (size_t i = 0; i < n; i++) {
        int digit = base64_digit(text[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        have += 6;
        if (have >= 8 && done < want) {
            have -= 8;
            out[done++] = (uint8_t)(bits >> have);
        }
    }
    return done == want;
}

/* "*" and 40 hexadecimal characters */
static bool read_native(const char *text, size_t n, struct salt *out)
{
    size_t got = 0;
    if (n != 1 + 2 * NATIVE_LEN || text[0] != '*')
        return false;
    char digits[2 * NATIVE_LEN + 1] = "";
    memcpy(digits, text + 1, sizeof digits - 1);
    out->len = NATIVE_LEN;
    return OPENSSL_hexstr2buf_ex(out->bytes, NATIVE_LEN, &got, digits, '\0') == 1 &&
           got == NATIVE_LEN;
}

static bool read_ed25519(const char *text, size_t n, struct salt *out)
{
    out->len = PUBLIC_KEY_LEN;
    return base64_read(text, n, out->bytes, PUBLIC_KEY_LEN);
}

/* "P0:" salt ":" public key; the digit is the number of iterations, as a power of two */
static bool read_parsec(const char *text, size_t n, struct salt *out)
{
    const size_t salt_chars = PARSEC_SALT_LEN * 8 / 6;
    if (n < 4 + salt_chars || text[0] != 'P' || text[1] < '0' || text[1] > '9' || text[2] != ':' ||
        text[3 + salt_chars] != ':')
        return false;
    out->bytes[0] = 'P';
    out->bytes[1] = (uint8_t)(text[1] - '0');
    out->len = 2 + PARSEC_SALT_LEN + PUBLIC_KEY_LEN;
    return base64_read(text + 3, salt_chars, out->bytes + 2, PARSEC_SALT_LEN) &&
           base64_read(text + 4 + salt_chars, n - 4 - salt_chars, out->bytes + 2 + PARSEC_SALT_LEN,
               PUBLIC_KEY_LEN);
}

static const struct {
    const char *plugin;
    bool (*read)(const char *text, size_t n, struct salt *out);
} kinds[] = {
    {"mysql_native_password", read_native}, {"ed25519", read_ed25519}, {"parsec", read_parsec}};

/* One way to log in: {"plugin":...,"authentication_string":...} */
static bool salt_of(const json_t *way, struct salt *out)
{
    const char *plugin = json_get_str(way, "plugin");
    const json_t *text = json_object_get(way, "authentication_string");
    for (size_t i = 0; plugin && json_is_string(text) && i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].plugin, plugin) == 0)
            return kinds[i].read(json_string_value(text), json_string_length(text), out);
    return false;
}

size_t salts_of_account(const char *priv, size_t n, struct salt *out, size_t room)
{
    _cleanup_json_ json_t *account = json_loadb(priv, n, 0, NULL);
    size_t found = 0, i;
    const json_t *way;
    if (found < room && salt_of(account, &out[found]))
        found++;
    /* The further ways; an empty object among them stands for the first one's place. */
    json_array_foreach (json_object_get(account, "auth_or"), i, way)
        if (found < room && salt_of(way, &out[found]))
            found++;
    return found;
}

void proof_make(const struct salt *salt, const uint8_t scramble[static SCRAMBLE_LEN],
    const uint8_t leaf[static LEAF_LEN], char out[static PROOF_LEN + 1])
{
    static const char digits[] = "0123456789ABCDEF";
    uint8_t text[SALT_MAX + SCRAMBLE_LEN + LEAF_LEN], sum[SHA256_DIGEST_LENGTH];
    CHECK(salt->len <= SALT_MAX); /* one of three constants: the readers above */
    memcpy(text, salt->bytes, salt->len);
    memcpy(text + salt->len, scramble, SCRAMBLE_LEN);
    memcpy(text + salt->len + SCRAMBLE_LEN, leaf, LEAF_LEN);
    CHECK(SHA256(text, salt->len + SCRAMBLE_LEN + LEAF_LEN, sum));
    for (size_t i = 0; i < sizeof sum; i++) {
        out[2 * i] = digits[sum[i] >> 4];
        out[2 * i + 1] = digits[sum[i] & 15];
    }
    out[PROOF_LEN] = '\0';
    OPENSSL_cleanse(text, sizeof text);
}
