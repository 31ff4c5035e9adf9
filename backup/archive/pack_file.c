/*
 * One file into the archive, between two stats.
 *
 * Trap 1: libarchive pads a file that shrank while it was read, so bytes are counted here.
 * Trap 2: time stamps move in ticks of some milliseconds, so a file that was written just now could
 * be written again without a trace; such a file is left to rest before it is read.
 */
#include "backup/archive/pack_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "backup/archive/attributes.h"

#define ATTEMPTS     3
#define REST_NS      INT64_C(20000000)
#define HOLES_MAX    32768 /* ranges kept in memory for one sparse file */
#define SMALLEST_GAP 4096

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int64_t pack_ns(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           pack_ns(a->st_mtim) == pack_ns(b->st_mtim) && pack_ns(a->st_ctim) == pack_ns(b->st_ctim);
}

void pack_leave_out(struct pack_reader *rd, const struct err *why)
{
    if (rd->left_out++ == 0)
        rd->first_left_out = *why;
    manifest_add_note(&rd->notes, "%s", err_words(why));
}

/* ---- holes ---- */

struct range {
    int64_t from, to; /* data */
};
struct ranges {
    struct range *list;
    size_t count;
    uint64_t bytes;
};

/* Where the data lies. More than HOLES_MAX ranges: small holes are taken as zeros, so that a
 * page-compressed table of 100 GB needs no more memory than another. */
static int find_ranges(int fd, const struct stat *st, struct ranges *out)
{
    for (int64_t gap = SMALLEST_GAP;; gap *= 8) {
        int64_t pos = 0;
        out->count = 0;
        out->bytes = 0;
        while (pos < st->st_size && out->count < HOLES_MAX) {
            int64_t from = lseek(fd, pos, SEEK_DATA);
            if (from < 0 && errno == ENXIO)
                break;
            int64_t to = from < 0 ? -1 : lseek(fd, from, SEEK_HOLE);
            if (from < 0 || to < 0)
                return -errno;
            to = to < st->st_size ? to : st->st_size;
            if (out->count > 0 && from - out->list[out->count - 1].to < gap) {
                out->list[out->count - 1].to = to;
            } else {
                if ((out->count & (out->count + 1)) == 0) /* grows by doubling: 1, 2, 4, … */
                    out->list = xrealloc(out->list, (2 * out->count + 2) * sizeof *out->list);
                out->list[out->count++] = (struct range){from, to};
            }
            pos = to;
        }
        if (out->count < HOLES_MAX)
            break;
    }
    for (size_t i = 0; i < out->count; i++)
        out->bytes += (uint64_t)(out->list[i].to - out->list[i].from);
    return 0;
}

/* ---- headers ---- */

/* fd: for ACLs and attributes; -1 = it has none that are kept, as links. */
static struct archive_entry *make_header(struct pack_reader *rd, const struct stat *st, int fd)
{
    const char *path = rd->pace->path;
    char left_out[ATTRIBUTES_WORDS] = "";
    struct archive_entry *ae = archive_entry_new();
    CHECK(ae);
    archive_entry_copy_stat(ae, st);
    archive_entry_copy_pathname(ae, path);
    archive_entry_unset_atime(ae);
    archive_entry_unset_ctime(ae);
    archive_entry_set_nlink(ae, 1); /* hard links become files of their own */
    if (fd >= 0)
        attributes_read(fd, ae, left_out);
    if (left_out[0])
        manifest_add_note(
            &rd->notes, "%s: these of its attributes are not kept: %s", path, left_out);
    return ae;
}

static struct manifest_entry entry_of(
    const struct pack_reader *rd, const struct stat *st, unsigned bits)
{
    return (struct manifest_entry){.path = rd->pace->path,
        .mode = (uint32_t)st->st_mode & bits,
        .mtime_ns = pack_ns(st->st_mtim)};
}

int pack_plain_entry(
    struct pack_reader *rd, const struct stat *st, int fd, char *target, struct err *e)
{
    /* setgid and sticky folders are common on shares */
    struct manifest_entry en = entry_of(rd, st, target ? 07777 : 03777);
    struct archive_entry *ae = make_header(rd, st, fd);
    archive_entry_set_size(ae, 0);
    en.type = target ? ENTRY_SYMLINK : ENTRY_DIRECTORY;
    en.target = target;
    if (target)
        archive_entry_copy_symlink(ae, target);
    else
        attributes_set_mode(ae, en.mode);
    int r = pack_tar_begin(rd->tar, ae, &en, e);
    archive_entry_free(ae);
    return r != 0 ? r : pack_tar_list(rd->tar, &en, e);
}

/* ---- content ---- */

struct content {
    int fd;            /* -1: from memory */
    int attributes_of; /* the file; -1 = it is made up */
    const uint8_t *memory;
    const struct stat *st;
    const struct ranges *ranges; /* NULL: all of it is data */
    bool shrank;
    int failed; /* errno of reading: what could not be read is zeros (not strict) */
};

static int put_data(struct pack_reader *rd, const uint8_t *data, size_t n, struct err *e)
{
    int r = pack_tar_data(rd->tar, data, n, e);
    return r == 0 ? pack_tick(rd->pace, n) : r;
}

/* Bytes from..to; zeros in holes (libarchive leaves them out again) and behind an end that moved.
 */
static int put_range(
    struct pack_reader *rd, struct content *c, int64_t from, int64_t to, bool hole, struct err *e)
{
    int r = 0;
    bool zero = false;
    while (from < to && r == 0) {
        size_t n = to - from < PACK_STEP ? (size_t)(to - from) : PACK_STEP;
        if (c->memory) {
            r = put_data(rd, c->memory + from, n, e);
            from += (int64_t)n;
            continue;
        }
        ssize_t got = (ssize_t)n;
        if (!hole && !c->shrank) {
            zero = false;
            got = pread(c->fd, rd->buf, n, from);
            if (got < 0 && errno == EINTR)
                continue;
            if (got < 0 && rd->strict)
                return err_sys(e, errno, "cannot read %s", rd->pace->path);
            if (got < 0 && !c->failed) /* its header is written: the rest is zeros */
                c->failed = errno;
            c->shrank = got <= 0;
        }
        if (hole || c->shrank) {
            if (!zero)
                memset(rd->buf, 0, n);
            zero = true;
            got = (ssize_t)n;
        }
        r = put_data(rd, rd->buf, (size_t)got, e);
        from += got;
    }
    return r;
}

static int put_content(struct pack_reader *rd, struct content *c, struct err *e)
{
    int64_t pos = 0;
    int r = 0;
    if (!c->ranges)
        return put_range(rd, c, 0, c->st->st_size, false, e);
    for (size_t i = 0; i < c->ranges->count && r == 0; i++) {
        const struct range *x = &c->ranges->list[i];
        r = put_range(rd, c, pos, x->from, true, e);
        if (r == 0)
            r = put_range(rd, c, x->from, x->to, false, e);
        pos = x->to;
    }
    return r == 0 ? put_range(rd, c, pos, c->st->st_size, true, e) : r;
}

/* Header and content; en gets size and hash. */
static int write_file(
    struct pack_reader *rd, struct content *c, struct manifest_entry *en, struct err *e)
{
    struct archive_entry *ae = make_header(rd, c->st, c->attributes_of);
    attributes_set_mode(ae, en->mode);
    for (size_t i = 0; c->ranges && i < c->ranges->count; i++)
        archive_entry_sparse_add_entry(
            ae, c->ranges->list[i].from, c->ranges->list[i].to - c->ranges->list[i].from);
    /* A file that is one hole: an empty range at its end says so. */
    if (c->ranges && c->ranges->count == 0)
        archive_entry_sparse_add_entry(ae, c->st->st_size, 0);
    en->type = ENTRY_FILE;
    int r = pack_tar_begin(rd->tar, ae, en, e);
    archive_entry_free(ae);
    if (r == 0)
        r = put_content(rd, c, e);
    if (r == 0)
        r = pack_tar_end(rd->tar, e);
    en->stored = c->ranges ? c->ranges->bytes : en->size;
    return r;
}

/* ---- one file ---- */

struct opened {
    int fd;
    struct stat st;
};

/* Nothing that the file is to blame for. */
static bool is_ours(int code)
{
    return code == EMFILE || code == ENFILE || code == ENOMEM;
}

/* 0, PACK_CHANGED if it is no longer what the walk saw, or negative. */
static int open_file(
    struct pack_reader *rd, int dirfd, const char *name, struct opened *o, struct err *e)
{
    for (int round = 0;; round++) {
        int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
        o->fd = openat(dirfd, name, flags | O_NOATIME);
        if (o->fd < 0 && errno == EPERM) /* O_NOATIME is for the owner */
            o->fd = openat(dirfd, name, flags);
        if (o->fd < 0) {
            int code = errno;
            err_sys(e, code, "cannot open %s", rd->pace->path);
            return code == ENOENT || code == ELOOP ? PACK_CHANGED
                   : rd->strict || is_ours(code)   ? -code
                                                   : PACK_UNREADABLE;
        }
        if (fstat(o->fd, &o->st) < 0 || !S_ISREG(o->st.st_mode)) {
            close_fd(&o->fd);
            err_set(e, EBUSY, "%s is no longer a file", rd->pace->path);
            return PACK_CHANGED;
        }
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        int64_t age = pack_ns(now) - pack_ns(o->st.st_ctim);
        if (age >= REST_NS || age < 0 || round > 0)
            return 0;
        close_fd(&o->fd);
        struct timespec rest = {0, (long)(REST_NS - age)};
        nanosleep(&rest, NULL);
    }
}

/* false, with the words, if the file is not what it was when it was opened. */
static bool unchanged(struct pack_reader *rd, int dirfd, const char *name, const struct opened *o,
    bool shrank, struct err *e)
{
    struct stat now, by_name;
    if (fstat(o->fd, &now) < 0 || fstatat(dirfd, name, &by_name, AT_SYMLINK_NOFOLLOW) < 0 ||
        by_name.st_ino != now.st_ino || by_name.st_dev != now.st_dev) {
        err_set(e, EBUSY, "%s was removed or replaced while it was read", rd->pace->path);
        return false;
    }
    if (shrank || !same_file(&o->st, &now)) {
        err_set(e, EBUSY,
            "%s changed while it was read (%" PRId64 " bytes before, %" PRId64 " after)",
            rd->pace->path, (int64_t)o->st.st_size, (int64_t)now.st_size);
        return false;
    }
    return true;
}

/* Reads a small file whole; so it can be read again before anything of it is in the archive. */
static int read_small(struct pack_reader *rd, struct opened *o, bool *shrank, struct err *e)
{
    size_t done = 0, size = (size_t)o->st.st_size;
    if (!rd->small)
        rd->small = xmalloc(PACK_SMALL);
    while (done < size) {
        ssize_t n = pread(o->fd, rd->small + done, size - done, (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int code = errno;
            err_sys(e, code, "cannot read %s", rd->pace->path);
            return rd->strict ? -code : PACK_UNREADABLE;
        }
        if (n == 0)
            break;
        done += (size_t)n;
    }
    memset(rd->small + done, 0, size - done);
    *shrank = done < size;
    return 0;
}

static int give_up(struct pack_reader *rd, struct manifest_entry *en, const struct err *why)
{
    if (rd->strict)
        return PACK_CHANGED;
    en->unstable = true;
    manifest_add_note(&rd->notes,
        "%s: it changed at each of %d attempts, so its content may be mixed", err_words(why),
        ATTEMPTS);
    return 0;
}

/* A large one is streamed. If it changed, it is put in again under the same name: tar takes the
 * later one, and the manifest says that the earlier one is replaced. One that grows is as long as
 * it was when it was opened, whatever comes behind. */
static int pack_large_file(struct pack_reader *rd, int dirfd, const char *name, struct opened *o,
    bool grows, struct err *e)
{
    for (int attempt = 1;; attempt++) {
        struct ranges ranges = {0};
        struct err why = {0};
        struct manifest_entry en = entry_of(rd, &o->st, 01777);
        struct content c = {.fd = o->fd, .attributes_of = o->fd, .st = &o->st};
        if ((int64_t)o->st.st_blocks * 512 < o->st.st_size &&
            find_ranges(o->fd, &o->st, &ranges) == 0 && ranges.bytes < (uint64_t)o->st.st_size)
            c.ranges = &ranges;
        posix_fadvise(o->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        int r = write_file(rd, &c, &en, e);
        free(ranges.list);
        if (r != 0)
            return r;
        if (c.failed) {
            err_sys(&why, c.failed, "cannot read all of %s", en.path);
            pack_leave_out(rd, &why);
            en.unstable = true;
            return pack_tar_list(rd->tar, &en, e);
        }
        bool good = grows || unchanged(rd, dirfd, name, o, c.shrank, &why);
        if (!good && (rd->strict || attempt == ATTEMPTS)) {
            r = give_up(rd, &en, &why);
            if (r != 0 && e)
                *e = why;
        }
        en.replaced = !good && !en.unstable;
        if (r == 0)
            r = pack_tar_list(rd->tar, &en, e);
        if (r != 0 || !en.replaced)
            return r;
        close_fd(&o->fd);
        r = open_file(rd, dirfd, name, o, e);
        if (r != 0)
            return r;
    }
}

static int pack_small_file(
    struct pack_reader *rd, int dirfd, const char *name, struct opened *o, struct err *e)
{
    struct manifest_entry en;
    struct err why = {0};
    bool shrank = false;
    for (int attempt = 1;; attempt++) {
        int r = read_small(rd, o, &shrank, e);
        if (r != 0)
            return r;
        bool good = unchanged(rd, dirfd, name, o, shrank, &why);
        en = entry_of(rd, &o->st, 01777);
        if (good || attempt == ATTEMPTS) {
            r = good ? 0 : give_up(rd, &en, &why);
            if (r != 0)
                return r;
            break;
        }
        close_fd(&o->fd);
        r = open_file(rd, dirfd, name, o, e);
        if (r != 0)
            return r;
        if (o->st.st_size > PACK_SMALL) /* it grows */
            return pack_large_file(rd, dirfd, name, o, false, e);
    }
    struct content c = {.fd = -1, .attributes_of = o->fd, .memory = rd->small, .st = &o->st};
    int r = write_file(rd, &c, &en, e);
    return r != 0 ? r : pack_tar_list(rd->tar, &en, e);
}

int pack_file(struct pack_reader *rd, int dirfd, const char *name, struct stat *seen, struct err *e)
{
    struct opened o = {.fd = -1};
    int r = open_file(rd, dirfd, name, &o, e);
    if (r == 0 && seen && rd->strict && !same_file(seen, &o.st)) {
        err_set(e, EBUSY, "%s changed before it was read", rd->pace->path);
        r = PACK_CHANGED;
    }
    if (r == 0) {
        bool small = seen && !rd->strict && o.st.st_size <= PACK_SMALL &&
                     (int64_t)o.st.st_blocks * 512 >= o.st.st_size;
        if (seen)
            *seen = o.st;
        r = small ? pack_small_file(rd, dirfd, name, &o, e)
                  : pack_large_file(rd, dirfd, name, &o, !seen, e);
    }
    close_fd(&o.fd);
    return r;
}

int pack_memory(struct pack_reader *rd, const void *data, const struct stat *st, struct err *e)
{
    struct manifest_entry en = entry_of(rd, st, 01777);
    struct content c = {.fd = -1, .attributes_of = -1, .memory = data, .st = st};
    int r = write_file(rd, &c, &en, e);
    return r != 0 ? r : pack_tar_list(rd->tar, &en, e);
}
