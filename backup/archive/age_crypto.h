/*
 * The primitives of the age format over OpenSSL. All failures are programming errors or running out
 * of memory (CHECK), except opening, which says whether the tag fits.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_AGE_CRYPTO_H
#define ELEXGATE_BACKUP_ARCHIVE_AGE_CRYPTO_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGE_TAG         16
#define AGE_CHUNK       65536
#define AGE_MAGIC       "age-encryption.org/v1\n"
#define AGE_X25519_INFO "age-encryption.org/v1/X25519"

/* HKDF-SHA-256 to 32 bytes. */
void age_hkdf(const uint8_t *secret, size_t secret_len, const uint8_t *salt, size_t salt_len,
    const char *info, uint8_t out[static 32]);
void age_hmac(const uint8_t key[static 32], const char *text, size_t len, uint8_t out[static 32]);
/* -ENOMEM if the machine does not give 2^log_n KiB. */
int age_scrypt(
    const char *passphrase, const uint8_t salt[static 16], unsigned log_n, uint8_t out[static 32]);
/* Public key of a secret one. */
void age_public(const uint8_t secret[static 32], uint8_t out[static 32]);
/* false: the peer's point is of low order. */
bool age_shared(
    const uint8_t secret[static 32], const uint8_t peer[static 32], uint8_t out[static 32]);

/* ChaCha20-Poly1305; ctx from EVP_CIPHER_CTX_new. out gets n + AGE_TAG bytes. */
void age_seal(EVP_CIPHER_CTX *ctx, const uint8_t key[static 32], const uint8_t nonce[static 12],
    const uint8_t *in, size_t n, uint8_t *out);
/* in has n + AGE_TAG bytes; false: the tag does not fit, out is worthless. */
bool age_open(EVP_CIPHER_CTX *ctx, const uint8_t key[static 32], const uint8_t nonce[static 12],
    const uint8_t *in, size_t n, uint8_t *out);

/* Nonce of a chunk of the payload. */
void age_nonce(uint64_t number, bool last, uint8_t out[static 12]);

/* Base64 without padding. Returns the length, without a NUL. */
size_t age_base64(const uint8_t *in, size_t n, char *out);
/* Strict: exactly n bytes, canonical, no padding. */
bool age_base64_decode(const char *in, size_t len, uint8_t *out, size_t n);

#endif
