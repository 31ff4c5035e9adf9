/*
 * The age format, version 1, writing: a text header with the wrapped file key, a MAC, a nonce, then
 * chunks of 64 KiB, each sealed with the chunk's number and a flag for the last one, so that
 * nothing can be cut, swapped or appended unnoticed. Specification: C2SP age.md.
 */
#include "backup/archive/age.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "backup/archive/age_crypto.h"
#include "common/utf8.h"

#define HEADER_MAX    16384
#define RECIPIENT_MAX 50
/* 128 MiB of memory for scrypt; age's own default of 2^18 would take 256 MiB in every backup, on a
 * machine that serves a practice meanwhile. What is missing to it a longer passphrase makes good:
 * archive_settings.c has the least one. */
#define SCRYPT_LOG_N 17

struct stream {
    EVP_CIPHER_CTX *ctx;
    uint8_t key[32];
    uint64_t number;
};

struct age_writer {
    struct sink base;
    struct sink *below;
    struct stream stream;
    uint8_t *chunk, *sealed; /* the chunk that is being filled */
    size_t filled;
    uint8_t *first;    /* the first chunk in clear, kept until the end */
    size_t first_len;  /* 0 until it is full */
    size_t header_len; /* bytes in front of the first chunk */
    uint8_t header[HEADER_MAX];
    uint8_t file_key[AGE_FILE_KEY];
};

static size_t wrap_x25519(
    const uint8_t file_key[AGE_FILE_KEY], const uint8_t recipient[32], char *out)
{
    static const uint8_t zero[12];
    uint8_t eph[32], share[32], shared[32], salt[64], wrap[32], body[AGE_FILE_KEY + AGE_TAG];
    CHECK(RAND_bytes(eph, sizeof eph) == 1);
    age_public(eph, share);
    if (!age_shared(eph, recipient, shared))
        return 0;
    memcpy(salt, share, 32);
    memcpy(salt + 32, recipient, 32);
    age_hkdf(shared, 32, salt, sizeof salt, AGE_X25519_INFO, wrap);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    CHECK(ctx);
    age_seal(ctx, wrap, zero, file_key, AGE_FILE_KEY, body);
    EVP_CIPHER_CTX_free(ctx);
    size_t n = (size_t)sprintf(out, "-> X25519 ");
    n += age_base64(share, sizeof share, out + n);
    out[n++] = '\n';
    n += age_base64(body, sizeof body, out + n);
    out[n++] = '\n';
    OPENSSL_cleanse(eph, sizeof eph);
    OPENSSL_cleanse(shared, sizeof shared);
    OPENSSL_cleanse(wrap, sizeof wrap);
    return n;
}

static size_t wrap_scrypt(const uint8_t file_key[AGE_FILE_KEY], const char *passphrase, char *out)
{
    static const uint8_t zero[12];
    uint8_t salt[16], wrap[32], body[AGE_FILE_KEY + AGE_TAG];
    CHECK(RAND_bytes(salt, sizeof salt) == 1);
    if (age_scrypt(passphrase, salt, SCRYPT_LOG_N, wrap) < 0)
        return 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    CHECK(ctx);
    age_seal(ctx, wrap, zero, file_key, AGE_FILE_KEY, body);
    EVP_CIPHER_CTX_free(ctx);
    size_t n = (size_t)sprintf(out, "-> scrypt ");
    n += age_base64(salt, sizeof salt, out + n);
    n += (size_t)sprintf(out + n, " %d\n", SCRYPT_LOG_N);
    n += age_base64(body, sizeof body, out + n);
    out[n++] = '\n';
    OPENSSL_cleanse(wrap, sizeof wrap);
    return n;
}

/* Header, MAC and nonce into w->header; the key of the payload into w->stream. */
static int make_header(
    struct age_writer *w, const char *const *recipients, const char *passphrase, struct err *e)
{
    uint8_t file_key[AGE_FILE_KEY], mac_key[32], mac[32], nonce[16];
    char *text = (char *)w->header;
    size_t n = (size_t)sprintf(text, AGE_MAGIC);
    CHECK(RAND_bytes(file_key, sizeof file_key) == 1 && RAND_bytes(nonce, sizeof nonce) == 1);
    if (passphrase) {
        size_t len = wrap_scrypt(file_key, passphrase, text + n);
        if (len == 0)
            return err_set(e, ENOMEM, "no memory to make a key from the passphrase");
        n += len;
    }
    for (size_t i = 0; !passphrase && recipients[i]; i++) {
        uint8_t key[AGE_KEY_SIZE];
        int r = age_recipient_parse(recipients[i], key, e);
        if (r < 0)
            return r;
        if (i == RECIPIENT_MAX)
            return err_set(e, EINVAL, "more than %d recipients", RECIPIENT_MAX);
        size_t len = wrap_x25519(file_key, key, text + n);
        if (len == 0)
            return err_set(e, EINVAL, "recipient %s is a key that protects nothing",
                UTF8_SHORT(recipients[i], 70));
        n += len;
    }
    n += (size_t)sprintf(text + n, "---");
    age_hkdf(file_key, AGE_FILE_KEY, NULL, 0, "header", mac_key);
    age_hmac(mac_key, text, n, mac);
    text[n++] = ' ';
    n += age_base64(mac, sizeof mac, text + n);
    text[n++] = '\n';
    memcpy(text + n, nonce, sizeof nonce);
    w->header_len = n + sizeof nonce;
    age_hkdf(file_key, AGE_FILE_KEY, nonce, sizeof nonce, "payload", w->stream.key);
    memcpy(w->file_key, file_key, sizeof file_key);
    OPENSSL_cleanse(file_key, sizeof file_key);
    return 0;
}

/* The chunk is full and not the last one. The place of the first one is kept free with zeros. */
static int chunk_out(struct age_writer *w, struct err *e)
{
    uint8_t nonce[12];
    uint64_t number = w->stream.number++;
    if (number == 0) {
        memcpy(w->first, w->chunk, AGE_CHUNK);
        w->first_len = AGE_CHUNK;
        w->filled = 0;
        memset(w->sealed, 0, AGE_CHUNK + AGE_TAG);
        return w->below->write(w->below, w->sealed, AGE_CHUNK + AGE_TAG, e);
    }
    age_nonce(number, false, nonce);
    age_seal(w->stream.ctx, w->stream.key, nonce, w->chunk, AGE_CHUNK, w->sealed);
    w->filled = 0;
    return w->below->write(w->below, w->sealed, AGE_CHUNK + AGE_TAG, e);
}

static int age_write(struct sink *base, const void *data, size_t len, struct err *e)
{
    struct age_writer *w = (struct age_writer *)base;
    const uint8_t *p = data;
    while (len > 0) {
        /* A full chunk goes out only when more follows: the last one is sealed differently. */
        if (w->filled == AGE_CHUNK) {
            int r = chunk_out(w, e);
            if (r < 0)
                return r;
        }
        size_t n = AGE_CHUNK - w->filled < len ? AGE_CHUNK - w->filled : len;
        memcpy(w->chunk + w->filled, p, n);
        w->filled += n;
        p += n;
        len -= n;
    }
    return 0;
}

static int age_rewrite(struct sink *base, const void *data, size_t len, struct err *e)
{
    struct age_writer *w = (struct age_writer *)base;
    (void)e;
    CHECK(len <= SINK_REWRITE_MAX && len <= (w->first_len ? w->first_len : w->filled));
    memcpy(w->first_len ? w->first : w->chunk, data, len);
    return 0;
}

static int age_finish(struct sink *base, struct err *e)
{
    struct age_writer *w = (struct age_writer *)base;
    uint8_t nonce[12];
    bool only = w->stream.number == 0;
    age_nonce(w->stream.number, true, nonce);
    age_seal(w->stream.ctx, w->stream.key, nonce, w->chunk, w->filled, w->sealed);
    int r = w->below->write(w->below, w->sealed, w->filled + AGE_TAG, e);
    if (r == 0 && !only) {
        size_t head = w->header_len;
        uint8_t *front = xmalloc(AGE_CHUNK + AGE_TAG);
        age_nonce(0, false, nonce);
        age_seal(w->stream.ctx, w->stream.key, nonce, w->first, AGE_CHUNK, front);
        uint8_t *whole = xmalloc(head + AGE_CHUNK + AGE_TAG);
        memcpy(whole, w->header, head);
        memcpy(whole + head, front, AGE_CHUNK + AGE_TAG);
        r = w->below->rewrite(w->below, whole, head + AGE_CHUNK + AGE_TAG, e);
        free(whole);
        free(front);
    }
    return r < 0 ? r : w->below->finish(w->below, e);
}

static void age_writer_drop(struct sink *base)
{
    struct age_writer *w = (struct age_writer *)base;
    w->below->drop(w->below);
    EVP_CIPHER_CTX_free(w->stream.ctx);
    free(w->chunk);
    free(w->sealed);
    free(w->first);
    OPENSSL_cleanse(w, sizeof *w);
    free(w);
}

int age_sink(struct sink *below, const char *const *recipients, const char *passphrase,
    struct sink **out, struct err *e)
{
    struct age_writer *w = xcalloc(1, sizeof *w);
    w->base = (struct sink){age_write, age_rewrite, age_finish, age_writer_drop};
    w->below = below;
    w->stream.ctx = EVP_CIPHER_CTX_new();
    CHECK(w->stream.ctx && (passphrase || (recipients && recipients[0])));
    w->chunk = xmalloc(AGE_CHUNK);
    w->first = xmalloc(AGE_CHUNK);
    w->sealed = xmalloc(AGE_CHUNK + AGE_TAG);
    int r = make_header(w, recipients, passphrase, e);
    if (r == 0)
        r = below->write(below, w->header, w->header_len, e);
    if (r < 0) {
        age_writer_drop(&w->base);
        return r;
    }
    *out = &w->base;
    return 0;
}

void age_sink_file_key(struct sink *base, uint8_t key[static AGE_FILE_KEY])
{
    struct age_writer *w = (struct age_writer *)base;
    memcpy(key, w->file_key, AGE_FILE_KEY);
}
