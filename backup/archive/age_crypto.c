/* The primitives of the age format over OpenSSL. */
#include "backup/archive/age_crypto.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>
#include "common/error.h"

/* OpenSSL's parameters are not const, though it only reads them. */
static void *readable(const void *p)
{
    union {
        const void *in;
        void *out;
    } u = {.in = p};
    return u.out;
}

void age_hkdf(const uint8_t *secret, size_t secret_len, const uint8_t *salt, size_t salt_len,
    const char *info, uint8_t out[static 32])
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    char digest[] = "SHA256";
    OSSL_PARAM params[5], *next = params;
    *next++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
    *next++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, readable(secret), secret_len);
    if (salt_len > 0) /* OpenSSL takes no empty salt; leaving it out means the same */
        *next++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, readable(salt), salt_len);
    *next++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, readable(info), strlen(info));
    *next = OSSL_PARAM_construct_end();
    CHECK(ctx && EVP_KDF_derive(ctx, out, 32, params) == 1);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
}

void age_hmac(const uint8_t key[static 32], const char *text, size_t len, uint8_t out[static 32])
{
    CHECK(HMAC(EVP_sha256(), key, 32, (const unsigned char *)text, len, out, NULL));
}

int age_scrypt(
    const char *passphrase, const uint8_t salt[static 16], unsigned log_n, uint8_t out[static 32])
{
    static const char label[] = "age-encryption.org/v1/scrypt";
    uint8_t full[sizeof label - 1 + 16];
    memcpy(full, label, sizeof label - 1);
    memcpy(full + sizeof label - 1, salt, 16);
    uint64_t n = UINT64_C(1) << log_n;
    int ok = EVP_PBE_scrypt(passphrase, strlen(passphrase), full, sizeof full, n, 8, 1,
        n * 8 * 128 + (1 << 20), out, 32);
    return ok == 1 ? 0 : -ENOMEM;
}

void age_public(const uint8_t secret[static 32], uint8_t out[static 32])
{
    size_t len = 32;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, secret, 32);
    CHECK(key && EVP_PKEY_get_raw_public_key(key, out, &len) == 1 && len == 32);
    EVP_PKEY_free(key);
}

bool age_shared(
    const uint8_t secret[static 32], const uint8_t peer[static 32], uint8_t out[static 32])
{
    size_t len = 32;
    EVP_PKEY *mine = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, secret, 32);
    EVP_PKEY *theirs = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer, 32);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(mine, NULL);
    CHECK(mine && theirs && ctx && EVP_PKEY_derive_init(ctx) == 1);
    /* OpenSSL refuses an all-zero result, which is what low order points give. */
    bool good = EVP_PKEY_derive_set_peer(ctx, theirs) == 1 &&
                EVP_PKEY_derive(ctx, out, &len) == 1 && len == 32;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(theirs);
    EVP_PKEY_free(mine);
    return good;
}

void age_seal(EVP_CIPHER_CTX *ctx, const uint8_t key[static 32], const uint8_t nonce[static 12],
    const uint8_t *in, size_t n, uint8_t *out)
{
    int len, last;
    CHECK(EVP_EncryptInit_ex(ctx, EVP_chacha20_poly1305(), NULL, key, nonce) == 1);
    CHECK(EVP_EncryptUpdate(ctx, out, &len, in, (int)n) == 1 && (size_t)len == n);
    CHECK(EVP_EncryptFinal_ex(ctx, out + n, &last) == 1 && last == 0);
    CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AGE_TAG, out + n) == 1);
}

bool age_open(EVP_CIPHER_CTX *ctx, const uint8_t key[static 32], const uint8_t nonce[static 12],
    const uint8_t *in, size_t n, uint8_t *out)
{
    int len, last;
    uint8_t tag[AGE_TAG], none[AGE_TAG];
    memcpy(tag, in + n, AGE_TAG);
    CHECK(EVP_DecryptInit_ex(ctx, EVP_chacha20_poly1305(), NULL, key, nonce) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AGE_TAG, tag) == 1);
    CHECK(EVP_DecryptUpdate(ctx, out, &len, in, (int)n) == 1 && (size_t)len == n);
    return EVP_DecryptFinal_ex(ctx, none, &last) == 1;
}

void age_nonce(uint64_t number, bool last, uint8_t out[static 12])
{
    memset(out, 0, 12);
    for (int i = 0; i < 8; i++)
        out[10 - i] = (uint8_t)(number >> 8 * i);
    out[11] = last;
}

size_t age_base64(const uint8_t *in, size_t n, char *out)
{
    /* EVP_EncodeBlock pads and writes a NUL; both are cut off again by the caller's length. */
    unsigned char text[128];
    CHECK(n <= 90);
    int len = EVP_EncodeBlock(text, in, (int)n);
    while (len > 0 && text[len - 1] == '=')
        len--;
    memcpy(out, text, (size_t)len);
    return (size_t)len;
}

bool age_base64_decode(const char *in, size_t len, uint8_t *out, size_t n)
{
    unsigned char padded[132], bytes[100];
    char again[132];
    if (n > 90 || len != (n * 4 + 2) / 3)
        return false;
    memcpy(padded, in, len);
    size_t full = len;
    while (full % 4 != 0)
        padded[full++] = '=';
    if (EVP_DecodeBlock(bytes, padded, (int)full) < 0)
        return false;
    /* The decoder forgives blanks and stray bits; the encoder tells whether this was canonical. */
    if (age_base64(bytes, n, again) != len || memcmp(again, in, len) != 0)
        return false;
    memcpy(out, bytes, n);
    return true;
}
