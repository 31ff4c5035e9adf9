#include "console/who/random.h"

#include <sodium.h>
#include <string.h>

static char *encode(const unsigned char bytes[static 32], char out[static TOKEN_LEN])
{
    return sodium_bin2base64(out, TOKEN_LEN, bytes, 32, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

char *token_make(char out[static TOKEN_LEN])
{
    unsigned char bytes[32];
    randombytes_buf(bytes, sizeof bytes);
    encode(bytes, out);
    sodium_memzero(bytes, sizeof bytes);
    return out;
}

char *token_hash(const char *token, char out[static HASH_LEN])
{
    unsigned char hash[32];
    crypto_generichash(hash, sizeof hash, (const unsigned char *)token, strlen(token), NULL, 0);
    return encode(hash, out);
}

char *token_sign(const char *text, const char *key, char out[static HASH_LEN])
{
    unsigned char hash[32];
    crypto_generichash(hash, sizeof hash, (const unsigned char *)text, strlen(text),
        (const unsigned char *)key, strlen(key));
    return encode(hash, out);
}

int token_equal(const char *a, const char *b)
{
    size_t n = strlen(a);
    return n == strlen(b) && sodium_memcmp(a, b, n) == 0;
}
