/*
 * The text of a dump: read once to be looked through, and once more into the server. What a person
 * gave is kept decompressed in between, since it may be a pipe; an archive of ours is read twice,
 * each time compared with its manifest, and never lies on the disk in clear.
 */
#include "backup/restore/sql_text.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include "backup/child.h"
#include "backup/copy_check.h"
#include "backup/import.h"
#include "common/exit_codes.h"
#include "common/file.h"

#define CHUNK (256u * 1024u)

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

static int take(struct sql_text *t, const char *data, size_t n, struct err *e)
{
    sql_scan_feed(&t->scan, data, n);
    int code = fd_write_all(t->spool, data, n, e);
    return code < 0
               ? err_prefix(e, code, "%s has no room for the decompressed text", t->run->s.folder)
               : 0;
}

static int spool_plain(struct sql_text *t, int in, const char *name, struct err *e)
{
    _cleanup_free_ char *buf = xmalloc(CHUNK);
    for (;;) {
        ssize_t n = read(in, buf, CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, errno, "cannot read %s", name);
        if (n == 0)
            return 0;
        int code = take(t, buf, (size_t)n, e);
        if (code < 0 || !run_go_on(t->run))
            return code < 0 ? code : run_pack_result(PACK_STOPPED, e);
    }
}

static int spool_gzip(struct sql_text *t, const char *path, struct err *e)
{
    _cleanup_free_ char *buf = xmalloc(CHUNK);
    gzFile z = gzopen(path, "rbe");
    if (!z)
        return err_sys(e, errno, "cannot open %s", path);
    int n, code = 0;
    while (code == 0 && (n = gzread(z, buf, CHUNK)) > 0)
        code = take(t, buf, (size_t)n, e);
    int why = 0;
    const char *words = gzerror(z, &why);
    if (code == 0 && why < 0) {
        err_set(e, EBADMSG, "%s is damaged or cut off: %s", path, words);
        code = EXIT_INCONSISTENT;
    }
    /* gzclose alone tells of a last member without its trailer */
    if (gzclose_r(z) != Z_OK && code == 0) {
        err_set(e, EBADMSG, "%s is cut off", path);
        code = EXIT_INCONSISTENT;
    }
    return code;
}

static int spool_zstd(struct sql_text *t, const char *path, struct err *e)
{
    int from[2];
    if (pipe2(from, O_CLOEXEC) < 0)
        return err_sys(e, errno, "cannot make a pipe");
    const char *argv[] = {"zstd", "-dcq", "--", path, NULL};
    struct child_options o = {.argv = argv, .out = from[1], .err = -1, .keep = -1};
    struct child c = {0};
    int code = child_start(&o, &c, e);
    close(from[1]);
    if (code == 0)
        code = spool_plain(t, from[0], path, e);
    close(from[0]);
    if (code == 0 && (child_wait(&c, 10000, NULL, NULL) != 0 || !child_good(&c))) {
        char how[80];
        err_set(
            e, EBADMSG, "%s cannot be decompressed: zstd %s", path, child_how(&c, how, sizeof how));
        code = EXIT_INCONSISTENT;
    }
    child_end(&c, 1000);
    return code;
}

int sql_text_from_file(struct sql_text *t, const char *path, const char *database, struct err *e)
{
    _cleanup_free_ char *name = xasprintf("%s/.restore-sql.part", t->run->s.folder);
    int code = file_mkdirs(t->run->s.folder, 0700, e);
    if (code < 0)
        return code;
    t->name = xstrdup(path);
    (void)unlink(name);
    t->spool = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (t->spool < 0)
        return err_sys(e, errno, "cannot make %s", name);
    (void)unlink(name); /* it goes with us, however we end */
    run_phase(t->run, t->run->s.dump_type, "read", 0);
    sql_scan_start(&t->scan, database);
    if (!strcmp(path, "-"))
        code = spool_plain(t, 0, "standard input", e);
    else if (ends_with(path, ".gz"))
        code = spool_gzip(t, path, e);
    else if (ends_with(path, ".zst"))
        code = spool_zstd(t, path, e);
    else {
        _cleanup_fd_ int in = open(path, O_RDONLY | O_CLOEXEC);
        code = in < 0 ? err_sys(e, errno, "cannot open %s", path) : spool_plain(t, in, path, e);
    }
    sql_scan_finish(&t->scan);
    return code;
}

/* --- an archive of ours --- */

void sql_text_from_archive(struct sql_text *t, const char *folder, const struct store_item *it)
{
    t->item = it;
    t->name = store_path(folder, it, ARCHIVE_NAME_ARCHIVE);
    t->manifest = store_path(folder, it, ARCHIVE_NAME_MANIFEST);
}

/* Every byte of it to `content`. */
static int read_archive(const struct sql_text *t, const char *phase,
    int (*content)(void *ctx, const void *data, size_t n, struct err *e), void *ctx, struct err *e)
{
    struct copy_check c = {.run = t->run,
        .item = t->item,
        .archive = t->name,
        .manifest = t->manifest,
        .phase = phase,
        .content = content,
        .content_ctx = ctx};
    return copy_check_extract(&c, e);
}

static int scan_piece(void *ctx, const void *data, size_t n, struct err *e)
{
    struct sql_text *t = ctx;
    (void)e;
    sql_scan_feed(&t->scan, data, n);
    return 0;
}

int sql_text_scan(struct sql_text *t, const char *database, struct err *e)
{
    if (t->item->manifest.content.files != 1) {
        err_set(e, EINVAL, "%s is no dump: it holds %llu files", t->name,
            (unsigned long long)t->item->manifest.content.files);
        return EXIT_INCONSISTENT;
    }
    sql_scan_start(&t->scan, database);
    int code = read_archive(t, "read", scan_piece, t, e);
    sql_scan_finish(&t->scan);
    return code;
}

/* --- into the server --- */

struct feeder {
    const struct sql_text *t;
    const char *phase;
    int to;
    int result;
    struct err e;
};

static int feed_piece(void *ctx, const void *data, size_t n, struct err *e)
{
    return fd_write_all(*(int *)ctx, data, n, e);
}

static void *feeder_main(void *arg)
{
    struct feeder *f = arg;
    f->result = read_archive(f->t, f->phase, feed_piece, &f->to, &f->e);
    close(f->to); /* the client's end of input */
    return NULL;
}

/* The client reads from a pipe that a thread fills. An archive that turns out to be damaged ends
 * the pipe early, which the client may take for the end: then the feeder's words count. */
static int import_archive(const struct sql_text *t, const char *phase,
    const struct server_target *target, const char *database, struct err *e)
{
    int ends[2];
    pthread_t thread;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_sys(e, errno, "cannot make a pipe");
    struct feeder f = {.t = t, .phase = phase, .to = ends[1]};
    CHECK(pthread_create(&thread, NULL, feeder_main, &f) == 0);
    int code = import_sql(t->run, target, ends[0], database, e);
    close(ends[0]); /* a client that gave up: the feeder must not wait for it */
    pthread_join(thread, NULL);
    if (f.result == 0 || (code != 0 && f.result == -EPIPE))
        return code;
    if (e)
        *e = f.e;
    return f.result;
}

int sql_text_import(const struct sql_text *t, const char *phase, const struct server_target *target,
    const char *database, struct err *e)
{
    if (t->item)
        return import_archive(t, phase, target, database, e);
    run_phase(t->run, t->run->s.dump_type, phase, 0);
    if (lseek(t->spool, 0, SEEK_SET) < 0)
        return err_sys(e, errno, "cannot rewind the dump");
    return import_sql(t->run, target, t->spool, database, e);
}

void sql_text_clear(struct sql_text *t)
{
    cleanup_fd(&t->spool);
    free(t->name);
    free(t->manifest);
    *t = (struct sql_text){.spool = -1};
}
