/*
 * The text of a dump: read once to be looked through, and once more into the server. What a person
 * gave is kept decompressed in between, since it may be a pipe; an archive of ours is read twice,
 * each time compared with its manifest, and never lies on the disk in clear.
 */
#include "backup/job/restore/sql_text.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "backup/job/trial/copy_check.h"
#include "backup/job/trial/import.h"
#include "backup/job/trial/scan.h"
#include "backup/job/trial/scratch.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "backup/archive/parse.h"
#include "common/error_phrase.h"
#include "common/json_get.h"
#include "backup/job/run.h"

#define SPOOL   ".restore-sql.part"
#define RESERVE (256u << 20) /* bytes that the file system keeps, for those who live on it */

/* --- the text, whatever it is packed in --- */

/* Gzip, zstd, xz, bzip2, lz4; a tar or zip archive that holds one SQL file; UTF-16. Told from the
 * content, since a name may say anything and an upload has none. */

/* With the name of the text. */
static const char *const refusals[PARSE_REFUSALS] = {
    [PARSE_IS_AGE] = N_("%s is encrypted with age: decrypt it first, with `age --decrypt`"),
    [PARSE_IS_RAR] = N_("%s is a RAR archive: unpack it first, then restore the .sql file in it"),
    [PARSE_IS_7Z] = N_("%s is a 7z archive: unpack it first, then restore the .sql file in it"),
    [PARSE_IS_POSTGRES] = N_("%s is a dump of PostgreSQL, not of MariaDB or MySQL"),
    [PARSE_IS_SQLITE] = N_("%s is a database of SQLite, not SQL text of MariaDB or MySQL"),
    [PARSE_IS_XBSTREAM] = N_(
        "%s is a stream of mariadb-backup, not SQL text: unpack it with mbstream; it fits a server of the same series only"),
    [PARSE_HAS_PASSWORD] = N_("%s is protected with a password: unpack it first"),
    [PARSE_HAS_SEVERAL] = N_(
        "%s holds more than one SQL file: unpack it, then restore the right one"),
    [PARSE_HAS_NONE] = N_("%s holds no SQL file (.sql)"),
};

static const char *const forms[PARSE_NOTES] = {"UTF-16LE", "UTF-16BE"};

struct opened {
    struct run *run;
    int in;
    const char *name;
    int (*put)(void *ctx, const char *data, size_t n, struct err *e);
    void *ctx;
};

static int refuse(const struct opened *o, uint64_t is, struct err *e)
{
    if (is >= PARSE_REFUSALS)
        return err_set(e, EBADMSG, "the program that unpacks it gave no proper answer");
    json_t *said = phrase_of(refusals[is]);
    (void)json_array_append_new(said, json_text(o->name));
    (void)error_phrase_set(e, EINVAL, said);
    return EXIT_REFUSED;
}

static int damaged(const struct opened *o, struct err *e)
{
    json_t *said = phrase("%s is damaged or cut off: %s", o->name, "");
    phrase_set(said, 1, error_phrase_json(e));
    (void)error_phrase_set(e, EBADMSG, said);
    return EXIT_INCONSISTENT;
}

static int put_text(struct opened *o, const struct parse_frame *f, struct err *e)
{
    off_t at = lseek(o->in, 0, SEEK_CUR);
    if (at > 0)
        run_progress(o->run, (uint64_t)at, 0, 0, NULL);
    int code = f->n ? o->put(o->ctx, (const char *)f->data, f->n, e) : 0;
    return code == 0 && !run_go_on(o->run) ? run_pack_result(PACK_STOPPED, e) : code;
}

static int read_frames(struct opened *o, struct parser *p, struct err *e)
{
    struct parse_frame f = {.kind = PARSE_NOTE};
    int code = 0;
    while (code == 0 && (code = parser_next(p, &f, e)) == 0 && f.kind != PARSE_END) {
        if (f.kind == PARSE_REFUSED)
            return refuse(o, f.at, e);
        if (f.kind == PARSE_DATA)
            code = put_text(o, &f, e);
        else if (f.kind == PARSE_NOTE && f.at < PARSE_NOTES)
            run_note(
                "the text is %s, as PowerShell's > writes it, which can damage umlauts: look at them afterwards; `mariadb-dump --result-file=FILE` does without",
                forms[f.at]);
        else
            code = err_set(e, EBADMSG, "the program that unpacks it gave no proper answer");
    }
    return code;
}

/* Reads `in`, which may be a pipe and is not closed, to its end and gives the text to put, in
 * pieces. name: for messages. Progress of the run: how much of a file has been read. Results of the
 * run; EXIT_INCONSISTENT: damaged, EXIT_REFUSED: nothing that can be opened, with what would help.
 */
static int read_packed(struct run *r, int in, const char *name,
    int (*put)(void *ctx, const char *data, size_t n, struct err *e), void *ctx, struct err *e)
{
    struct opened o = {.run = r, .in = in, .name = name, .put = put, .ctx = ctx};
    struct parse_options as = {.as = PARSE_SQL};
    struct source *file = source_file(in, name);
    struct parser *p = NULL;
    struct err why = {0};
    int code = parser_start(&as, file, &p, &why);
    code = code == 0 ? read_frames(&o, p, &why) : code;
    parser_drop(p);
    file->drop(file);
    *e = why;
    return code == PARSE_BROKEN ? damaged(&o, e) : code;
}

struct spooling {
    struct sql_text *t;
    struct scan *scan;
    const char *folder;
};

static bool has_room(int fd)
{
    struct statvfs fs;
    return fstatvfs(fd, &fs) < 0 || (uint64_t)fs.f_bavail * fs.f_frsize > RESERVE;
}

static int take_text(void *ctx, const char *data, size_t n, struct err *e)
{
    struct spooling *p = ctx;
    int code = scan_feed(p->scan, data, n, e);
    if (code < 0)
        return code;
    code = has_room(p->t->spool) ? fd_write_all(p->t->spool, data, n, e)
                                 : err_set(e, ENOSPC, "it would be full");
    return code < 0
               ? err_prefix(e, code,
                     "%s has no room for the decompressed text (another folder: [drill] scratch)",
                     p->folder)
               : 0;
}

/* Never with a name, where the file system can do that. */
static int open_spool(const struct run *r, const char *folder, struct err *e)
{
    _cleanup_fd_ int at = scratch_folder_open(r, e);
    if (at < 0)
        return at;
    int fd = openat(at, ".", O_RDWR | O_TMPFILE | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
        return fd < 0 ? err_sys(e, errno, "cannot make a file in %s", folder) : fd;
    (void)unlinkat(at, SPOOL, 0);
    fd = openat(at, SPOOL, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_sys(e, errno, "cannot make %s/" SPOOL, folder);
    (void)unlinkat(at, SPOOL, 0); /* it goes with us, however we end */
    return fd;
}

int sql_text_from_file(struct sql_text *t, const char *path, const char *database, struct err *e)
{
    _cleanup_free_ char *folder = scratch_folder(t->run);
    struct spooling p = {.t = t, .folder = folder};
    const char *shown = strcmp(path, "-") == 0 ? "standard input" : path;
    t->name = strcmp(path, "-") == 0 ? NULL : xstrdup(path);
    int code = t->spool = open_spool(t->run, folder, e);
    if (code < 0)
        return code;
    struct stat st;
    _cleanup_fd_ int in = strcmp(path, "-") == 0 ? fcntl(0, F_DUPFD_CLOEXEC, 3)
                                                 : open(path, O_RDONLY | O_CLOEXEC);
    if (in < 0 || fstat(in, &st) < 0)
        return err_sys(e, errno, "cannot open %s", shown);
    run_phase(t->run, t->run->s.dump_type, "read", S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0);
    code = scan_begin(database, &p.scan, e);
    if (code == 0)
        code = read_packed(t->run, in, shown, take_text, &p, e);
    if (code == 0)
        code = scan_end(p.scan, &t->scan, e);
    scan_drop(p.scan);
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
    return scan_feed(ctx, data, n, e);
}

int sql_text_scan(struct sql_text *t, const char *database, struct err *e)
{
    if (t->item->manifest.content.files != 1)
        return err_outcome(e, EXIT_INCONSISTENT, EINVAL, "%s is no dump: it holds %llu files",
            t->name, (unsigned long long)t->item->manifest.content.files);
    struct scan *scan = NULL;
    int code = scan_begin(database, &scan, e);
    if (code == 0)
        code = read_archive(t, "read", scan_piece, scan, e);
    if (code == 0)
        code = scan_end(scan, &t->scan, e);
    scan_drop(scan);
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
    off_t size = lseek(t->spool, 0, SEEK_END);
    if (size < 0 || lseek(t->spool, 0, SEEK_SET) < 0)
        return err_sys(e, errno, "cannot rewind the dump");
    run_phase(t->run, t->run->s.dump_type, phase, (uint64_t)size);
    return import_sql(t->run, target, t->spool, database, e);
}

uint64_t sql_text_bytes(const struct sql_text *t)
{
    struct stat st = {0};
    if (t->item)
        return t->item->manifest.content.bytes;
    return fstat(t->spool, &st) < 0 ? 0 : (uint64_t)st.st_size;
}

void sql_text_clear(struct sql_text *t)
{
    cleanup_fd(&t->spool);
    sql_scan_clear(&t->scan);
    free(t->name);
    free(t->manifest);
    *t = (struct sql_text){.spool = -1};
}
