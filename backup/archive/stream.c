/* Files as sinks and sources, hashed on the way. */
#include "backup/archive/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include "common/file.h"

/* Write-back is started in steps of this size and the written pages are dropped, so that a backup
 * of 5 GB neither floods the disk at its end nor drives the database out of the page cache. */
#define WRITE_BACK_STEP (8 * 1024 * 1024)

struct file_sink {
    struct sink base;
    int fd;
    const char *name;
    EVP_MD_CTX *hash;
    uint64_t total, started, dropped;
};

static int file_write(struct sink *base, const void *data, size_t len, struct err *e)
{
    struct file_sink *s = (struct file_sink *)base;
    int r = fd_write_all(s->fd, data, len, e);
    if (r < 0)
        return err_prefix(e, r, "cannot write %s", s->name);
    CHECK(EVP_DigestUpdate(s->hash, data, len));
    s->total += len;
    if (s->total - s->started >= WRITE_BACK_STEP) {
        sync_file_range(
            s->fd, (off64_t)s->started, (off64_t)(s->total - s->started), SYNC_FILE_RANGE_WRITE);
        posix_fadvise(
            s->fd, (off_t)s->dropped, (off_t)(s->started - s->dropped), POSIX_FADV_DONTNEED);
        s->dropped = s->started;
        s->started = s->total;
    }
    return 0;
}

static int file_rewrite(struct sink *base, const void *data, size_t len, struct err *e)
{
    struct file_sink *s = (struct file_sink *)base;
    CHECK(len <= s->total);
    for (size_t done = 0; done < len;) {
        ssize_t n = pwrite(s->fd, (const char *)data + done, len - done, (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, errno, "cannot write %s", s->name);
        done += (size_t)n;
    }
    return 0;
}

static int file_finish(struct sink *base, struct err *e)
{
    (void)base;
    (void)e;
    return 0;
}

static void file_sink_drop(struct sink *base)
{
    struct file_sink *s = (struct file_sink *)base;
    EVP_MD_CTX_free(s->hash);
    free(s);
}

struct sink *sink_file(int fd, const char *name)
{
    struct file_sink *s = xcalloc(1, sizeof *s);
    s->base = (struct sink){file_write, file_rewrite, file_finish, file_sink_drop};
    s->fd = fd;
    s->name = name;
    s->hash = EVP_MD_CTX_new();
    CHECK(s->hash && EVP_DigestInit_ex(s->hash, EVP_sha256(), NULL));
    return &s->base;
}

uint64_t sink_file_totals(struct sink *base, uint8_t sha256[static 32])
{
    struct file_sink *s = (struct file_sink *)base;
    CHECK(EVP_DigestFinal_ex(s->hash, sha256, NULL));
    return s->total;
}

struct file_source {
    struct source base;
    int fd;
    const char *name;
    EVP_MD_CTX *hash;
    uint64_t total, dropped;
};

static ssize_t file_source_read(struct source *base, void *buf, size_t len, struct err *e)
{
    struct file_source *s = (struct file_source *)base;
    ssize_t n;
    do
        n = read(s->fd, buf, len);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_sys(e, errno, "cannot read %s", s->name);
    CHECK(EVP_DigestUpdate(s->hash, buf, (size_t)n));
    s->total += (uint64_t)n;
    if (s->total - s->dropped >= WRITE_BACK_STEP) {
        posix_fadvise(
            s->fd, (off_t)s->dropped, (off_t)(s->total - s->dropped), POSIX_FADV_DONTNEED);
        s->dropped = s->total;
    }
    return n;
}

static void file_source_drop(struct source *base)
{
    struct file_source *s = (struct file_source *)base;
    EVP_MD_CTX_free(s->hash);
    free(s);
}

struct source *source_file(int fd, const char *name)
{
    struct file_source *s = xcalloc(1, sizeof *s);
    s->base = (struct source){file_source_read, file_source_drop};
    s->fd = fd;
    s->name = name;
    s->hash = EVP_MD_CTX_new();
    CHECK(s->hash && EVP_DigestInit_ex(s->hash, EVP_sha256(), NULL));
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return &s->base;
}

uint64_t source_file_totals(struct source *base, uint8_t sha256[static 32])
{
    struct file_source *s = (struct file_source *)base;
    CHECK(EVP_DigestFinal_ex(s->hash, sha256, NULL));
    return s->total;
}

ssize_t source_fill(struct source *s, void *buf, size_t len, struct err *e)
{
    size_t got = 0;
    while (got < len) {
        ssize_t n = s->read(s, (char *)buf + got, len - got, e);
        if (n < 0)
            return n;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}
