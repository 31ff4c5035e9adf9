#include "backup/job/binlog/open_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>
#include <unistd.h>
#include "backup/archive/age.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/hex.h"

#define OWN_KEY "binlog-open.key" /* in state_dir: SHA-256 of the path, and the key */
#define PIECE   65536u
#define BLOCK   64u /* of ChaCha20 */

bool open_file_wanted_enciphered(const struct archive_settings *a)
{
    return (a->pack.recipients && a->pack.recipients[0]) || a->pack.passphrase;
}

/* Enciphers or deciphers in place what stands at that place. */
static void crypt_at(const uint8_t key[static OPEN_FILE_KEY], uint64_t at, uint8_t *data, size_t n)
{
    uint8_t iv[16] = {0}, skipped[BLOCK] = {0};
    uint64_t block = at / BLOCK;
    int len;
    for (size_t i = 0; i < 8; i++) /* 32 bits of counter, and the nonce, which is no other's */
        iv[i] = (uint8_t)(block >> (8 * i));
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    CHECK(ctx && EVP_EncryptInit_ex(ctx, EVP_chacha20(), NULL, key, iv));
    if (at % BLOCK)
        CHECK(EVP_EncryptUpdate(ctx, skipped, &len, skipped, (int)(at % BLOCK)));
    for (size_t done = 0; done < n; done += (size_t)len)
        CHECK(EVP_EncryptUpdate(
            ctx, data + done, &len, data + done, (int)(n - done < PIECE ? n - done : PIECE)));
    EVP_CIPHER_CTX_free(ctx);
}

/* --- its key --- */

static char *key_beside(const char *path)
{
    return xasprintf("%s.key.age", path);
}

static int write_beside(struct run *r, const struct open_file *f, struct err *e)
{
    _cleanup_free_ char *name = key_beside(f->path);
    _cleanup_fd_ int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_sys(e, errno, "cannot make %s", name);
    struct sink *file = sink_file(fd, name), *top = NULL;
    int code = age_sink(file, r->a.pack.recipients, r->a.pack.passphrase, &top, e);
    if (code < 0)
        return code;
    code = top->write(top, f->key, sizeof f->key, e);
    if (code == 0)
        code = top->finish(top, e);
    top->drop(top);
    if (code == 0 && fsync(fd) < 0)
        code = err_sys(e, errno, "cannot sync %s", name);
    return code;
}

struct own_key {
    char path[SHA256_HEX_LEN]; /* SHA-256 of the open file's */
    uint8_t key[OPEN_FILE_KEY];
};

static int write_own(const struct open_file *f, struct err *e)
{
    struct own_key own;
    memcpy(own.key, f->key, sizeof own.key);
    hex_sha256(f->path, strlen(f->path), own.path);
    int code = file_publish(f->own_key, &own, sizeof own, 0600, e);
    OPENSSL_cleanse(&own, sizeof own);
    return code;
}

static int read_own(struct open_file *f, struct err *e)
{
    char *text = NULL, path[SHA256_HEX_LEN];
    size_t len = 0;
    hex_sha256(f->path, strlen(f->path), path);
    int code = file_read(f->own_key, sizeof(struct own_key), &text, &len, e);
    if (code < 0 && code != -ENOENT)
        return code;
    const struct own_key *own = (const struct own_key *)(const void *)text;
    bool ours = text && len == sizeof *own && memcmp(own->path, path, sizeof path) == 0;
    if (ours)
        memcpy(f->key, own->key, sizeof f->key);
    if (text)
        OPENSSL_cleanse(text, len);
    free(text);
    if (ours)
        return 0;
    return err_outcome(e, EXIT_REFUSED, ENOKEY,
        "the key of %s is not on this machine any more; only an identity opens it", f->path);
}

static int read_beside(const struct archive_settings *a, struct open_file *f, struct err *e)
{
    _cleanup_free_ char *name = key_beside(f->path);
    _cleanup_fd_ int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    uint8_t more;
    if (fd < 0)
        return err_sys(e, errno, "cannot open %s", name);
    struct source *file = source_file(fd, name), *top = NULL;
    int code = age_source(file, a->identity_file, a->passphrase, &top, e);
    if (code == 0) {
        ssize_t n = source_fill(top, f->key, sizeof f->key, e);
        ssize_t rest = n < 0 ? n : source_fill(top, &more, 1, e);
        if (rest < 0)
            code = (int)rest;
        else if (n != sizeof f->key || rest != 0)
            code = err_set(e, EBADMSG, "%s holds no key", name);
        top->drop(top);
    }
    file->drop(file);
    return code;
}

/* --- the file --- */

static struct open_file named(struct run *r, const char *path, bool enciphered)
{
    struct open_file f = {.fd = -1, .path = xstrdup(path), .enciphered = enciphered};
    if (r)
        f.own_key = xasprintf("%s/" OWN_KEY, r->s.state_dir);
    return f;
}

static int done(struct open_file *f, int code, struct open_file *out)
{
    if (code == 0)
        *out = *f;
    else
        open_file_close(f);
    return code;
}

/* The key first: without it nothing that is written could ever be read. */
int open_file_make(
    struct run *r, const char *path, bool enciphered, struct open_file *out, struct err *e)
{
    struct open_file f = named(r, path, enciphered);
    int code = 0;
    open_file_sweep(path);
    if (enciphered) {
        CHECK(RAND_bytes(f.key, sizeof f.key) == 1);
        code = write_own(&f, e);
        if (code == 0)
            code = write_beside(r, &f, e);
    }
    if (code == 0) {
        f.fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        code = f.fd < 0 ? err_sys(e, errno, "cannot make %s", path) : file_sync_parent(path, e);
    }
    return done(&f, code, out);
}

static int open_at(struct open_file *f, int flags, struct err *e)
{
    f->fd = open(f->path, flags | O_CLOEXEC | O_NOFOLLOW);
    return f->fd < 0 ? err_sys(e, errno, "cannot open %s", f->path) : 0;
}

int open_file_resume(
    struct run *r, const char *path, bool enciphered, struct open_file *out, struct err *e)
{
    struct open_file f = named(r, path, enciphered);
    int code = open_at(&f, O_RDWR, e);
    if (code == 0 && enciphered)
        code = read_own(&f, e);
    return done(&f, code, out);
}

int open_file_read_only(const struct archive_settings *a, const char *path, bool enciphered,
    struct open_file *out, struct err *e)
{
    struct open_file f = named(NULL, path, enciphered);
    int code = open_at(&f, O_RDONLY, e);
    if (code == 0 && enciphered)
        code = read_beside(a, &f, e);
    return done(&f, code, out);
}

int open_file_write(struct open_file *f, const void *data, size_t n, uint64_t at, struct err *e)
{
    uint8_t piece[PIECE];
    const uint8_t *p = data;
    for (size_t ready = 0; ready < n;) {
        size_t len = n - ready < sizeof piece ? n - ready : sizeof piece;
        memcpy(piece, p + ready, len);
        if (f->enciphered)
            crypt_at(f->key, at + ready, piece, len);
        for (size_t put = 0; put < len;) {
            ssize_t k = pwrite(f->fd, piece + put, len - put, (off_t)(at + ready + put));
            if (k < 0 && errno == EINTR)
                continue;
            if (k <= 0)
                return err_sys(e, k < 0 ? errno : EIO, "cannot write %s", f->path);
            put += (size_t)k;
        }
        ready += len;
    }
    return 0;
}

ssize_t open_file_read(const struct open_file *f, void *buf, size_t n, uint64_t at, struct err *e)
{
    ssize_t k = pread(f->fd, buf, n, (off_t)at);
    if (k < 0)
        return err_sys(e, errno, "cannot read %s", f->path);
    if (f->enciphered)
        crypt_at(f->key, at, buf, (size_t)k);
    return k;
}

void open_file_sweep(const char *path)
{
    _cleanup_free_ char *key = key_beside(path);
    (void)unlink(path);
    (void)unlink(key);
}

int open_file_remove(const struct open_file *f, struct err *e)
{
    _cleanup_free_ char *key = key_beside(f->path);
    if (unlink(f->path) < 0 || (f->enciphered && unlink(key) < 0 && errno != ENOENT))
        return err_sys(e, errno, "cannot remove %s", f->path);
    if (f->enciphered && f->own_key)
        (void)unlink(f->own_key);
    return 0;
}

void open_file_close(struct open_file *f)
{
    cleanup_fd(&f->fd);
    free(f->path);
    free(f->own_key);
    OPENSSL_cleanse(f->key, sizeof f->key);
    *f = (struct open_file){.fd = -1};
}
