#include "backup/job/binlog/closing.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "backup/archive/age.h"
#include "backup/archive/gzip_write.h"
#include "backup/archive/parse.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/hex.h"

#define CHUNK (1u << 20)

/* --- writing --- */

static int compress(
    struct run *r, const struct open_file *from, uint64_t bytes, struct sink *sink, struct err *e)
{
    const struct deflate_backend *backend = deflate_fastest();
    _cleanup_free_ uint8_t *buf = xmalloc(CHUNK);
    int code = 0;
    struct gzip_writer *gzip = gzip_write_open(
        sink, backend, deflate_level(backend, r->a.pack.level), 1, NULL, NULL);
    for (uint64_t at = 0; code == 0 && at < bytes;) {
        size_t want = bytes - at < CHUNK ? (size_t)(bytes - at) : CHUNK;
        ssize_t n = open_file_read(from, buf, want, at, e);
        if (n <= 0) {
            code = n < 0 ? (int)n
                         : err_set(e, EIO, "an open segment is shorter than its index says");
            break;
        }
        code = gzip_write_data(gzip, buf, (size_t)n, e);
        at += (uint64_t)n;
    }
    if (code == 0)
        code = gzip_write_finish(gzip, NULL, e); /* and the sink's */
    gzip_write_drop(gzip);
    return code;
}

struct written {
    uint8_t key[AGE_FILE_KEY]; /* of this one file, to read it back */
};

static int write_file(struct run *r, const struct open_file *from, uint64_t bytes, int to,
    const char *name, bool encrypted, struct written *w, struct err *e)
{
    struct sink *file = sink_file(to, name), *top = file;
    int code = 0;
    if (encrypted) {
        code = age_sink(file, r->a.pack.recipients, r->a.pack.passphrase, &top, e);
        if (code < 0)
            return code;
        age_sink_file_key(top, w->key);
    }
    code = compress(r, from, bytes, top, e);
    top->drop(top);
    return code < 0 ? code : code == 0 ? 0 : err_set(e, EIO, "cannot compress %s", name);
}

/* --- reading --- */

struct reading {
    EVP_MD_CTX *sha;
    uint64_t bytes;
};

/* How many bytes a segment has is known, so that nothing can ask for more. */
static int take_inflated(const struct parse_frame *f, const struct binlog_segment *s,
    struct reading *g, binlog_bytes_fn *fn, void *ctx, struct err *e)
{
    if (f->kind != PARSE_DATA)
        return err_set(e, EBADMSG, "the program that unpacks it gave no proper answer");
    g->bytes += f->n;
    if (g->bytes > s->to - s->from)
        return err_set(e, EBADMSG, "%s holds more than its index says", s->stored);
    CHECK(EVP_DigestUpdate(g->sha, f->data, f->n));
    return fn ? fn(ctx, f->data, f->n, e) : 0;
}

static int inflate_all(struct source *source, const struct binlog_segment *s, struct reading *g,
    binlog_bytes_fn *fn, void *ctx, struct err *e)
{
    struct parse_options as = {.as = PARSE_GZIP, .second_opinion = true, .threads = 1};
    struct parse_frame f = {.kind = PARSE_DATA};
    struct parser *p = NULL;
    int code = parser_start(&as, source, &p, e), given = 0;
    while (code == 0 && given == 0 && (code = parser_next(p, &f, e)) == 0 && f.kind != PARSE_END)
        given = take_inflated(&f, s, g, fn, ctx, e);
    parser_drop(p);
    return given != 0 ? given : code == PARSE_BROKEN ? -EBADMSG : code;
}

static int read_open(const struct open_file *f, const struct binlog_segment *s, struct reading *g,
    binlog_bytes_fn *fn, void *ctx, struct err *e)
{
    _cleanup_free_ uint8_t *buf = xmalloc(CHUNK);
    while (g->bytes < s->to - s->from) {
        uint64_t left = s->to - s->from - g->bytes;
        ssize_t n = open_file_read(f, buf, left < CHUNK ? (size_t)left : CHUNK, g->bytes, e);
        if (n <= 0)
            return n < 0 ? (int)n
                         : err_set(e, EBADMSG, "%s is shorter than its index says", s->stored);
        g->bytes += (uint64_t)n;
        CHECK(EVP_DigestUpdate(g->sha, buf, (size_t)n));
        int code = fn ? fn(ctx, buf, (size_t)n, e) : 0;
        if (code != 0)
            return code;
    }
    return 0;
}

static int check_sum(struct reading *g, const struct binlog_segment *s, struct err *e)
{
    uint8_t sum[32];
    char text[SHA256_HEX_LEN];
    CHECK(EVP_DigestFinal_ex(g->sha, sum, NULL));
    hex_text(sum, 32, text);
    if (g->bytes != s->to - s->from || strcmp(text, s->sha256) != 0)
        return err_set(e, EBADMSG, "%s is not what was written (SHA-256 differs)", s->stored);
    return 0;
}

/* key: of a file that was just written; NULL = identity or passphrase. */
static int read_closed(const struct archive_settings *a, int fd, const struct binlog_segment *s,
    const uint8_t *key, struct reading *g, binlog_bytes_fn *fn, void *ctx, struct err *e)
{
    struct source *file = source_file(fd, s->stored), *top = file;
    int code = 0;
    if (s->encrypted)
        code = key ? age_source_with_key(file, key, &top, e)
                   : age_source(file, a->identity_file, a->passphrase, &top, e);
    if (code == 0)
        code = inflate_all(top, s, g, fn, ctx, e);
    else
        top = file;
    if (top != file)
        top->drop(top);
    file->drop(file);
    return code;
}

static struct reading begin_reading(void)
{
    struct reading g = {.sha = EVP_MD_CTX_new()};
    CHECK(g.sha && EVP_DigestInit_ex(g.sha, EVP_sha256(), NULL));
    return g;
}

static int end_reading(struct reading *g, const struct binlog_segment *s, int code, struct err *e)
{
    if (code == 0)
        code = check_sum(g, s, e);
    EVP_MD_CTX_free(g->sha);
    return code;
}

static int read_file(const struct archive_settings *a, const char *path,
    const struct binlog_segment *s, struct reading *g, binlog_bytes_fn *fn, void *ctx,
    struct err *e)
{
    struct open_file f;
    if (s->open) {
        int code = open_file_read_only(a, path, s->encrypted, &f, e);
        if (code != 0)
            return code;
        code = read_open(&f, s, g, fn, ctx, e);
        open_file_close(&f);
        return code;
    }
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_sys(e, errno, "cannot open %s", path);
    return read_closed(a, fd, s, NULL, g, fn, ctx, e);
}

int binlog_read_segment(const struct archive_settings *a, const struct binlog_catalog *c,
    const struct binlog_segment *s, binlog_bytes_fn *fn, void *ctx, struct err *e)
{
    _cleanup_free_ char *path = binlog_catalog_path(c, s, s->stored);
    struct reading g = begin_reading();
    int code = read_file(a, path, s, &g, fn, ctx, e);
    code = end_reading(&g, s, code, e);
    if (code == AGE_LOCKED && s->encrypted)
        return EXIT_REFUSED;
    return code == -EBADMSG ? EXIT_INCONSISTENT : code;
}

/* --- closing --- */

static int sum_of(int fd, const char *name, struct binlog_segment *s, struct err *e)
{
    uint8_t sum[32];
    _cleanup_free_ uint8_t *buf = xmalloc(CHUNK);
    ssize_t n;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return err_sys(e, errno, "cannot read %s", name);
    struct source *file = source_file(fd, name);
    while ((n = file->read(file, buf, CHUNK, e)) > 0)
        ;
    s->stored_bytes = source_file_totals(file, sum);
    file->drop(file);
    hex_text(sum, 32, s->stored_sha256);
    return n < 0 ? (int)n : 0;
}

static int read_back(
    struct run *r, int fd, const struct binlog_segment *s, const uint8_t *key, struct err *e)
{
    struct reading g = begin_reading();
    int code = read_closed(&r->a, fd, s, key, &g, NULL, NULL, e);
    return end_reading(&g, s, code, e);
}

static int write_and_read_back(struct run *r, const struct open_file *from, int to,
    const char *part, struct binlog_segment *s, struct err *e)
{
    struct written w = {{0}};
    int code = write_file(r, from, s->to - s->from, to, part, s->encrypted, &w, e);
    if (code == 0 && fsync(to) < 0)
        code = err_sys(e, errno, "cannot sync %s", part);
    if (code == 0)
        code = sum_of(to, part, s, e);
    if (code == 0 && lseek(to, 0, SEEK_SET) < 0)
        code = err_sys(e, errno, "cannot read %s", part);
    if (code == 0)
        code = read_back(r, to, s, w.key, e);
    explicit_bzero(&w, sizeof w);
    return code;
}

int binlog_close_segment(struct run *r, const char *dir, const struct open_file *file,
    struct binlog_segment *s, char digest[static SHA256_HEX_LEN], struct err *e)
{
    struct binlog_segment closed = *s;
    closed.open = false;
    closed.encrypted = open_file_wanted_enciphered(&r->a);
    binlog_segment_name(&closed, closed.encrypted ? ".gz.age" : ".gz", closed.stored);
    _cleanup_free_ char *final = xasprintf("%s/%s", dir, closed.stored);
    _cleanup_free_ char *part = xasprintf("%s/.%s.part", dir, closed.stored);
    _cleanup_fd_ int to = open(part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (to < 0)
        return err_sys(e, errno, "cannot make %s", part);
    int code = write_and_read_back(r, file, to, part, &closed, e);
    if (code == 0)
        code = file_rename_durable(part, final, e);
    else
        (void)unlink(part);
    if (code == 0)
        code = binlog_catalog_publish(dir, &closed, &r->trust, true, digest, e);
    if (code != 0)
        return code < 0 ? code : err_prefix(e, -EIO, "a segment could not be closed");
    code = open_file_remove(file, e);
    if (code == 0)
        *s = closed;
    return code;
}

int binlog_check_segment(const struct archive_settings *a, const struct binlog_catalog *c,
    const struct binlog_segment *s, struct err *e)
{
    struct binlog_segment now = {.timeline = s->timeline};
    if (!s->encrypted || a->identity_file || a->passphrase)
        return binlog_read_segment(a, c, s, NULL, NULL, e);
    _cleanup_free_ char *path = binlog_catalog_path(c, s, s->stored);
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_sys(e, errno, "cannot open %s", path);
    int code = sum_of(fd, path, &now, e);
    if (code == 0 &&
        (now.stored_bytes != s->stored_bytes || strcmp(now.stored_sha256, s->stored_sha256) != 0))
        code = err_set(e, EBADMSG, "it is not what was written (SHA-256 differs)");
    return code;
}
