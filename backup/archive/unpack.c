/*
 * Reading an archive: what the process that parses it says (parse.h), each member compared with the
 * manifest's entry of the same place.
 */
#include "backup/archive/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "backup/archive/age.h"
#include "backup/archive/parse_member.h"
#include "backup/archive/unpack_internal.h"
#include "common/utf8.h"
#include "common/hex.h"
#include "common/lang.h"

/* ---- reading ---- */

static bool may_go_on(struct unpack *u)
{
    return !u->o->go_on || u->o->go_on(u->o->ctx);
}

int unpack_damage(struct err *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)err_set_v(e, EBADMSG, fmt, ap);
    va_end(ap);
    return UNPACK_DAMAGED;
}

int unpack_next(struct unpack *u, struct parse_frame *f, struct err *e)
{
    if (!may_go_on(u))
        return UNPACK_STOPPED;
    int r = parser_next(u->parser, f, e);
    return r == PARSE_BROKEN ? UNPACK_DAMAGED : r;
}

static void tell_unpacked(struct unpack *u, const char *path)
{
    const struct manifest *m = u->entries ? manifest_file_head(u->entries) : NULL;
    if (u->o->progress)
        u->o->progress(u->o->ctx, u->total, m ? m->content.bytes : 0, path);
}

static int take_member(struct unpack *u, const struct parse_frame *f, struct err *e)
{
    archive_entry_clear(u->entry);
    if (!parse_member_take(f->data, f->n, u->entry))
        return unpack_damage(e, "the program that unpacks it gave no proper answer");
    const char *raw = archive_entry_pathname(u->entry);
    _cleanup_free_ char *path = unpack_clean_path(raw ? raw : "", u->o->strip);
    if (raw && !*path && archive_entry_filetype(u->entry) == AE_IFDIR)
        return 0; /* "./" of old archives */
    if (!manifest_path_valid(path))
        return unpack_unsafe(e, raw ? raw : "", N_("a path that leaves its folder"));
    tell_unpacked(u, path);
    return unpack_member(u, path, u->entry, e);
}

/* 1000: the end; told apart from all outcomes */
static int next_member(struct unpack *u, struct err *e)
{
    struct parse_frame f;
    int r = unpack_next(u, &f, e);
    if (r != 0)
        return r;
    if (f.kind == PARSE_DATA && f.n == 0) /* it still reads, behind the last one */
        return 0;
    if (f.kind == PARSE_MEMBER)
        return take_member(u, &f, e);
    if (f.kind != PARSE_END)
        return unpack_damage(e, "the program that unpacks it gave no proper answer");
    u->tar_bytes = f.at;
    return 1000;
}

/* ---- the whole archive ---- */

static int open_layers(struct unpack *u, const uint8_t *age_key, struct err *e)
{
    const char *name = u->o->archive;
    const struct manifest *m = u->entries ? manifest_file_head(u->entries) : NULL;
    u->fd = open(name, O_RDONLY | O_CLOEXEC);
    if (u->fd < 0)
        return err_sys(e, errno, "cannot open the archive %s", name);
    u->file = source_file(u->fd, name);
    u->plain = u->file;
    bool age = age_key || age_begins(u->fd);
    if (m && age != (m->archive.encryption != NULL))
        return unpack_damage(
            e, age ? "the archive is encrypted, its manifest says that it is not"
                   : N_("the archive is not encrypted, its manifest says that it is"));
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
    struct parse_options as = {
        .as = PARSE_TAR, .second_opinion = u->o->second_opinion, .threads = u->o->threads};
    u->entry = archive_entry_new();
    CHECK(u->entry);
    return parser_start(&as, u->plain, &u->parser, e);
}

static int check_totals(struct unpack *u, struct err *e)
{
    if (!u->compare)
        return 0;
    struct err why = {0};
    struct manifest_entry more;
    int r = manifest_file_next(u->entries, &more, &why);
    if (r < 0) {
        (void)err_copy(e, EBADMSG, &why);
        return UNPACK_DAMAGED;
    }
    if (r == 0) {
        r = unpack_damage(
            e, "the manifest has %s, which is missing in the archive", UTF8_SHORT(more.path, 200));
        manifest_entry_clear(&more);
        return r;
    }
    const struct manifest *m = manifest_file_head(u->entries);
    if (m && u->tar_bytes != m->content.tar_bytes)
        return unpack_damage(e, "the tar inside has %" PRIu64 " bytes, the manifest says %" PRIu64,
            u->tar_bytes, m->content.tar_bytes);
    if (m && (u->result.files != m->content.files || u->result.symlinks != m->content.symlinks ||
                 u->result.directories != m->content.directories))
        return unpack_damage(e, "the manifest's count of files is not that of its entries");
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
    hex_text(sum, 32, u->result.sha256);
    const struct manifest *m = u->entries ? manifest_file_head(u->entries) : NULL;
    if (m && size != m->archive.size)
        return unpack_damage(e, "the archive has %" PRIu64 " bytes, the manifest says %" PRIu64,
            size, m->archive.size);
    if (m && strcmp(u->result.sha256, m->archive.sha256) != 0)
        return unpack_damage(e,
            "the archive's SHA-256 is not the manifest's, though its content is: it was written anew by something else");
    return 0;
}

static int read_all(struct unpack *u, struct err *e)
{
    int r;
    do
        r = next_member(u, e);
    while (r == 0);
    if (r == 1000)
        r = check_totals(u, e);
    if (r == 0)
        r = check_file(u, e);
    if (r == 0 && u->place)
        r = place_finish(u->place, e);
    if (u->place)
        u->result.attributes_left_out = place_attributes_left_out(u->place);
    tell_unpacked(u, "");
    return r;
}

static void set_limits(struct unpack *u)
{
    const struct manifest *m = u->entries ? manifest_file_head(u->entries) : NULL;
    u->max_bytes = u->o->max_bytes ? u->o->max_bytes : UINT64_MAX;
    u->max_files = u->o->max_files ? u->o->max_files : UINT64_MAX;
    /* Files that were put in again (entry.replaced) come on top: three attempts at most. */
    if (m && !u->o->max_bytes && !m->brief)
        u->max_bytes = m->content.bytes <= UINT64_MAX / 3 ? 3 * m->content.bytes : UINT64_MAX;
    u->compare = u->entries && !(m && m->brief);
}

int unpack_entries(const struct unpack_options *o, struct manifest_file *entries,
    const uint8_t *age_key, struct unpack_result *r, struct err *e)
{
    struct unpack u = {.o = o, .entries = entries, .fd = -1};
    set_limits(&u);
    if (o->into >= 0)
        u.place = place_open(o->into, o->owners, o->sync);
    int x = open_layers(&u, age_key, e);
    if (x == 0)
        x = read_all(&u, e);
    parser_drop(u.parser);
    archive_entry_free(u.entry);
    if (u.plain && u.plain != u.file)
        u.plain->drop(u.plain);
    if (u.file)
        u.file->drop(u.file);
    if (u.fd >= 0)
        close(u.fd);
    place_drop(u.place);
    manifest_entry_clear(&u.want);
    u.result.tar_bytes = u.tar_bytes;
    if (x == 0)
        *r = u.result;
    return x;
}

int unpack_run(const struct unpack_options *o, struct unpack_result *r, struct err *e)
{
    _cleanup_manifest_file_ struct manifest_file *f = NULL;
    CHECK(o->manifest || (o->max_bytes && o->max_files));
    if (o->manifest) {
        int x = manifest_file_open(o->manifest, o->identity_file, o->passphrase, o->expect, &f, e);
        if (x == AGE_LOCKED)
            return UNPACK_LOCKED;
        if (x == -EINVAL || x == -ENOENT)
            return UNPACK_DAMAGED;
        if (x < 0)
            return x;
    }
    int x = unpack_entries(o, f, NULL, r, e);
    return x;
}
