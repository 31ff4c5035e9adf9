/* Writing an archive: opening, closing, streams. */
#include "backup/archive/pack_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/hex.h"
#include "common/utf8.h"

#define PROGRESS_MS 100
#define WAIT_MS     20

/* ---- progress, rate, stopping ---- */

void pack_tell(struct pack *p)
{
    if (!p->o.progress)
        return;
    struct pack_progress now = pack_totals(p);
    p->o.progress(p->o.ctx, &now);
    p->next_progress_ms = clock_mono_ms() + PROGRESS_MS;
}

static bool may_go_on(struct pack *p)
{
    return !p->o.go_on || p->o.go_on(p->o.ctx);
}

int pack_tick(struct pack *p, uint64_t bytes)
{
    p->bytes += bytes;
    if (!may_go_on(p))
        return PACK_STOPPED;
    if (clock_mono_ms() >= p->next_progress_ms)
        pack_tell(p);
    if (p->o.rate == 0)
        return 0;
    if (p->rate_start_ns == 0)
        p->rate_start_ns = clock_mono_ns();
    p->rate_bytes += bytes;
    for (;;) {
        double due = (double)p->rate_bytes / (double)p->o.rate * 1e9;
        double ahead = due - (double)(clock_mono_ns() - p->rate_start_ns);
        if (ahead <= 0)
            return 0;
        struct timespec ts = {0, ahead < WAIT_MS * 1e6 ? (long)ahead : WAIT_MS * 1000000L};
        nanosleep(&ts, NULL);
        if (!may_go_on(p))
            return PACK_STOPPED;
    }
}

struct pack_progress pack_totals(const struct pack *p)
{
    return (struct pack_progress){.bytes_in = p->bytes,
        .bytes_out = p->gzip ? gzip_write_out(p->gzip) : 0,
        .files = p->files,
        .path = p->path ? p->path : "",
        .phase = p->phase};
}

const char *pack_file_name(const struct pack *p)
{
    return p->name;
}

/* ---- libarchive onto our gzip ---- */

static la_ssize_t tar_write(struct archive *a, void *ctx, const void *data, size_t len)
{
    struct pack *p = ctx;
    if (p->given_up)
        return (la_ssize_t)len;
    p->tar_result = gzip_write_data(p->gzip, data, len, &p->tar_error);
    if (p->tar_result == 0)
        return (la_ssize_t)len;
    archive_set_error(a, EIO, "not written");
    return -1;
}

int pack_tar_check(struct pack *p, int result, struct err *e)
{
    if (p->tar_result < 0 && e)
        *e = p->tar_error;
    if (p->tar_result != 0)
        return p->tar_result == GZIP_STOPPED ? PACK_STOPPED : p->tar_result;
    /* A warning is about a name that is no UTF-8: stored byte for byte, as it should be. */
    if (result == ARCHIVE_OK || result == ARCHIVE_WARN)
        return 0;
    const char *why = archive_error_string(p->tar);
    return err_set(e, EIO, "tar: %s: %s", p->path ? p->path : "", why ? why : "failed");
}

int pack_tar_open(struct pack *p, struct err *e)
{
    if (p->tar)
        return 0;
    p->tar = archive_write_new();
    CHECK(p->tar);
    CHECK(archive_write_set_format_pax_restricted(p->tar) == ARCHIVE_OK);
    CHECK(archive_write_set_bytes_per_block(p->tar, 0) == ARCHIVE_OK);
    int r = archive_write_open(p->tar, p, NULL, tar_write, NULL);
    return pack_tar_check(p, r, e);
}

/* ---- open ---- */

static int spool_open(struct pack *p, struct err *e)
{
    struct spool *s = &p->spool;
    s->fd = openat(p->dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (s->fd < 0)
        return err_sys(e, errno, "cannot make a temporary file in %s", p->folder);
    s->sink = sink_file(s->fd, "the list of files");
    s->encrypted = p->encrypted;
    if (!s->encrypted)
        return 0;
    struct sink *below = s->sink;
    s->sink = NULL;
    int r = age_sink(below, p->o.recipients, p->o.passphrase, &s->sink, e);
    if (r == 0)
        age_sink_file_key(s->sink, s->key);
    return r;
}

int pack_spool(struct pack *p, const struct manifest_entry *en, struct err *e)
{
    char *text = manifest_entry_text(en);
    struct sink *s = p->spool.sink;
    if (en->type == ENTRY_FILE && !en->replaced)
        p->content_bytes += en->size;
    int r = p->spool.any ? s->write(s, ",\n", 2, e) : 0;
    if (r == 0)
        r = s->write(s, text, strlen(text), e);
    p->spool.any = true;
    free(text);
    return r;
}

/* Neither the archive nor its manifest may be there: a suffix is used once. */
static int check_free(struct pack *p, struct err *e)
{
    struct archive_name n = {.kind = ARCHIVE_NAME_ARCHIVE};
    char name[ARCHIVE_NAME_LEN];
    memcpy(n.type, p->type, sizeof n.type);
    memcpy(n.run, p->run, sizeof n.run);
    for (int i = 0; i < 4; i++) {
        n.kind = i & 1 ? ARCHIVE_NAME_MANIFEST : ARCHIVE_NAME_ARCHIVE;
        n.encrypted = i & 2;
        if (faccessat(p->dirfd, archive_name_format(&n, name), F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return err_set(e, EEXIST, "%s/%s is there already", p->folder, name);
    }
    n.kind = ARCHIVE_NAME_ARCHIVE;
    n.encrypted = p->encrypted;
    archive_name_format(&n, p->name);
    n.part = true;
    archive_name_format(&n, p->part);
    return 0;
}

static int create_part(struct pack *p, struct err *e)
{
    p->fd = openat(p->dirfd, p->part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (p->fd < 0)
        return err_sys(e, errno, "cannot make %s/%s", p->folder, p->part);
    p->created = true;
    p->file_sink = sink_file(p->fd, p->name);
    p->sink = p->file_sink;
    if (!p->encrypted)
        return 0;
    p->sink = NULL;
    return age_sink(p->file_sink, p->o.recipients, p->o.passphrase, &p->sink, e);
}

static int open_in_folder(struct pack *p, struct err *e)
{
    p->dirfd = open(p->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (p->dirfd < 0)
        return err_sys(e, errno, "cannot open the backup folder %s", p->folder);
    int r = check_free(p, e);
    if (r == 0)
        r = spool_open(p, e);
    if (r == 0)
        r = create_part(p, e);
    return r;
}

int pack_open(const struct pack_options *o, struct pack **out, struct err *e)
{
    if (!archive_type_valid(o->type) || !run_suffix_valid(o->run))
        return err_set(e, EINVAL, "\"%s\" or \"%s\" cannot be part of an archive's name",
            UTF8_SHORT(o->type, 60), UTF8_SHORT(o->run, 30));
    struct pack *p = xcalloc(1, sizeof *p);
    p->dirfd = p->fd = p->spool.fd = -1;
    p->o = *o;
    p->folder = xstrdup(o->folder);
    snprintf(p->type, sizeof p->type, "%s", o->type);
    snprintf(p->run, sizeof p->run, "%s", o->run);
    p->backend = o->backend ? o->backend : deflate_fastest();
    p->encrypted = o->recipients || o->passphrase;
    p->phase = "copy";
    p->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    p->buf = xmalloc(PACK_STEP);
    int r = open_in_folder(p, e);
    if (r < 0) {
        pack_drop(p);
        return r;
    }
    p->gzip = gzip_write_open(p->sink, p->backend, o->level, o->threads, o->go_on, o->ctx);
    *out = p;
    return 0;
}

/* ---- streams ---- */

static void octal(char *field, size_t size, uint64_t v)
{
    snprintf(field, size, "%0*" PRIo64, (int)size - 1, v);
}

/* A ustar header by hand, since its size is known only after the content. Above 8 GiB the size is
 * in base 256, which GNU tar, bsdtar, busybox and Python all read. */
static void ustar_header(uint8_t h[512], const char *name, uint64_t size, int64_t mtime)
{
    unsigned sum = 0;
    char *c = (char *)h;
    memset(h, 0, 512);
    memcpy(c, name, strlen(name));
    octal(c + 100, 8, 0600);
    octal(c + 108, 8, 0);
    octal(c + 116, 8, 0);
    if (size < UINT64_C(1) << 33) {
        octal(c + 124, 12, size);
    } else {
        h[124] = 0x80;
        for (int i = 0; i < 8; i++)
            h[135 - i] = (uint8_t)(size >> 8 * i);
    }
    octal(c + 136, 12, (uint64_t)mtime);
    memset(c + 148, ' ', 8);
    c[156] = '0';
    memcpy(c + 257, "ustar\00000", 8);
    for (int i = 0; i < 512; i++)
        sum += h[i];
    snprintf(c + 148, 8, "%06o", sum);
}

/* How many bytes came, 0 at the end; PACK_STOPPED goes into *outcome. */
static ssize_t stream_read(struct pack *p, int fd, int *outcome, struct err *e)
{
    for (;;) {
        struct pollfd poll_fd = {fd, POLLIN, 0};
        if (poll(&poll_fd, 1, WAIT_MS) > 0) {
            ssize_t n = read(fd, p->buf, PACK_STEP);
            if (n >= 0)
                return n;
            if (errno != EINTR && errno != EAGAIN)
                return err_sys(e, errno, "cannot read what is to become %s", p->path);
        }
        if (!may_go_on(p)) {
            *outcome = PACK_STOPPED;
            return 0;
        }
    }
}

static int stream_copy(struct pack *p, int fd, struct manifest_entry *en, struct err *e)
{
    static const uint8_t zeros[512];
    uint8_t sum[32];
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    CHECK(hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL));
    int r = 0;
    while (r == 0) {
        ssize_t n = stream_read(p, fd, &r, e);
        if (n <= 0) {
            r = n < 0 ? (int)n : r;
            break;
        }
        CHECK(EVP_DigestUpdate(hash, p->buf, (size_t)n));
        en->size += (uint64_t)n;
        r = gzip_write_data(p->gzip, p->buf, (size_t)n, e);
        if (r == 0)
            r = pack_tick(p, (uint64_t)n);
    }
    if (r == 0 && en->size % 512 != 0)
        r = gzip_write_data(p->gzip, zeros, 512 - en->size % 512, e);
    CHECK(EVP_DigestFinal_ex(hash, sum, NULL));
    EVP_MD_CTX_free(hash);
    hex_text(sum, sizeof sum, en->sha256);
    en->stored = en->size;
    return r;
}

int pack_stream(struct pack *p, const char *name, int fd, struct err *e)
{
    CHECK(!p->tar && !p->streamed);
    if (!manifest_path_valid(name) || strlen(name) > 99)
        return err_set(e, EINVAL, "\"%s\" cannot be the name of a stream", UTF8_SHORT(name, 100));
    p->streamed = true;
    free(p->path);
    p->path = xstrdup(name);
    struct manifest_entry en = {.type = ENTRY_FILE, .path = p->path, .mode = 0600};
    en.mtime_ns = clock_wall_ms() * 1000000;
    int r = gzip_write_reserve(p->gzip, sizeof p->stream_header, e);
    if (r == 0)
        r = stream_copy(p, fd, &en, e);
    if (r != 0)
        return r;
    ustar_header(p->stream_header, name, en.size, en.mtime_ns / 1000000000);
    p->files++;
    return pack_spool(p, &en, e);
}

/* ---- close, drop ---- */

int pack_close(struct pack *p, struct err *e)
{
    CHECK(!p->closed);
    int r = pack_tar_open(p, e);
    if (r == 0)
        r = pack_tar_check(p, archive_write_close(p->tar), e);
    if (r == 0)
        r = gzip_write_finish(p->gzip, p->streamed ? p->stream_header : NULL, e);
    if (r == 0 && fsync(p->fd) < 0)
        r = err_sys(e, errno, "cannot write %s to the disk", p->name);
    if (r == 0 && p->spool.any)
        r = p->spool.sink->write(p->spool.sink, "\n", 1, e);
    if (r == 0)
        r = p->spool.sink->finish(p->spool.sink, e);
    p->closed = r == 0;
    pack_tell(p);
    return r;
}

static void remove_part(struct pack *p, enum archive_name_kind kind, bool encrypted)
{
    struct archive_name n = {.kind = kind, .encrypted = encrypted, .part = true};
    char name[ARCHIVE_NAME_LEN];
    memcpy(n.type, p->type, sizeof n.type);
    memcpy(n.run, p->run, sizeof n.run);
    unlinkat(p->dirfd, archive_name_format(&n, name), 0);
}

void pack_drop(struct pack *p)
{
    if (!p)
        return;
    if (p->tar) {
        /* Freeing closes, which would write the end of the tar: not into what is given up. (Telling
         * libarchive to fail instead leaks its buffers.) */
        p->given_up = true;
        archive_write_free(p->tar);
    }
    gzip_write_drop(p->gzip);
    if (p->sink)
        p->sink->drop(p->sink);
    if (p->spool.sink)
        p->spool.sink->drop(p->spool.sink);
    if (p->created && !p->published) {
        unlinkat(p->dirfd, p->part, 0);
        remove_part(p, ARCHIVE_NAME_MANIFEST, false);
        remove_part(p, ARCHIVE_NAME_MANIFEST, true);
    }
    const int fds[] = {p->spool.fd, p->fd, p->dirfd};
    for (size_t i = 0; i < 3; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    manifest_clear(&p->notes);
    for (size_t i = 0; i < p->root_count; i++) {
        free(p->roots[i].folder);
        free(p->roots[i].prefix);
    }
    free(p->roots);
    if (p->utf8)
        freelocale(p->utf8);
    free(p->path);
    free(p->buf);
    free(p->small);
    free(p->folder);
    free(p);
}

void pack_content(const struct pack *p, uint64_t *files, uint64_t *bytes)
{
    *files = p->files;
    *bytes = p->content_bytes;
}
