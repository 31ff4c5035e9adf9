/* Keys of the age format: Bech32 (BIP 173) without its limit of 90 characters. */
#include "backup/archive/age.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include "common/utf8.h"

#define CHARSET  "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
#define TEXT_MAX 100

static uint32_t polymod(uint32_t chk, uint8_t v)
{
    static const uint32_t gen[5] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
    uint32_t top = chk >> 25;
    chk = (chk & 0x1ffffff) << 5 ^ v;
    for (int i = 0; i < 5; i++)
        chk ^= top >> i & 1 ? gen[i] : 0;
    return chk;
}

/* text in lower case, prefix without the "1". 0 if it holds exactly 32 bytes. */
static int bech32_decode(const char *text, const char *prefix, uint8_t out[static AGE_KEY_SIZE])
{
    size_t plen = strlen(prefix), len = strlen(text), n = 0;
    uint8_t key[AGE_KEY_SIZE];
    uint32_t chk = 1, acc = 0;
    int bits = 0;

    if (len > TEXT_MAX || len < plen + 7 || memcmp(text, prefix, plen) != 0 || text[plen] != '1')
        return -EINVAL;
    for (size_t i = 0; i < plen; i++)
        chk = polymod(chk, (uint8_t)(prefix[i] >> 5));
    chk = polymod(chk, 0);
    for (size_t i = 0; i < plen; i++)
        chk = polymod(chk, (uint8_t)(prefix[i] & 31));
    for (size_t i = plen + 1; i < len; i++) {
        const char *at = strchr(CHARSET, text[i]);
        if (!at)
            return -EINVAL;
        uint8_t v = (uint8_t)(at - CHARSET);
        chk = polymod(chk, v);
        if (i + 6 >= len)
            continue; /* the checksum itself */
        acc = acc << 5 | v;
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            if (n == sizeof key)
                return -EINVAL;
            key[n++] = (uint8_t)(acc >> bits);
            acc &= (1u << bits) - 1;
        }
    }
    if (chk != 1 || n != sizeof key || bits >= 5 || acc != 0)
        return -EINVAL;
    memcpy(out, key, sizeof key);
    return 0;
}

static int parse(const char *text, const char *prefix, bool upper, uint8_t *key)
{
    char lower[TEXT_MAX + 1];
    size_t len = strlen(text);
    if (len > TEXT_MAX)
        return -EINVAL;
    for (size_t i = 0; i <= len; i++) {
        /* Mixed case is not allowed, and each kind of key has its own. */
        if (upper ? islower((unsigned char)text[i]) : isupper((unsigned char)text[i]))
            return -EINVAL;
        lower[i] = (char)tolower((unsigned char)text[i]);
    }
    return bech32_decode(lower, prefix, key);
}

int age_recipient_parse(const char *text, uint8_t key[static AGE_KEY_SIZE], struct err *e)
{
    if (parse(text, "age", false, key) == 0)
        return 0;
    if (strncmp(text, "AGE-SECRET-KEY-", 15) == 0)
        return err_set(e, EINVAL,
            "a recipient is a secret key; put the public one (age1...) there, and keep the secret one off this machine");
    return err_set(e, EINVAL,
        "\"%s\" is not an age recipient; right would be age1 and 58 characters, as `age-keygen` prints it",
        UTF8_SHORT(text, 70));
}

int age_identity_parse(const char *text, uint8_t key[static AGE_KEY_SIZE], struct err *e)
{
    if (parse(text, "age-secret-key-", true, key) == 0)
        return 0;
    /* Not quoted: it may be a secret with a slip of the pen. */
    return err_set(e, EINVAL,
        "not an age identity; right would be AGE-SECRET-KEY-1 and 58 characters, as `age-keygen` prints it");
}
