/* The same view of files by Landlock (landlock(7)), where there are no namespaces. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "backup/job/trial/sandbox_internal.h"

/* Rights that came after the headers of Debian 12. */
#define RIGHT_REFER     (1ull << 13)
#define RIGHT_TRUNCATE  (1ull << 14)
#define RIGHT_IOCTL_DEV (1ull << 15)

#define READS                                                                                      \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define OF_FILES                                                                                   \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |   \
        RIGHT_TRUNCATE | RIGHT_IOCTL_DEV)
#define MAKES                                                                                      \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_WRITE_FILE |  \
        LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                           \
        LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | \
        RIGHT_REFER | RIGHT_TRUNCATE)

/* All that a kernel of this version knows. */
static uint64_t known_rights(long abi)
{
    uint64_t all = (1ull << 13) - 1;
    return all | (abi >= 2 ? RIGHT_REFER : 0) | (abi >= 3 ? RIGHT_TRUNCATE : 0) |
           (abi >= 5 ? RIGHT_IOCTL_DEV : 0);
}

static int allow(
    struct sandbox_plan *p, const struct sandbox_entry *en, uint64_t known, struct err *e)
{
    static const uint64_t rights[] = {[SANDBOX_READ] = READS,
        [SANDBOX_WRITE] = MAKES,
        [SANDBOX_DEVICE] = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE};
    if (en->access == SANDBOX_LINK || en->access == SANDBOX_SOCKET)
        return 0; /* what a link leads to has its own rule; sockets need none */
    /* our own folder's by its descriptor, the system's by their names */
    int dir = en->access == SANDBOX_WRITE ? p->s.home : AT_FDCWD;
    _cleanup_fd_ int fd = openat(dir, en->access == SANDBOX_WRITE ? en->source : en->path,
        O_PATH | O_CLOEXEC | (en->access == SANDBOX_WRITE ? O_NOFOLLOW : 0));
    if (fd < 0)
        return err_sys(e, errno, "cannot open %s", en->path);
    struct landlock_path_beneath_attr rule = {
        .allowed_access = rights[en->access] & known & (en->folder ? ~0ull : OF_FILES),
        .parent_fd = fd};
    if (syscall(SYS_landlock_add_rule, p->landlock, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
        return err_sys(e, errno, "landlock refuses a rule for %s", en->path);
    return 0;
}

int sandbox_landlock_make(struct sandbox_plan *p, struct err *e)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1)
        return err_set(e, ENOSYS,
            "this kernel gives neither namespaces to users nor Landlock: what nobody vouches for is not tried out without one of them");
    uint64_t known = known_rights(abi);
    struct landlock_ruleset_attr attr = {.handled_access_fs = known};
    p->landlock = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    if (p->landlock < 0)
        return err_sys(e, errno, "cannot make a Landlock rule set");
    int r = 0;
    for (size_t i = 0; i < p->n && r == 0; i++)
        r = allow(p, &p->entries[i], known, e);
    return r;
}

int sandbox_landlock_enter(const struct sandbox_plan *p)
{
    return (int)syscall(SYS_landlock_restrict_self, p->landlock, 0);
}
