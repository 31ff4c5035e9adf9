/* The age format, version 1, reading. Strict, as its specification asks. */
#include "backup/archive/age.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "backup/archive/age_crypto.h"
#include "common/file.h"
#include "common/lang.h"

#define HEADER_MAX       16384
#define IDENTITY_MAX     50
#define IDENTITY_FILE    (64 * 1024)
#define STANZAS_MAX      60
#define SCRYPT_LOG_N_MAX 20 /* 1 GiB: more is an attack on memory, not a key */

struct age_reader {
    struct source base;
    struct source *below;
    EVP_CIPHER_CTX *ctx;
    uint8_t key[32];
    uint64_t number;
    uint8_t head[HEADER_MAX]; /* what was read ahead while looking for the end of the header */
    size_t head_pos, head_len;
    uint8_t *sealed, *clear;
    size_t clear_pos, clear_len;
    bool done;
};

/* What opens the file: one of these is set. */
struct keys {
    const uint8_t *file_key;
    const char *passphrase;
    uint8_t identities[IDENTITY_MAX][AGE_KEY_SIZE];
    size_t identity_count;
};

/* A recipient stanza: "-> " type and arguments, then the body's lines. */
struct stanza {
    const char *args;
    size_t args_len;
    const char *body;
    size_t body_len;
};

bool age_begins(int fd)
{
    static const char begin[] = "age-encryption.org/v";
    char got[sizeof begin - 1];
    return pread(fd, got, sizeof got, 0) == (ssize_t)sizeof got &&
           memcmp(got, begin, sizeof got) == 0;
}

static int broken(struct err *e, const char *what)
{
    return err_set(e, EBADMSG, "encrypted file (age): %s", what);
}

static ssize_t below_fill(struct age_reader *r, void *buf, size_t len, struct err *e)
{
    size_t ahead = r->head_len - r->head_pos, n = ahead < len ? ahead : len;
    memcpy(buf, r->head + r->head_pos, n);
    r->head_pos += n;
    if (n == len)
        return (ssize_t)n;
    ssize_t more = source_fill(r->below, (uint8_t *)buf + n, len - n, e);
    return more < 0 ? more : (ssize_t)n + more;
}

/* One line of the header, without its end. */
static bool next_line(struct age_reader *r, const char **line, size_t *len)
{
    const char *start = (const char *)r->head + r->head_pos;
    const char *end = memchr(start, '\n', r->head_len - r->head_pos);
    if (!end)
        return false;
    *line = start;
    *len = (size_t)(end - start);
    r->head_pos += *len + 1;
    return true;
}

static bool starts(const char *line, size_t len, const char *with)
{
    size_t n = strlen(with);
    return len >= n && memcmp(line, with, n) == 0;
}

static bool open_file_key(const uint8_t wrap[32], const struct stanza *s, uint8_t *file_key)
{
    static const uint8_t zero[12];
    uint8_t body[AGE_FILE_KEY + AGE_TAG];
    if (!age_base64_decode(s->body, s->body_len, body, sizeof body))
        return false;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    CHECK(ctx);
    bool good = age_open(ctx, wrap, zero, body, AGE_FILE_KEY, file_key);
    EVP_CIPHER_CTX_free(ctx);
    return good;
}

static bool try_x25519(const struct stanza *s, const struct keys *k, uint8_t *file_key)
{
    uint8_t share[32], shared[32], salt[64], wrap[32];
    if (!age_base64_decode(s->args, s->args_len, share, sizeof share))
        return false;
    for (size_t i = 0; i < k->identity_count; i++) {
        memcpy(salt, share, 32);
        age_public(k->identities[i], salt + 32);
        if (!age_shared(k->identities[i], share, shared))
            continue;
        age_hkdf(shared, 32, salt, sizeof salt, AGE_X25519_INFO, wrap);
        if (open_file_key(wrap, s, file_key))
            return true;
    }
    return false;
}

static bool try_scrypt(const struct stanza *s, const char *passphrase, uint8_t *file_key)
{
    uint8_t salt[16], wrap[32];
    const char *blank = memchr(s->args, ' ', s->args_len);
    if (!blank || !age_base64_decode(s->args, (size_t)(blank - s->args), salt, sizeof salt))
        return false;
    size_t digits = s->args_len - (size_t)(blank + 1 - s->args);
    if (digits < 1 || digits > 2 || blank[1] < '1' || blank[1] > '9')
        return false;
    unsigned log_n = (unsigned)(blank[1] - '0');
    if (digits == 2) {
        if (blank[2] < '0' || blank[2] > '9')
            return false;
        log_n = log_n * 10 + (unsigned)(blank[2] - '0');
    }
    return log_n <= SCRYPT_LOG_N_MAX && age_scrypt(passphrase, salt, log_n, wrap) == 0 &&
           open_file_key(wrap, s, file_key);
}

static int try_stanza(
    const struct stanza *s, const struct keys *k, size_t stanzas, uint8_t *file_key, bool *found)
{
    struct stanza args = *s;
    if (starts(s->args, s->args_len, "X25519 ") && !k->passphrase) {
        args.args += 7;
        args.args_len -= 7;
        *found = *found || try_x25519(&args, k, file_key);
    } else if (starts(s->args, s->args_len, "scrypt ")) {
        if (stanzas != 1)
            return -EBADMSG; /* a passphrase stands alone, or others could have made the file */
        args.args += 7;
        args.args_len -= 7;
        *found = *found || (k->passphrase && try_scrypt(&args, k->passphrase, file_key));
    }
    return 0;
}

/* Reads the stanzas up to the MAC's line; *file_key is filled in when *found. */
static int read_stanzas(struct age_reader *r, const struct keys *k, uint8_t *file_key, bool *found,
    const char **mac, size_t *mac_len, struct err *e)
{
    const char *line;
    size_t len, stanzas = 0;
    bool scrypt = false;
    if (!next_line(r, &line, &len) || !starts(line, len + 1, AGE_MAGIC))
        return broken(e, N_("it does not begin as one"));
    for (;;) {
        if (!next_line(r, &line, &len))
            return broken(e, N_("its header is cut off"));
        if (starts(line, len, "--- ")) {
            *mac = line;
            *mac_len = len;
            return stanzas > 0 ? 0 : broken(e, N_("its header has no recipient"));
        }
        if (!starts(line, len, "-> ") || ++stanzas > STANZAS_MAX || scrypt)
            return broken(e, N_("its header is damaged"));
        struct stanza s = {line + 3, len - 3, NULL, 0};
        scrypt = starts(s.args, s.args_len, "scrypt ");
        /* Our two kinds have one short body line; others may have more, ended by a short one. */
        do {
            if (!next_line(r, &line, &len) || len > 64)
                return broken(e, N_("its header is damaged"));
            if (!s.body) {
                s.body = line;
                s.body_len = len;
            }
        } while (len == 64);
        if (!k->file_key && try_stanza(&s, k, stanzas, file_key, found) < 0)
            return broken(e, N_("its header is damaged"));
    }
}

static int read_header(struct age_reader *r, const struct keys *k, struct err *e)
{
    uint8_t file_key[AGE_FILE_KEY], mac_key[32], mac[32], want[32], nonce[16];
    const char *mac_line = NULL;
    size_t mac_len = 0;
    bool found = false;
    ssize_t n = source_fill(r->below, r->head, sizeof r->head, e);
    if (n < 0)
        return (int)n;
    r->head_len = (size_t)n;
    int x = read_stanzas(r, k, file_key, &found, &mac_line, &mac_len, e);
    if (x < 0 || !mac_line)
        return x;
    if (k->file_key) {
        memcpy(file_key, k->file_key, sizeof file_key);
    } else if (!found) {
        err_set(e, EACCES, "%s",
            k->passphrase
                ? N_("the archive is encrypted, and the passphrase does not open it")
                : N_("the archive is encrypted, and no identity given opens it ([archive] identity_file)"));
        return AGE_LOCKED;
    }
    size_t text_len = (size_t)(mac_line - (const char *)r->head) + 3;
    age_hkdf(file_key, AGE_FILE_KEY, NULL, 0, "header", mac_key);
    age_hmac(mac_key, (const char *)r->head, text_len, want);
    if (!age_base64_decode(mac_line + 4, mac_len - 4, mac, sizeof mac) ||
        CRYPTO_memcmp(mac, want, sizeof mac) != 0)
        return broken(e, N_("its header is damaged (MAC)"));
    if (below_fill(r, nonce, sizeof nonce, e) != sizeof nonce)
        return broken(e, N_("it is cut off behind its header"));
    age_hkdf(file_key, AGE_FILE_KEY, nonce, sizeof nonce, "payload", r->key);
    OPENSSL_cleanse(file_key, sizeof file_key);
    return 0;
}

/* Opens the next chunk. The last one is known by its flag: tried first when the chunk is short. */
static int next_chunk(struct age_reader *r, struct err *e)
{
    uint8_t nonce[12], extra;
    ssize_t n = below_fill(r, r->sealed, AGE_CHUNK + AGE_TAG, e);
    if (n < 0)
        return (int)n;
    if (n < AGE_TAG || (n == AGE_TAG && r->number > 0))
        return broken(e, N_("it is cut off"));
    size_t len = (size_t)n - AGE_TAG;
    bool last = len < AGE_CHUNK;
    age_nonce(r->number, last, nonce);
    bool good = age_open(r->ctx, r->key, nonce, r->sealed, len, r->clear);
    if (!good && !last) {
        last = true;
        age_nonce(r->number, true, nonce);
        good = age_open(r->ctx, r->key, nonce, r->sealed, len, r->clear);
    }
    if (!good)
        return err_set(e, EBADMSG, "encrypted file (age): block %llu is damaged or cut off",
            (unsigned long long)r->number + 1);
    if (last && below_fill(r, &extra, 1, e) != 0)
        return broken(e, N_("something follows its end"));
    r->number++;
    r->done = last;
    r->clear_pos = 0;
    r->clear_len = len;
    return 0;
}

static ssize_t age_read(struct source *base, void *buf, size_t len, struct err *e)
{
    struct age_reader *r = (struct age_reader *)base;
    while (r->clear_pos == r->clear_len) {
        if (r->done)
            return 0;
        int x = next_chunk(r, e);
        if (x < 0)
            return x;
    }
    size_t have = r->clear_len - r->clear_pos, n = have < len ? have : len;
    memcpy(buf, r->clear + r->clear_pos, n);
    r->clear_pos += n;
    return (ssize_t)n;
}

static void age_reader_drop(struct source *base)
{
    struct age_reader *r = (struct age_reader *)base;
    EVP_CIPHER_CTX_free(r->ctx);
    if (r->clear)
        OPENSSL_cleanse(r->clear, AGE_CHUNK);
    free(r->sealed);
    free(r->clear);
    OPENSSL_cleanse(r, sizeof *r);
    free(r);
}

static int open_with(struct source *below, const struct keys *k, struct source **out, struct err *e)
{
    struct age_reader *r = xcalloc(1, sizeof *r);
    r->base = (struct source){age_read, age_reader_drop};
    r->below = below;
    int x = read_header(r, k, e);
    if (x != 0) {
        age_reader_drop(&r->base);
        return x;
    }
    r->ctx = EVP_CIPHER_CTX_new();
    CHECK(r->ctx);
    r->sealed = xmalloc(AGE_CHUNK + AGE_TAG);
    r->clear = xmalloc(AGE_CHUNK);
    *out = &r->base;
    return 0;
}

static int read_identities(const char *path, struct keys *k, struct err *e)
{
    char *text, *rest;
    size_t len;
    int r = file_check_private(path, e);
    if (r == 0)
        r = file_read(path, IDENTITY_FILE, &text, &len, e);
    if (r < 0)
        return r;
    for (char *line = strtok_r(text, "\r\n", &rest); line && r == 0;
         line = strtok_r(NULL, "\r\n", &rest)) {
        line += strspn(line, " \t");
        if (*line == '#' || *line == 0)
            continue;
        if (k->identity_count == IDENTITY_MAX)
            r = err_set(e, EINVAL, "more than %d identities", IDENTITY_MAX);
        else
            r = age_identity_parse(line, k->identities[k->identity_count++], e);
    }
    if (r == 0 && k->identity_count == 0)
        r = err_set(e, EINVAL, "no identity in it");
    OPENSSL_cleanse(text, len);
    free(text);
    return r < 0 ? err_prefix(e, r, "identity file %s", path) : 0;
}

int age_source(struct source *below, const char *identity_file, const char *passphrase,
    struct source **out, struct err *e)
{
    _cleanup_free_ struct keys *k = xcalloc(1, sizeof *k);
    int r = 0;
    k->passphrase = passphrase;
    if (!passphrase && !identity_file) {
        err_set(e, EACCES,
            "the archive is encrypted; say with which identity it can be opened ([archive] identity_file)");
        r = AGE_LOCKED;
    }
    if (r == 0 && !passphrase)
        r = read_identities(identity_file, k, e);
    if (r == 0)
        r = open_with(below, k, out, e);
    OPENSSL_cleanse(k, sizeof *k);
    return r;
}

int age_source_with_key(struct source *below, const uint8_t key[static AGE_FILE_KEY],
    struct source **out, struct err *e)
{
    struct keys k = {.file_key = key};
    return open_with(below, &k, out, e);
}
