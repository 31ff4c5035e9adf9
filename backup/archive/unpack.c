/*
 * Reading an archive: our gzip reader below libarchive's tar reader, each member compared with the
 * manifest's entry of the same place.
 */
#include "backup/archive/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <locale.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backup/archive/age.h"
#include "backup/archive/gzip_read.h"
#include "backup/archive/place.h"
#include "backup/archive/unpack_internal.h"

#define STEP        (1024 * 1024)
#define TAR_END     1024 /* zeros at the end of a tar */
#define PROGRESS_MS 100

struct unpack {
    const struct unpack_options *o;
    struct manifest_file *entries;
    struct source *file, *plain;
    int fd;
    struct gzip_reader *gzip;
    struct archive *tar;
    int read_result; /* what the gzip layer said inside libarchive's callback */
    struct err read_error;
    uint64_t tar_bytes, zeros_at_end;
    uint64_t max_bytes, max_files, total;
    struct place *place;
    struct unpack_result result;
    struct manifest_entry want; /* the manifest's entry of this place */
    bool compare, stopped, at_end;
};

/* ---- reading ---- */

static bool may_go_on(struct unpack *u)
{
    return !u->o->go_on || u->o->go_on(u->o->ctx);
}

/* A tar must end with zeros: how many were there at the end of what was read so far. */
static void count_zeros(struct unpack *u, const uint8_t *data, size_t len)
{
    size_t n = 0;
    while (n < len && n < TAR_END && data[len - 1 - n] == 0)
        n++;
    u->zeros_at_end = n == len ? u->zeros_at_end + n : n;
}

static la_ssize_t tar_read(struct archive *a, void *ctx, const void **data)
{
    struct unpack *u = ctx;
    const uint8_t *bytes = NULL;
    size_t len = 0;
    u->stopped = !may_go_on(u);
    /* An empty member is no end: libarchive would take it for one. */
    while (!u->stopped && u->read_result == 0 && len == 0)
        u->read_result = gzip_read_next(u->gzip, &bytes, &len, &u->read_error);
    if (u->read_result == GZIP_READ_END) {
        u->at_end = true;
        u->read_result = 0;
        return 0;
    }
    if (u->stopped || u->read_result != 0) {
        archive_set_error(a, EIO, "not read");
        return -1;
    }
    u->tar_bytes += len;
    count_zeros(u, bytes, len);
    *data = bytes;
    return (la_ssize_t)len;
}

static int damage(struct err *e, const char *fmt, ...) PRINTF(2, 3);
static int damage(struct err *e, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    err_set(e, EBADMSG, "%s", text);
    return UNPACK_DAMAGED;
}

/* Turns what the layers below said into an outcome. where: the member, or NULL. */
static int reading_failed(struct unpack *u, const char *where, struct err *e)
{
    if (u->stopped)
        return UNPACK_STOPPED;
    if (u->read_result == GZIP_READ_DAMAGED || u->read_result == -EBADMSG)
        return where ? damage(e, "%.200s (in %.150s)", u->read_error.text, where)
                     : damage(e, "%.390s", u->read_error.text);
    if (u->read_result < 0) {
        if (e)
            *e = u->read_error;
        return u->read_result;
    }
    if (u->at_end)
        return damage(e, "the archive was cut: its content ends at byte %" PRIu64 "%s%.200s",
            u->tar_bytes, where ? ", in " : "", where ? where : "");
    const char *why = archive_error_string(u->tar);
    return damage(e, "the tar inside is broken behind byte %" PRIu64 "%s%.150s: %.150s",
        u->tar_bytes, where ? ", in " : "", where ? where : "", why ? why : "unknown");
}

/* ---- comparing with the manifest ---- */

static const char *type_word(enum manifest_entry_type t)
{
    return t == ENTRY_FILE ? "a file" : t == ENTRY_DIRECTORY ? "a folder" : "a link";
}

static int next_entry(struct unpack *u, const char *path, struct err *e)
{
    struct err why = {0};
    if (!u->compare)
        return 0;
    manifest_entry_clear(&u->want);
    int r = manifest_file_next(u->entries, &u->want, &why);
    if (r == 1)
        return damage(e, "the archive holds %.200s, which the manifest does not know", path);
    if (r < 0)
        return damage(e, "%.390s", why.text);
    if (strcmp(u->want.path, path) != 0)
        return damage(
            e, "the archive holds %.150s where the manifest has %.150s", path, u->want.path);
    return 0;
}

static int compare_header(struct unpack *u, const char *path, enum manifest_entry_type type,
    struct archive_entry *ae, struct err *e)
{
    if (!u->compare)
        return 0;
    const struct manifest_entry *w = &u->want;
    if (w->type != type)
        return damage(e, "%.200s is %s in the archive and %s in the manifest", path,
            type_word(type), type_word(w->type));
    if (type == ENTRY_FILE && (uint64_t)archive_entry_size(ae) != w->size)
        return damage(e,
            "%.200s has %" PRId64 " bytes in the archive and %" PRIu64 " in the manifest", path,
            (int64_t)archive_entry_size(ae), w->size);
    const char *target = archive_entry_symlink(ae);
    if (type == ENTRY_SYMLINK && (!target || strcmp(target, w->target) != 0))
        return damage(e, "the link %.200s points elsewhere than the manifest says", path);
    if (type != ENTRY_SYMLINK && (archive_entry_perm(ae) & 07777) != w->mode)
        return damage(e, "the mode of %.200s is not the manifest's", path);
    return 0;
}

/* ---- one member ---- */

static int unsafe(struct err *e, const char *path, const char *what)
{
    err_set(e, EPERM, "%.300s: %s; nothing of it was written", path, what);
    return UNPACK_UNSAFE;
}

/* Without leading "./", without a trailing "/", and without the first `strip` parts. Empty: the
 * top folder itself. */
static char *clean_path(const char *raw, unsigned strip)
{
    while (raw[0] == '.' && raw[1] == '/')
        raw += 2 + strspn(raw + 2, "/");
    if (strcmp(raw, ".") == 0)
        raw = "";
    for (unsigned i = 0; i < strip && *raw; i++) {
        const char *slash = strchr(raw, '/');
        raw = slash ? slash + 1 : raw + strlen(raw);
    }
    char *path = xstrdup(raw);
    size_t n = strlen(path);
    while (n > 0 && path[n - 1] == '/')
        path[--n] = 0;
    return path;
}

static struct place_meta meta_of(struct unpack *u, struct archive_entry *ae)
{
    struct place_meta m = {.mode = (uint32_t)archive_entry_perm(ae),
        .uid = (uid_t)archive_entry_uid(ae),
        .gid = (gid_t)archive_entry_gid(ae),
        .mtime_ns = (int64_t)archive_entry_mtime(ae) * 1000000000 + archive_entry_mtime_nsec(ae)};
    if (u->compare)
        m.mtime_ns = u->want.mtime_ns; /* the tar has whole seconds only */
    return m;
}

static int write_at(int fd, const uint8_t *data, size_t n, int64_t at, struct err *e)
{
    while (n > 0) {
        ssize_t w = pwrite(fd, data, n, at);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return err_sys(e, errno, "cannot write");
        data += w;
        n -= (size_t)w;
        at += w;
    }
    return 0;
}

static void hash_zeros(EVP_MD_CTX *hash, uint64_t n)
{
    static const uint8_t zeros[65536];
    while (n > 0) {
        size_t part = n < sizeof zeros ? (size_t)n : sizeof zeros;
        CHECK(EVP_DigestUpdate(hash, zeros, part));
        n -= part;
    }
}

/* The content: hashed, and written to fd if that is not -1. */
static int copy_content(
    struct unpack *u, const char *path, uint64_t size, int fd, EVP_MD_CTX *hash, struct err *e)
{
    uint64_t pos = 0;
    for (;;) {
        const void *data;
        size_t n;
        la_int64_t at;
        int x = archive_read_data_block(u->tar, &data, &n, &at);
        if (x == ARCHIVE_EOF)
            break;
        if (x != ARCHIVE_OK && x != ARCHIVE_WARN)
            return reading_failed(u, path, e);
        if (at < 0 || (uint64_t)at < pos || (uint64_t)at > size || n > size - (uint64_t)at)
            return damage(e, "%.300s has data outside its size", path);
        hash_zeros(hash, (uint64_t)at - pos);
        CHECK(EVP_DigestUpdate(hash, data, n));
        int r = fd >= 0 ? write_at(fd, data, n, at, e) : 0;
        if (r < 0)
            return err_prefix(e, r, "%s", path);
        pos = (uint64_t)at + n;
        u->total += n;
    }
    hash_zeros(hash, size - pos);
    return 0;
}

static int check_limits(struct unpack *u, const char *path, uint64_t size, struct err *e)
{
    if (size > u->max_bytes || u->result.bytes > u->max_bytes - size)
        return unsafe(e, path, "more bytes than the archive may hold");
    return 0;
}

static int file_content(
    struct unpack *u, const char *path, struct archive_entry *ae, int fd, struct err *e)
{
    uint8_t sum[32];
    char text[SHA256_HEX_LEN];
    uint64_t size = (uint64_t)archive_entry_size(ae);
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    CHECK(hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL));
    int r = copy_content(u, path, size, fd, hash, e);
    CHECK(EVP_DigestFinal_ex(hash, sum, NULL));
    EVP_MD_CTX_free(hash);
    if (r != 0)
        return r;
    for (int i = 0; i < 32; i++)
        snprintf(text + 2 * i, 3, "%02x", sum[i]);
    if (u->compare && strcmp(text, u->want.sha256) != 0)
        return damage(e, "the content of %.300s is not what was backed up (SHA-256 differs)", path);
    u->result.bytes += size;
    return 0;
}

static int take_file(struct unpack *u, const char *path, struct archive_entry *ae, struct err *e)
{
    int fd = -1;
    struct place_meta m = meta_of(u, ae);
    int r = check_limits(u, path, (uint64_t)archive_entry_size(ae), e);
    if (r != 0)
        return r;
    if (u->place && (m.mode & 06000))
        return unsafe(e, path, "a file with setuid or setgid bits");
    bool place = u->place && !(u->compare && u->want.replaced);
    if (place)
        r = place_file(u->place, path, &fd, e);
    if (r != 0)
        return r;
    r = file_content(u, path, ae, fd, e);
    if (place && r == 0)
        return place_file_done(u->place, fd, (uint64_t)archive_entry_size(ae), &m, e);
    if (place)
        close(fd);
    return r;
}

static int take_link(struct unpack *u, const char *path, struct archive_entry *ae, struct err *e)
{
    const char *target = archive_entry_symlink(ae);
    u->result.symlinks++;
    if (!u->place)
        return 0;
    if (!u->o->symlinks)
        return unsafe(e, path, "a symbolic link, which has no place in this kind of archive");
    if (!target || !place_symlink_safe(path, target))
        u->result.links_left_out++;
    else
        place_symlink(u->place, path, target);
    return 0;
}

static int take_member(struct unpack *u, const char *path, struct archive_entry *ae, struct err *e)
{
    mode_t type = archive_entry_filetype(ae);
    if (u->result.files + u->result.directories + u->result.symlinks >= u->max_files)
        return unsafe(e, path, "more files than the archive may hold");
    if (archive_entry_hardlink(ae))
        return unsafe(e, path, "a hard link");
    if (type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK)
        return unsafe(e, path, "neither a file nor a folder (a device, a FIFO or a socket)");
    enum manifest_entry_type t = type == AE_IFREG   ? ENTRY_FILE
                                 : type == AE_IFDIR ? ENTRY_DIRECTORY
                                                    : ENTRY_SYMLINK;
    int r = next_entry(u, path, e);
    if (r == 0)
        r = compare_header(u, path, t, ae, e);
    if (r != 0)
        return r;
    if (t == ENTRY_FILE) {
        r = take_file(u, path, ae, e);
        u->result.files += !(u->compare && u->want.replaced);
        return r;
    }
    if (t == ENTRY_SYMLINK)
        return take_link(u, path, ae, e);
    u->result.directories++;
    struct place_meta m = meta_of(u, ae);
    return u->place ? place_folder(u->place, path, &m, e) : 0;
}

static void tell(struct unpack *u, const char *path)
{
    const struct manifest *m = u->entries ? manifest_file_head(u->entries) : NULL;
    if (u->o->progress)
        u->o->progress(u->o->ctx, u->total, m ? m->content.bytes : 0, path);
}

static int next_member(struct unpack *u, struct err *e)
{
    struct archive_entry *ae;
    int x = archive_read_next_header(u->tar, &ae);
    if (x == ARCHIVE_EOF)
        return 1000; /* the end; told apart from all outcomes */
    if (x != ARCHIVE_OK && x != ARCHIVE_WARN)
        return reading_failed(u, NULL, e);
    const char *raw = archive_entry_pathname(ae);
    if (!raw)
        return damage(e, "a member without a name at byte %" PRIu64, u->tar_bytes);
    _cleanup_free_ char *path = clean_path(raw, u->o->strip);
    if (!*path && archive_entry_filetype(ae) == AE_IFDIR)
        return 0; /* "./" of old archives */
    if (!manifest_path_valid(path))
        return unsafe(e, raw, "a path that leaves its folder");
    tell(u, path);
    return take_member(u, path, ae, e);
}

/* ---- the whole archive ---- */

static int open_layers(struct unpack *u, const uint8_t *age_key, struct err *e)
{
    const char *name = u->o->archive;
    size_t n = strlen(name);
    bool age = age_key || (n > 4 && strcmp(name + n - 4, ".age") == 0);
    u->fd = open(name, O_RDONLY | O_CLOEXEC);
    if (u->fd < 0)
        return err_sys(e, errno, "cannot open the archive %s", name);
    u->file = source_file(u->fd, name);
    u->plain = u->file;
    int r = 0;
    if (age_key)
        r = age_source_with_key(u->file, age_key, &u->plain, e);
    else if (age)
        r = age_source(u->file, u->o->identity_file, u->o->passphrase, &u->plain, e);
    if (r == AGE_LOCKED)
        return UNPACK_LOCKED;
    if (r == -EBADMSG)
        return UNPACK_DAMAGED;
    if (r < 0)
        return r;
    u->gzip = gzip_read_open(
        u->plain, u->o->second_opinion ? inflate_zlib() : inflate_fastest(), u->o->threads);
    u->tar = archive_read_new();
    CHECK(u->tar);
    CHECK(archive_read_support_format_tar(u->tar) == ARCHIVE_OK);
    CHECK(archive_read_support_format_empty(u->tar) == ARCHIVE_OK);
    if (archive_read_open(u->tar, u, NULL, tar_read, NULL) != ARCHIVE_OK)
        return reading_failed(u, NULL, e);
    return 0;
}

/* Behind the tar's end: only zeros, and the gzip must be whole to its last byte. */
static int drain(struct unpack *u, struct err *e)
{
    while (!u->at_end) {
        const uint8_t *data;
        size_t len;
        if (!may_go_on(u))
            return UNPACK_STOPPED;
        u->read_result = gzip_read_next(u->gzip, &data, &len, &u->read_error);
        if (u->read_result == GZIP_READ_END)
            break;
        if (u->read_result != 0)
            return reading_failed(u, NULL, e);
        u->tar_bytes += len;
        for (size_t i = 0; i < len; i++)
            if (data[i] != 0)
                return damage(e, "something follows the end of the tar at byte %" PRIu64,
                    u->tar_bytes - len + i);
        u->zeros_at_end += len;
    }
    if (u->zeros_at_end < TAR_END)
        return damage(e,
            "the end of the tar is missing: the archive was cut at byte %" PRIu64 " of its content",
            u->tar_bytes);
    /* The file itself may go on behind an encryption's end; the age reader has checked that. */
    return 0;
}

static int check_totals(struct unpack *u, struct err *e)
{
    if (!u->compare)
        return 0;
    struct err why = {0};
    struct manifest_entry more;
    int r = manifest_file_next(u->entries, &more, &why);
    if (r < 0)
        return damage(e, "%.390s", why.text);
    if (r == 0) {
        r = damage(e, "the manifest has %.200s, which is missing in the archive", more.path);
        manifest_entry_clear(&more);
        return r;
    }
    const struct manifest *m = manifest_file_head(u->entries);
    if (m && u->tar_bytes != m->content.tar_bytes)
        return damage(e, "the tar inside has %" PRIu64 " bytes, the manifest says %" PRIu64,
            u->tar_bytes, m->content.tar_bytes);
    if (m && (u->result.files != m->content.files || u->result.symlinks != m->content.symlinks ||
                 u->result.directories != m->content.directories))
        return damage(e, "the manifest's count of files is not that of its entries");
    return 0;
}

static int check_file(struct unpack *u, struct err *e)
{
    uint8_t sum[32], rest[4096];
    /* What the gzip or age reader did not need to read: nothing, or it has been told as damage. */
    ssize_t n;
    while ((n = u->file->read(u->file, rest, sizeof rest, e)) > 0)
        continue;
    if (n < 0)
        return (int)n;
    uint64_t size = source_file_totals(u->file, sum);
    for (int i = 0; i < 32; i++)
        snprintf(u->result.sha256 + 2 * i, 3, "%02x", sum[i]);
    const struct manifest *m = u->entries ? manifest_file_head(u->entries) : NULL;
    if (m && size != m->archive.size)
        return damage(e, "the archive has %" PRIu64 " bytes, the manifest says %" PRIu64, size,
            m->archive.size);
    if (m && strcmp(u->result.sha256, m->archive.sha256) != 0)
        return damage(e,
            "the archive's SHA-256 is not the manifest's, though its content is: it was "
            "written anew by something else");
    return 0;
}

static int read_all(struct unpack *u, struct err *e)
{
    int r;
    do
        r = next_member(u, e);
    while (r == 0);
    if (r == 1000)
        r = drain(u, e);
    if (r == 0)
        r = check_totals(u, e);
    if (r == 0)
        r = check_file(u, e);
    if (r == 0 && u->place)
        r = place_finish(u->place, e);
    tell(u, "");
    return r;
}

static void set_limits(struct unpack *u)
{
    const struct manifest *m = u->entries ? manifest_file_head(u->entries) : NULL;
    u->max_bytes = u->o->max_bytes ? u->o->max_bytes : UINT64_MAX;
    u->max_files = u->o->max_files ? u->o->max_files : UINT64_MAX;
    /* Files that were put in again (entry.replaced) come on top: three attempts at most. */
    if (m && !u->o->max_bytes && !m->sealed)
        u->max_bytes = m->content.bytes <= UINT64_MAX / 3 ? 3 * m->content.bytes : UINT64_MAX;
    u->compare = u->entries && !(m && m->sealed);
}

int unpack_entries(const struct unpack_options *o, struct manifest_file *entries,
    const uint8_t *age_key, struct unpack_result *r, struct err *e)
{
    struct unpack u = {.o = o, .entries = entries, .fd = -1};
    /* Names are bytes: with any other locale libarchive would refuse or bend them. */
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    locale_t old = uselocale(utf8 ? utf8 : LC_GLOBAL_LOCALE);
    set_limits(&u);
    if (o->into >= 0)
        u.place = place_open(o->into, o->owners, o->sync);
    int x = open_layers(&u, age_key, e);
    if (x == 0)
        x = read_all(&u, e);
    if (u.tar)
        archive_read_free(u.tar);
    gzip_read_drop(u.gzip);
    if (u.plain && u.plain != u.file)
        u.plain->drop(u.plain);
    if (u.file)
        u.file->drop(u.file);
    if (u.fd >= 0)
        close(u.fd);
    place_drop(u.place);
    manifest_entry_clear(&u.want);
    uselocale(old);
    if (utf8)
        freelocale(utf8);
    u.result.tar_bytes = u.tar_bytes;
    if (x == 0)
        *r = u.result;
    return x;
}

int unpack_run(const struct unpack_options *o, struct unpack_result *r, struct err *e)
{
    struct manifest_file *f = NULL;
    CHECK(o->manifest || (o->max_bytes && o->max_files));
    if (o->manifest) {
        int x = manifest_file_open(o->manifest, o->identity_file, o->passphrase, &f, e);
        if (x == AGE_LOCKED)
            return UNPACK_LOCKED;
        if (x == -EINVAL || x == -ENOENT)
            return UNPACK_DAMAGED;
        if (x < 0)
            return x;
    }
    int x = unpack_entries(o, f, NULL, r, e);
    manifest_file_close(f);
    return x;
}
