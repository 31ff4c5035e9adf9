#include "backup/archive/parse_member.h"

#include <archive.h>
#include <string.h>

/* Numbers as they lie in memory: both halves are one program. */
struct fixed {
    int64_t size, uid, gid, mtime, mtime_ns;
    uint32_t type, perm, has_link, has_target, acls, attributes;
};
struct acl {
    int32_t type, permset, tag, id;
};

static const int acl_types[] = {ARCHIVE_ENTRY_ACL_TYPE_ACCESS, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT};

/* --- out --- */

static bool put(struct buffer *b, const void *data, size_t n)
{
    return n == 0 || buffer_append(b, data, n) == 0;
}

static bool put_bytes(struct buffer *b, const void *data, size_t n)
{
    uint32_t len = (uint32_t)n;
    return n <= UINT32_MAX && put(b, &len, sizeof len) && put(b, data, n);
}

static bool put_text(struct buffer *b, const char *text)
{
    return put_bytes(b, text, strlen(text));
}

/* With out NULL they are only counted: to a mode that has no more there is none. */
static bool put_acls(struct buffer *out, struct archive_entry *ae, uint32_t *n)
{
    *n = 0;
    for (size_t i = 0; i < sizeof acl_types / sizeof acl_types[0]; i++) {
        const char *name;
        int type, permset, tag, id;
        (void)archive_entry_acl_reset(ae, acl_types[i]);
        while (archive_entry_acl_next(ae, acl_types[i], &type, &permset, &tag, &id, &name) ==
               ARCHIVE_OK) {
            struct acl one = {type, permset, tag, id};
            ++*n;
            if (out && !put(out, &one, sizeof one))
                return false;
        }
    }
    return true;
}

bool parse_member_put(struct buffer *b, struct archive_entry *ae)
{
    const char *path = archive_entry_pathname(ae), *target = archive_entry_symlink(ae), *name;
    const void *value;
    size_t size;
    struct fixed f = {.size = archive_entry_size(ae),
        .uid = archive_entry_uid(ae),
        .gid = archive_entry_gid(ae),
        .mtime = archive_entry_mtime(ae),
        .mtime_ns = archive_entry_mtime_nsec(ae),
        .type = archive_entry_filetype(ae),
        .perm = archive_entry_perm(ae),
        .has_link = archive_entry_hardlink(ae) != NULL,
        .has_target = target != NULL,
        .attributes = (uint32_t)archive_entry_xattr_reset(ae)};
    if (!path || !put_acls(NULL, ae, &f.acls) || !put(b, &f, sizeof f) || !put_text(b, path) ||
        (target && !put_text(b, target)) || !put_acls(b, ae, &f.acls))
        return false;
    while (archive_entry_xattr_next(ae, &name, &value, &size) == ARCHIVE_OK)
        if (!put_text(b, name) || !put_bytes(b, value, size))
            return false;
    return true;
}

/* --- in --- */

struct bytes {
    const uint8_t *at;
    size_t left;
};

static bool take(struct bytes *b, void *out, size_t n)
{
    if (b->left < n)
        return false;
    memcpy(out, b->at, n);
    b->at += n;
    b->left -= n;
    return true;
}

static bool take_bytes(struct bytes *b, const void **out, size_t *n)
{
    uint32_t len;
    if (!take(b, &len, sizeof len) || b->left < len)
        return false;
    *out = b->at;
    *n = len;
    b->at += len;
    b->left -= len;
    return true;
}

/* malloc'ed; NULL: none that ends where it says. */
static char *take_text(struct bytes *b)
{
    const void *data;
    size_t n;
    if (!take_bytes(b, &data, &n) || memchr(data, '\0', n))
        return NULL;
    return xasprintf("%.*s", (int)n, (const char *)data);
}

static bool take_acls(struct bytes *b, uint32_t n, struct archive_entry *ae)
{
    for (uint32_t i = 0; i < n; i++) {
        struct acl a;
        if (!take(b, &a, sizeof a))
            return false;
        /* what is none is left out there */
        (void)archive_entry_acl_add_entry(ae, a.type, a.permset, a.tag, a.id, NULL);
    }
    return true;
}

static bool take_attributes(struct bytes *b, uint32_t n, struct archive_entry *ae)
{
    for (uint32_t i = 0; i < n; i++) {
        const void *value;
        size_t size;
        _cleanup_free_ char *name = take_text(b);
        if (!name || !take_bytes(b, &value, &size))
            return false;
        archive_entry_xattr_add_entry(ae, name, value, size);
    }
    return true;
}

bool parse_member_take(const uint8_t *data, size_t n, struct archive_entry *ae)
{
    struct bytes b = {data, n};
    struct fixed f;
    if (!take(&b, &f, sizeof f))
        return false;
    _cleanup_free_ char *path = take_text(&b), *target = f.has_target ? take_text(&b) : NULL;
    if (!path || (f.has_target && !target) || f.size < 0 || (f.type & ~(uint32_t)AE_IFMT))
        return false;
    archive_entry_set_pathname(ae, path);
    archive_entry_set_filetype(ae, f.type);
    archive_entry_set_perm(ae, (mode_t)f.perm & 07777);
    archive_entry_set_size(ae, f.size);
    archive_entry_set_uid(ae, f.uid);
    archive_entry_set_gid(ae, f.gid);
    archive_entry_set_mtime(ae, (time_t)f.mtime, (long)f.mtime_ns);
    if (target)
        archive_entry_set_symlink(ae, target);
    if (f.has_link)
        archive_entry_set_hardlink(ae, path);
    return take_acls(&b, f.acls, ae) && take_attributes(&b, f.attributes, ae) && b.left == 0;
}
