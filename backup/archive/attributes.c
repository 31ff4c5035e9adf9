#include "backup/archive/attributes.h"

#include <archive.h>
#include <endian.h>
#include <stdint.h>
#include <string.h>
#include <sys/xattr.h>
#include "common/utf8.h"

#define VALUE_MAX 65536 /* the kernel's own limit for a value, and for the list of names */
#define ACL_MAX   1000  /* entries */

/* The kernel's form of an ACL as an attribute (posix_acl_xattr.h). */
#define ACL_VERSION 2
struct acl_entry {
    uint16_t tag, perm;
    uint32_t id;
};

static const struct acl_kind {
    const char *name;
    int type;
} acls[] = {
    {"system.posix_acl_access", ARCHIVE_ENTRY_ACL_TYPE_ACCESS},
    {"system.posix_acl_default", ARCHIVE_ENTRY_ACL_TYPE_DEFAULT},
};

static const struct tag {
    uint16_t kernel;
    int tar;
} tags[] = {
    {0x01, ARCHIVE_ENTRY_ACL_USER_OBJ},
    {0x02, ARCHIVE_ENTRY_ACL_USER},
    {0x04, ARCHIVE_ENTRY_ACL_GROUP_OBJ},
    {0x08, ARCHIVE_ENTRY_ACL_GROUP},
    {0x10, ARCHIVE_ENTRY_ACL_MASK},
    {0x20, ARCHIVE_ENTRY_ACL_OTHER},
};

static bool kept(const char *name)
{
    return strncmp(name, "user.", 5) == 0 || strncmp(name, "trusted.", 8) == 0 ||
           strcmp(name, "security.NTACL") == 0;
}

/* Labels that a system makes anew by itself; nobody misses them. */
static bool made_by_system(const char *name)
{
    static const char *const names[] = {"security.selinux", "security.ima", "security.evm",
        "security.apparmor", "security.SMACK64", "system.posix_acl_access",
        "system.posix_acl_default", NULL};
    for (size_t i = 0; names[i]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static void read_acl(int fd, const struct acl_kind *kind, struct archive_entry *ae, uint8_t *buf)
{
    uint32_t version;
    ssize_t n = fgetxattr(fd, kind->name, buf, VALUE_MAX);
    if (n < (ssize_t)sizeof version || (memcpy(&version, buf, 4), le32toh(version) != ACL_VERSION))
        return;
    for (ssize_t at = sizeof version; at + (ssize_t)sizeof(struct acl_entry) <= n;
         at += (ssize_t)sizeof(struct acl_entry)) {
        struct acl_entry en;
        memcpy(&en, buf + at, sizeof en);
        for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
            if (tags[i].kernel == le16toh(en.tag))
                archive_entry_acl_add_entry(
                    ae, kind->type, le16toh(en.perm) & 7, tags[i].tar, (int)le32toh(en.id), NULL);
        }
    }
}

void attributes_read(int fd, struct archive_entry *ae, char left_out[static ATTRIBUTES_WORDS])
{
    left_out[0] = '\0';
    ssize_t n = flistxattr(fd, NULL, 0);
    if (n <= 0) /* the usual case, and file systems that have none */
        return;
    _cleanup_free_ char *names = xcalloc(VALUE_MAX + 1, 1);
    _cleanup_free_ uint8_t *value = xmalloc(VALUE_MAX);
    n = flistxattr(fd, names, VALUE_MAX);
    for (size_t i = 0; i < sizeof acls / sizeof acls[0]; i++)
        read_acl(fd, &acls[i], ae, value);
    for (const char *name = names; name < names + (n > 0 ? n : 0); name += strlen(name) + 1) {
        ssize_t size = kept(name) ? fgetxattr(fd, name, value, VALUE_MAX) : -1;
        if (size >= 0) {
            archive_entry_xattr_add_entry(ae, name, value, (size_t)size);
        } else if (!made_by_system(name)) {
            size_t used = strlen(left_out);
            utf8_format(left_out + used, ATTRIBUTES_WORDS - used, "%s%s", used ? ", " : "", name);
        }
    }
}

void attributes_inherit_nothing(int fd)
{
    (void)!fremovexattr(fd, acls[1].name);
}

bool attributes_any(struct archive_entry *ae)
{
    return archive_entry_xattr_count(ae) > 0 ||
           archive_entry_acl_count(
               ae, ARCHIVE_ENTRY_ACL_TYPE_ACCESS | ARCHIVE_ENTRY_ACL_TYPE_DEFAULT) > 0;
}

bool attributes_have_acl(struct archive_entry *ae)
{
    return archive_entry_acl_count(ae, ARCHIVE_ENTRY_ACL_TYPE_ACCESS) > 0;
}

void attributes_set_mode(struct archive_entry *ae, unsigned mode)
{
    bool acl = attributes_have_acl(ae);
    archive_entry_set_perm(ae, acl ? (mode & ~070U) | (archive_entry_perm(ae) & 070U) : mode);
}

/* The kernel wants the entries in the order of their tags, those of users and groups by id. */
static int by_tag(const void *a, const void *b)
{
    const struct acl_entry *x = a, *y = b;
    if (x->tag != y->tag)
        return le16toh(x->tag) < le16toh(y->tag) ? -1 : 1;
    return le32toh(x->id) < le32toh(y->id) ? -1 : x->id != y->id;
}

static unsigned write_acl(int fd, const struct acl_kind *kind, struct archive_entry *ae)
{
    /* of the type alone, with the three entries that also stand in the mode */
    int count = archive_entry_acl_reset(ae, kind->type), type, permset, tag, id;
    const char *name;
    if (count <= (kind->type == ARCHIVE_ENTRY_ACL_TYPE_ACCESS ? 3 : 0))
        return 0;
    if (count > ACL_MAX)
        return 1;
    size_t n = 0;
    _cleanup_free_ uint8_t *buf = xcalloc((size_t)count + 4, sizeof(struct acl_entry));
    uint32_t version = htole32(ACL_VERSION);
    memcpy(buf, &version, sizeof version);
    struct acl_entry *list = xcalloc((size_t)count + 4, sizeof *list);
    while (n < (size_t)count + 3 && archive_entry_acl_next(ae, kind->type, &type, &permset, &tag,
                                        &id, &name) == ARCHIVE_OK) {
        for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
            bool named = tag == ARCHIVE_ENTRY_ACL_USER || tag == ARCHIVE_ENTRY_ACL_GROUP;
            if (tags[i].tar == tag)
                list[n++] = (struct acl_entry){htole16(tags[i].kernel),
                    htole16((uint16_t)(permset & 7)), htole32(named ? (uint32_t)id : UINT32_MAX)};
        }
    }
    qsort(list, n, sizeof *list, by_tag);
    memcpy(buf + sizeof version, list, n * sizeof *list);
    free(list);
    return fsetxattr(fd, kind->name, buf, sizeof version + n * sizeof(struct acl_entry), 0) < 0;
}

unsigned attributes_write(int fd, struct archive_entry *ae)
{
    unsigned failed = 0;
    const char *name;
    const void *value;
    size_t size;
    for (size_t i = 0; i < sizeof acls / sizeof acls[0]; i++)
        failed += write_acl(fd, &acls[i], ae);
    archive_entry_xattr_reset(ae);
    while (archive_entry_xattr_next(ae, &name, &value, &size) == ARCHIVE_OK)
        if (kept(name))
            failed += size > VALUE_MAX || fsetxattr(fd, name, value, size, 0) < 0;
    return failed;
}
