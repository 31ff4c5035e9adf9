/* Writing an archive: opening, closing, streams. */
#include "backup/archive/pack_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/lang.h"
#include "common/utf8.h"

#define PROGRESS_MS 100
#define WAIT_MS     20

/* ---- progress, rate, stopping ---- */

static struct pack_progress totals(const struct pack_pace *pace)
{
    return (struct pack_progress){.bytes_in = pace->bytes,
        .bytes_out = pace->tar->gzip ? gzip_write_out(pace->tar->gzip) : 0,
        .files = pace->tar->files,
        .path = pace->path ? pace->path : "",
        .phase = pace->phase};
}

void pack_tell(struct pack_pace *pace, uint64_t bytes, const char *path)
{
    if (!pace->o->progress)
        return;
    struct pack_progress now = totals(pace);
    if (path) {
        now.bytes_in = bytes;
        now.path = path;
    }
    pace->o->progress(pace->o->ctx, &now);
    pace->next_progress_ms = clock_mono_ms() + PROGRESS_MS;
}

bool pack_may_go_on(void *ctx)
{
    const struct pack_pace *pace = ctx;
    return !pace->o->go_on || pace->o->go_on(pace->o->ctx);
}

int pack_tick(struct pack_pace *pace, uint64_t bytes)
{
    pace->bytes += bytes;
    if (!pack_may_go_on(pace))
        return PACK_STOPPED;
    if (clock_mono_ms() >= pace->next_progress_ms)
        pack_tell(pace, 0, NULL);
    if (pace->o->rate == 0)
        return 0;
    if (pace->rate_start_ns == 0)
        pace->rate_start_ns = clock_mono_ns();
    pace->rate_bytes += bytes;
    for (;;) {
        double due = (double)pace->rate_bytes / (double)pace->o->rate * 1e9;
        double ahead = due - (double)(clock_mono_ns() - pace->rate_start_ns);
        if (ahead <= 0)
            return 0;
        struct timespec ts = {0, ahead < WAIT_MS * 1e6 ? (long)ahead : WAIT_MS * 1000000L};
        nanosleep(&ts, NULL);
        if (!pack_may_go_on(pace))
            return PACK_STOPPED;
    }
}

struct pack_progress pack_totals(const struct pack *p)
{
    return totals(&p->pace);
}

const char *pack_file_name(const struct pack *p)
{
    return p->name;
}

/* ---- open ---- */

char *pack_name(const struct pack *p, enum archive_name_kind kind, bool encrypted, bool part,
    char text[static ARCHIVE_NAME_LEN])
{
    struct archive_name n = {.kind = kind, .encrypted = encrypted, .part = part};
    memcpy(n.type, p->type, sizeof n.type);
    memcpy(n.run, p->run, sizeof n.run);
    return archive_name_format(&n, text);
}

static int open_list(struct pack *p, struct err *e)
{
    p->list_fd = openat(p->dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (p->list_fd < 0)
        return err_sys(e, errno, "cannot make a temporary file in %s", p->folder);
    struct sink *below = sink_file(p->list_fd, N_("the list of files"));
    if (!p->encrypted) {
        p->list = below;
        return 0;
    }
    int r = age_sink(below, p->o.recipients, p->o.passphrase, &p->list, e);
    if (r == 0)
        age_sink_file_key(p->list, p->list_key);
    return r;
}

/* Neither the archive nor its manifest may be there: a suffix is used once. */
static int check_free(struct pack *p, struct err *e)
{
    char name[ARCHIVE_NAME_LEN];
    for (int i = 0; i < 4; i++) {
        pack_name(p, i & 1 ? ARCHIVE_NAME_MANIFEST : ARCHIVE_NAME_ARCHIVE, i & 2, false, name);
        if (faccessat(p->dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return err_set(e, EEXIST, "%s/%s is there already", p->folder, name);
    }
    pack_name(p, ARCHIVE_NAME_ARCHIVE, p->encrypted, false, p->name);
    pack_name(p, ARCHIVE_NAME_ARCHIVE, p->encrypted, true, p->part);
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
        r = open_list(p, e);
    return r == 0 ? create_part(p, e) : r;
}

int pack_open(const struct pack_options *o, struct pack **out, struct err *e)
{
    if (!archive_type_valid(o->type) || !run_suffix_valid(o->run))
        return err_set(e, EINVAL, "\"%s\" or \"%s\" cannot be part of an archive's name",
            UTF8_SHORT(o->type, 60), UTF8_SHORT(o->run, 30));
    struct pack *p = xcalloc(1, sizeof *p);
    p->dirfd = p->fd = p->list_fd = -1;
    p->o = *o;
    p->folder = xstrdup(o->folder);
    snprintf(p->type, sizeof p->type, "%s", o->type);
    snprintf(p->run, sizeof p->run, "%s", o->run);
    p->backend = o->backend ? o->backend : deflate_fastest();
    p->encrypted = o->recipients || o->passphrase;
    p->pace = (struct pack_pace){.o = &p->o, .tar = &p->tar, .phase = "copy"};
    p->reader = (struct pack_reader){
        .tar = &p->tar, .pace = &p->pace, .strict = o->strict, .buf = xmalloc(PACK_STEP)};
    int r = open_in_folder(p, e);
    if (r < 0) {
        pack_drop(p);
        return r;
    }
    pack_tar_init(&p->tar,
        gzip_write_open(p->sink, p->backend, o->level, o->threads, o->go_on, o->ctx), p->list);
    *out = p;
    return 0;
}

/* ---- streams ---- */

/* How many bytes came, 0 at the end; PACK_STOPPED goes into *outcome. */
static ssize_t stream_read(struct pack *p, int fd, int *outcome, struct err *e)
{
    for (;;) {
        struct pollfd poll_fd = {fd, POLLIN, 0};
        if (poll(&poll_fd, 1, WAIT_MS) > 0) {
            ssize_t n = read(fd, p->reader.buf, PACK_STEP);
            if (n >= 0)
                return n;
            if (errno != EINTR && errno != EAGAIN)
                return err_sys(e, errno, "cannot read what is to become %s", p->pace.path);
        }
        if (!pack_may_go_on(&p->pace)) {
            *outcome = PACK_STOPPED;
            return 0;
        }
    }
}

int pack_stream(struct pack *p, const char *name, int fd, struct err *e)
{
    if (!manifest_path_valid(name) || strlen(name) > 99)
        return err_set(e, EINVAL, "\"%s\" cannot be the name of a stream", UTF8_SHORT(name, 100));
    free(p->pace.path);
    p->pace.path = xstrdup(name);
    struct manifest_entry en = {.type = ENTRY_FILE, .path = p->pace.path, .mode = 0600};
    en.mtime_ns = clock_wall_ms() * 1000000;
    int r = pack_tar_begin(&p->tar, NULL, &en, e);
    while (r == 0) {
        ssize_t n = stream_read(p, fd, &r, e);
        if (n <= 0) {
            r = n < 0 ? (int)n : r;
            break;
        }
        r = pack_tar_data(&p->tar, p->reader.buf, (size_t)n, e);
        if (r == 0)
            r = pack_tick(&p->pace, (uint64_t)n);
    }
    if (r == 0)
        r = pack_tar_end(&p->tar, e);
    en.stored = en.size;
    return r == 0 ? pack_tar_list(&p->tar, &en, e) : r;
}

/* ---- close, drop ---- */

int pack_close(struct pack *p, struct err *e)
{
    CHECK(!p->closed);
    int r = pack_tar_close(&p->tar, e);
    if (r == 0 && fsync(p->fd) < 0)
        r = err_sys(e, errno, "cannot write %s to the disk", p->name);
    p->closed = r == 0;
    pack_tell(&p->pace, 0, NULL);
    return r;
}

void pack_drop(struct pack *p)
{
    if (!p)
        return;
    pack_tar_drop(&p->tar);
    if (p->sink)
        p->sink->drop(p->sink);
    if (p->list)
        p->list->drop(p->list);
    if (p->created && !p->published) {
        char name[ARCHIVE_NAME_LEN];
        unlinkat(p->dirfd, p->part, 0);
        unlinkat(p->dirfd, pack_name(p, ARCHIVE_NAME_MANIFEST, false, true, name), 0);
        unlinkat(p->dirfd, pack_name(p, ARCHIVE_NAME_MANIFEST, true, true, name), 0);
    }
    const int fds[] = {p->list_fd, p->fd, p->dirfd};
    for (size_t i = 0; i < 3; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    manifest_clear(&p->reader.notes);
    for (size_t i = 0; i < p->root_count; i++) {
        free(p->roots[i].folder);
        free(p->roots[i].prefix);
    }
    free(p->roots);
    free(p->pace.path);
    free(p->reader.buf);
    free(p->reader.small);
    free(p->folder);
    free(p);
}

void pack_content(const struct pack *p, uint64_t *files, uint64_t *bytes)
{
    *files = p->tar.files;
    *bytes = p->tar.bytes;
}
