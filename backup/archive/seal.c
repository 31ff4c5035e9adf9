/* Ed25519 by OpenSSL. */
#include "backup/archive/seal.h"
#include "common/hex.h"
#include "common/lang.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPARE_BEGIN "elexgate-backup-key-1:"
#define SUM_HEX     8

/* Exactly n bytes, lower case. */
static bool unhex(const char *in, size_t n, uint8_t *out)
{
    size_t got;
    return hex_valid(in, 2 * n) && OPENSSL_hexstr2buf_ex(out, n, &got, in, '\0') == 1;
}

static EVP_PKEY *private_key(const struct seal_key *k)
{
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(
        EVP_PKEY_ED25519, NULL, k->secret, sizeof k->secret);
    CHECK(key);
    return key;
}

static void fill_public(struct seal_key *k)
{
    uint8_t raw[32];
    size_t n = sizeof raw;
    EVP_PKEY *key = private_key(k);
    CHECK(EVP_PKEY_get_raw_public_key(key, raw, &n) && n == sizeof raw);
    EVP_PKEY_free(key);
    hex_text(raw, sizeof raw, k->public);
}

int seal_key_make(struct seal_key *out, struct err *e)
{
    if (RAND_priv_bytes(out->secret, sizeof out->secret) != 1)
        return err_set(e, EIO, "no random numbers for a key");
    fill_public(out);
    return 0;
}

void seal_key_clear(struct seal_key *k)
{
    OPENSSL_cleanse(k, sizeof *k);
}

void seal_key_text(const struct seal_key *k, char out[static SEAL_SPARE_LEN])
{
    char secret[65], sum[SHA256_HEX_LEN];
    hex_text(k->secret, sizeof k->secret, secret);
    hex_sha256(secret, 64, sum);
    snprintf(out, SEAL_SPARE_LEN, SPARE_BEGIN "%s:%.*s", secret, SUM_HEX, sum);
    OPENSSL_cleanse(secret, sizeof secret);
}

int seal_key_parse(const char *text, struct seal_key *out, struct err *e)
{
    char clean[SEAL_SPARE_LEN] = "", sum[SHA256_HEX_LEN];
    const size_t begin = strlen(SPARE_BEGIN), end = begin + 64;
    struct seal_key k = {0};
    size_t n = 0;
    for (; *text && n < sizeof clean - 1; text++)
        if (!isspace((unsigned char)*text))
            clean[n++] = (char)tolower((unsigned char)*text);
    int r = 0;
    if (*text || n != end + 1 + SUM_HEX || strncmp(clean, SPARE_BEGIN, begin) != 0 ||
        clean[end] != ':') {
        r = err_set(e, EINVAL,
            "this is no backup key: it begins with " SPARE_BEGIN N_(" and has 95 signs"));
    } else {
        clean[end] = 0;
        hex_sha256(clean + begin, 64, sum);
        if (strncmp(sum, clean + end + 1, SUM_HEX) != 0 || !unhex(clean + begin, 32, k.secret))
            r = err_set(e, EINVAL, "the backup key has a slip of the pen in it: its sum is wrong");
    }
    OPENSSL_cleanse(clean, sizeof clean);
    if (r == 0) {
        fill_public(&k);
        *out = k;
    }
    seal_key_clear(&k);
    return r;
}

/* The purpose in front, so that what is a seal here is none there. */
static size_t message(const char *purpose, const char *digest, uint8_t out[static 160])
{
    CHECK(strlen(purpose) < 64 && strlen(digest) == SHA256_HEX_LEN - 1);
    return (size_t)snprintf((char *)out, 160, "elexgate seal 1 %s %s\n", purpose, digest);
}

void seal_sign(const struct seal_key *k, const char *purpose, const char *digest,
    char out[static SEAL_SIGNATURE_HEX_LEN])
{
    uint8_t text[160], signature[64];
    size_t len = sizeof signature, n = message(purpose, digest, text);
    EVP_PKEY *key = private_key(k);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    CHECK(ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1);
    CHECK(EVP_DigestSign(ctx, signature, &len, text, n) == 1 && len == sizeof signature);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    hex_text(signature, sizeof signature, out);
}

bool seal_verify(const char *public, const char *purpose, const char *digest, const char *signature)
{
    uint8_t text[160], raw[32], sig[64];
    if (!unhex(public, sizeof raw, raw) || !unhex(signature, sizeof sig, sig) ||
        strlen(digest) != SHA256_HEX_LEN - 1)
        return false;
    size_t n = message(purpose, digest, text);
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, sizeof raw);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    CHECK(ctx);
    bool good = key && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestVerify(ctx, sig, sizeof sig, text, n) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return good;
}

bool seal_public_valid(const char *text)
{
    uint8_t raw[32];
    return unhex(text, sizeof raw, raw);
}

void seal_fingerprint(const char *public, char out[static SEAL_FINGERPRINT_LEN])
{
    char sum[SHA256_HEX_LEN];
    hex_sha256(public, strlen(public), sum);
    snprintf(out, SEAL_FINGERPRINT_LEN, "%.4s-%.4s-%.4s-%.4s", sum, sum + 4, sum + 8, sum + 12);
}
