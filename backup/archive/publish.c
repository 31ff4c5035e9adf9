/* pack_publish: read back, write the manifest, give everything its name. */
#include "backup/archive/pack_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backup/archive/unpack_internal.h"
#include "common/clock.h"
#include "common/hex.h"
#include "common/lang.h"
#include "common/utf8.h"

/* The entry lines from their begin. Both sources are the caller's to drop, plain first. */
static int list_source(struct pack *p, struct source **file, struct source **plain, struct err *e)
{
    if (lseek(p->list_fd, 0, SEEK_SET) < 0)
        return err_sys(e, errno, "cannot read the list of files");
    *file = source_file(p->list_fd, N_("the list of files"));
    *plain = *file;
    int r = p->encrypted ? age_source_with_key(*file, p->list_key, plain, e) : 0;
    if (r < 0)
        (*file)->drop(*file);
    return r;
}

static void drop_sources(struct source *file, struct source *plain)
{
    if (plain != file)
        plain->drop(plain);
    file->drop(file);
}

static void readback_progress(void *ctx, uint64_t done, uint64_t total, const char *path)
{
    struct pack_pace *pace = ctx;
    (void)total;
    if (clock_mono_ms() >= pace->next_progress_ms)
        pack_tell(pace, done, path);
}

/* Everything is inflated by zlib, whatever deflated it, and each file's hash compared. */
static int read_back(struct pack *p, struct unpack_result *result, struct err *e)
{
    uint8_t key[AGE_FILE_KEY];
    struct source *file, *plain;
    _cleanup_free_ char *path = xasprintf("%s/%s", p->folder, p->part);
    struct unpack_options o = {.archive = path,
        .into = -1,
        .second_opinion = true,
        .threads = p->o.threads,
        .go_on = pack_may_go_on,
        .progress = readback_progress,
        .ctx = &p->pace};
    if (p->encrypted)
        age_sink_file_key(p->sink, key);
    int r = list_source(p, &file, &plain, e);
    if (r < 0)
        return r;
    struct manifest_file *entries = manifest_file_entries(plain);
    r = unpack_entries(&o, entries, p->encrypted ? key : NULL, result, e);
    manifest_file_close(entries);
    drop_sources(file, plain);
    if (r == UNPACK_STOPPED)
        return PACK_STOPPED;
    if (r > 0) {
        err_prefix(e, r, "read back after writing");
        return PACK_DAMAGED;
    }
    return r;
}

/* What was read back must also be as much as was written. */
static int check_totals(struct pack *p, const struct unpack_result *r, struct err *e)
{
    uint8_t sum[32];
    char text[SHA256_HEX_LEN];
    if (r->bytes < p->tar.bytes || r->tar_bytes != gzip_write_in(p->tar.gzip)) {
        err_set(e, EBADMSG, "read back after writing: %llu bytes of tar, %llu were written",
            (unsigned long long)r->tar_bytes, (unsigned long long)gzip_write_in(p->tar.gzip));
        return PACK_DAMAGED;
    }
    if (p->tar.streamed || p->encrypted)
        return 0; /* its beginning was written last, so no hash was kept on the way */
    sink_file_totals(p->file_sink, sum);
    hex_text(sum, sizeof sum, text);
    if (strcmp(text, r->sha256) == 0)
        return 0;
    err_set(e, EBADMSG, "read back after writing: the file's SHA-256 is another one");
    return PACK_DAMAGED;
}

static void fill_times(struct manifest *m)
{
    char text[64];
    time_t t = (time_t)(m->started_ms / 1000);
    struct tm tm;
    CHECK(localtime_r(&t, &tm));
    long off = tm.tm_gmtoff / 60;
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    free(m->local_time);
    m->local_time = xasprintf("%s%c%02ld:%02ld", text, off < 0 ? '-' : '+',
        (off < 0 ? -off : off) / 60, (off < 0 ? -off : off) % 60);
    free(m->zone);
    m->zone = xstrdup(tm.tm_zone ? tm.tm_zone : "UTC");
}

static int fill_manifest(
    struct pack *p, struct manifest *m, const struct unpack_result *r, struct err *e)
{
    char host[256] = "";
    struct stat st;
    if (fstat(p->fd, &st) < 0)
        return err_sys(e, errno, "cannot look at %s", p->part);
    snprintf(m->type, sizeof m->type, "%s", p->type);
    snprintf(m->run, sizeof m->run, "%s", p->run);
    m->sequence = p->o.sequence;
    if (p->o.key)
        memcpy(m->installation, p->o.key->public, sizeof m->installation);
    gethostname(host, sizeof host - 1);
    free(m->host);
    m->host = xstrdup(utf8_copy(host, sizeof host, host));
    free(m->program);
    m->program = xstrdup("elexgate " ELEXGATE_VERSION);
    fill_times(m);
    free(m->archive.file);
    m->archive.file = xstrdup(p->name);
    m->archive.size = (uint64_t)st.st_size;
    memcpy(m->archive.sha256, r->sha256, sizeof m->archive.sha256);
    free(m->archive.backend);
    m->archive.backend = xstrdup(p->backend->name);
    m->archive.level = deflate_level(p->backend, p->o.level);
    free(m->archive.encryption);
    m->archive.encryption = xstrdup(p->encrypted ? "age" : NULL);
    m->content.files = r->files;
    m->content.directories = r->directories;
    m->content.symlinks = r->symlinks;
    m->content.bytes = p->tar.bytes;
    m->content.tar_bytes = r->tar_bytes;
    for (size_t i = 0; i < p->reader.notes.note_count; i++)
        manifest_add_note(m, "%s", p->reader.notes.notes[i]);
    return 0;
}

/* One manifest under its .part name, on the disk. */
static int write_manifest(struct pack *p, const struct manifest *m, bool encrypted,
    struct source *lines, char digest[static SHA256_HEX_LEN], struct err *e)
{
    char name[ARCHIVE_NAME_LEN];
    pack_name(p, ARCHIVE_NAME_MANIFEST, encrypted, true, name);
    int fd = openat(p->dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_sys(e, errno, "cannot make %s/%s", p->folder, name);
    struct sink *sink = sink_file(fd, name);
    int r = 0;
    if (encrypted) {
        struct sink *below = sink;
        sink = NULL;
        r = age_sink(below, p->o.recipients, p->o.passphrase, &sink, e);
    }
    if (r == 0)
        r = manifest_file_write(sink, m, lines, p->o.key, digest, e);
    if (r == 0)
        r = sink->finish(sink, e);
    if (r == 0 && fsync(fd) < 0)
        r = err_sys(e, errno, "cannot write %s/%s to the disk", p->folder, name);
    if (sink)
        sink->drop(sink);
    close(fd);
    return r;
}

static int digest_entries(struct pack *p, struct manifest *m, struct err *e)
{
    struct source *file, *plain;
    int r = list_source(p, &file, &plain, e);
    if (r < 0)
        return r;
    r = manifest_file_digest_lines(plain, m->entries_sha256, e);
    drop_sources(file, plain);
    return r;
}

static int write_manifests(struct pack *p, struct manifest *m, struct err *e)
{
    struct source *file, *plain;
    int r = digest_entries(p, m, e);
    if (r == 0)
        r = list_source(p, &file, &plain, e);
    if (r < 0)
        return r;
    r = write_manifest(p, m, p->encrypted, plain, p->digest, e);
    drop_sources(file, plain);
    if (r < 0 || !p->encrypted)
        return r;
    /* Beside an encrypted archive: what is needed to list, count and check it, and nothing that
     * names a file or a table. Its seal covers the whole one too. */
    struct manifest open = *m;
    open.brief = true;
    memcpy(open.full_sha256, p->digest, sizeof open.full_sha256);
    r = manifest_file_digest_lines(NULL, open.entries_sha256, e);
    open.tables = NULL;
    open.table_count = 0;
    open.notes = NULL;
    open.note_count = 0;
    open.info = NULL;
    return r < 0 ? r : write_manifest(p, &open, false, NULL, p->digest, e);
}

/* From .part to its name, never over something that is there. */
static int give_name(struct pack *p, const char *from, const char *to, struct err *e)
{
    if (renameat2(p->dirfd, from, p->dirfd, to, RENAME_NOREPLACE) == 0)
        return 0;
    /* File systems that cannot (some network ones): a hard link is exclusive too. */
    if ((errno == EINVAL || errno == ENOSYS) && linkat(p->dirfd, from, p->dirfd, to, 0) == 0) {
        unlinkat(p->dirfd, from, 0);
        return 0;
    }
    return err_sys(e, errno, "cannot name %s/%s", p->folder, to);
}

/* The plain manifest last: what has none does not count. */
static int give_names(struct pack *p, struct err *e)
{
    char from[ARCHIVE_NAME_LEN], to[ARCHIVE_NAME_LEN];
    int r = give_name(p, p->part, p->name, e);
    bool named = r == 0;
    for (int encrypted = p->encrypted; encrypted >= 0 && r == 0; encrypted--) {
        pack_name(p, ARCHIVE_NAME_MANIFEST, encrypted, true, from);
        pack_name(p, ARCHIVE_NAME_MANIFEST, encrypted, false, to);
        r = give_name(p, from, to, e);
    }
    if (r == 0 && fsync(p->dirfd) < 0)
        r = err_sys(e, errno, "cannot write the folder %s to the disk", p->folder);
    if (r < 0 && named) /* nothing of it without its manifest */
        unlinkat(p->dirfd, p->name, 0);
    return r;
}

int pack_publish(struct pack *p, struct manifest *m, struct err *e)
{
    struct unpack_result result;
    CHECK(p->closed && !p->published);
    p->pace.phase = "verify";
    int r = read_back(p, &result, e);
    if (r == 0)
        r = check_totals(p, &result, e);
    if (r != 0)
        return r;
    p->pace.phase = "publish";
    pack_tell(&p->pace, 0, NULL);
    r = fill_manifest(p, m, &result, e);
    if (r == 0)
        r = write_manifests(p, m, e);
    if (r == 0)
        r = give_names(p, e);
    p->published = r == 0;
    return r;
}

const char *pack_digest(const struct pack *p)
{
    return p->digest;
}
