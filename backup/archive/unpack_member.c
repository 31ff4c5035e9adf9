/* One member of an archive: compared with the manifest, checked, put into its place. */
#include "backup/archive/unpack_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>
#include "backup/archive/attributes.h"
#include "common/utf8.h"
#include "common/hex.h"
#include "common/lang.h"

#define HOLE_BLOCK 4096

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
        return unpack_damage(
            e, "the archive holds %s, which the manifest does not know", UTF8_SHORT(path, 200));
    if (r < 0) {
        (void)err_copy(e, EBADMSG, &why);
        return UNPACK_DAMAGED;
    }
    if (strcmp(u->want.path, path) != 0)
        return unpack_damage(e, "the archive holds %s where the manifest has %s",
            UTF8_SHORT(path, 150), UTF8_SHORT(u->want.path, 150));
    return 0;
}

static int compare_header(struct unpack *u, const char *path, enum manifest_entry_type type,
    struct archive_entry *ae, struct err *e)
{
    if (!u->compare)
        return 0;
    const struct manifest_entry *w = &u->want;
    if (w->type != type)
        return unpack_damage(e, "%s is %s in the archive and %s in the manifest",
            UTF8_SHORT(path, 200), type_word(type), type_word(w->type));
    if (type == ENTRY_FILE && (uint64_t)archive_entry_size(ae) != w->size)
        return unpack_damage(e,
            "%s has %" PRId64 " bytes in the archive and %" PRIu64 " in the manifest",
            UTF8_SHORT(path, 200), (int64_t)archive_entry_size(ae), w->size);
    const char *target = archive_entry_symlink(ae);
    if (type == ENTRY_SYMLINK && (!target || strcmp(target, w->target) != 0))
        return unpack_damage(
            e, "the link %s points elsewhere than the manifest says", UTF8_SHORT(path, 200));
    unsigned told = attributes_have_acl(ae) ? 07707 : 07777;
    if (type != ENTRY_SYMLINK && (archive_entry_perm(ae) & told) != (w->mode & told))
        return unpack_damage(e, "the mode of %s is not the manifest's", UTF8_SHORT(path, 200));
    return 0;
}

/* ---- one member ---- */

int unpack_unsafe(struct err *e, const char *path, const char *what)
{
    err_set(e, EPERM, "%s: %s; nothing of it was written", UTF8_SHORT(path, 300), what);
    return UNPACK_UNSAFE;
}

char *unpack_clean_path(const char *raw, unsigned strip)
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

#define MTIME_MAX INT64_C(9000000000) /* of which the nanoseconds fit */

static struct place_meta meta_of(struct unpack *u, struct archive_entry *ae)
{
    int64_t seconds = archive_entry_mtime(ae);
    if (seconds < -MTIME_MAX || seconds > MTIME_MAX) /* a foreign tar says anything */
        seconds = 0;
    struct place_meta m = {.mode = (uint32_t)archive_entry_perm(ae),
        .uid = (uid_t)archive_entry_uid(ae),
        .gid = (gid_t)archive_entry_gid(ae),
        .mtime_ns = seconds * 1000000000 + archive_entry_mtime_nsec(ae)};
    if (u->compare)
        m.mtime_ns = u->want.mtime_ns; /* the tar has whole seconds only */
    if (attributes_any(ae))
        m.attributes = ae;
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

/* As write_at, leaving out blocks of zeros: of a file with very many holes the small ones are
 * stored as zeros, and become holes again here. */
static int write_sparse(int fd, const uint8_t *data, size_t n, int64_t at, struct err *e)
{
    size_t from = 0; /* begin of what must be written */
    for (size_t pos = 0; pos < n;) {
        size_t block = HOLE_BLOCK - (size_t)((at + (int64_t)pos) % HOLE_BLOCK);
        block = block < n - pos ? block : n - pos;
        const uint8_t *p = data + pos;
        if (p[0] == 0 && memcmp(p, p + 1, block - 1) == 0) {
            int r = write_at(fd, data + from, pos - from, at + (int64_t)from, e);
            if (r < 0)
                return r;
            from = pos + block;
        }
        pos += block;
    }
    return write_at(fd, data + from, n - from, at + (int64_t)from, e);
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

/* To whom wants to have it besides. from: where the last piece ended. */
static int hand_on(struct unpack *u, const char *path, const void *data, size_t n, uint64_t from,
    uint64_t at, struct err *e)
{
    if (!u->o->content)
        return 0;
    if (at != from)
        return unpack_damage(e, "%s has a hole at byte %" PRIu64, UTF8_SHORT(path, 300), from);
    return n ? u->o->content(u->o->content_ctx, data, n, e) : 0;
}

/* The content: hashed, and written to fd if that is not -1. */
static int copy_content(
    struct unpack *u, const char *path, uint64_t size, int fd, EVP_MD_CTX *hash, struct err *e)
{
    uint64_t pos = 0;
    bool sparse = u->compare && u->want.stored < u->want.size;
    for (;;) {
        struct parse_frame f;
        int r = unpack_next(u, &f, e);
        if (r != 0)
            return r;
        if (f.kind == PARSE_DONE)
            break;
        if (f.kind != PARSE_DATA || f.at < pos || f.at > size || f.n > size - f.at)
            return unpack_damage(e, "%s has data outside its size", UTF8_SHORT(path, 300));
        hash_zeros(hash, f.at - pos);
        CHECK(EVP_DigestUpdate(hash, f.data, f.n));
        r = fd < 0   ? 0
            : sparse ? write_sparse(fd, f.data, f.n, (int64_t)f.at, e)
                     : write_at(fd, f.data, f.n, (int64_t)f.at, e);
        if (r < 0)
            return err_prefix(e, r, "%s", path);
        if ((r = hand_on(u, path, f.data, f.n, pos, f.at, e)) != 0)
            return r;
        pos = f.at + f.n;
        u->total += f.n;
    }
    hash_zeros(hash, size - pos);
    return hand_on(u, path, NULL, 0, pos, size, e);
}

static int check_limits(struct unpack *u, const char *path, uint64_t size, struct err *e)
{
    if (size > u->max_bytes || u->result.bytes > u->max_bytes - size)
        return unpack_unsafe(e, path, N_("more bytes than the archive may hold"));
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
    hex_text(sum, 32, text);
    if (u->compare && strcmp(text, u->want.sha256) != 0)
        return unpack_damage(e, "the content of %s is not what was backed up (SHA-256 differs)",
            UTF8_SHORT(path, 300));
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
        return unpack_unsafe(e, path, N_("a file with setuid or setgid bits"));
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
    struct place_meta m = meta_of(u, ae);
    m.attributes = NULL;
    u->result.symlinks++;
    if (!u->place)
        return 0;
    if (!u->o->symlinks)
        return unpack_unsafe(
            e, path, N_("a symbolic link, which has no place in this kind of archive"));
    if (!target || !*target || (!u->o->links_out && !place_symlink_safe(path, target)))
        u->result.links_left_out++;
    else
        place_symlink(u->place, path, target, &m);
    return 0;
}

int unpack_member(struct unpack *u, const char *path, struct archive_entry *ae, struct err *e)
{
    mode_t type = archive_entry_filetype(ae);
    if (u->result.files + u->result.directories + u->result.symlinks >= u->max_files)
        return unpack_unsafe(e, path, N_("more files than the archive may hold"));
    if (archive_entry_hardlink(ae))
        return unpack_unsafe(e, path, "a hard link");
    if (type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK)
        return unpack_unsafe(
            e, path, N_("neither a file nor a folder (a device, a FIFO or a socket)"));
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
