#include "backup/job/restore/staging.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backup/job/space.h"
#include "backup/job/trial/owned.h"
#include "common/exit_codes.h"
#include "common/file.h"

#define SPARE (128u << 20) /* for what the trial server writes */

/* A rename within one file system fails all the same between two mounts of it, as a folder that is
 * bound elsewhere (mount --bind, a container's volume). */
static int same_mount(const char *a, const char *b, bool *same, struct err *e)
{
    struct statx x, y;
    if (statx(AT_FDCWD, a, 0, STATX_MNT_ID, &x) < 0 || statx(AT_FDCWD, b, 0, STATX_MNT_ID, &y) < 0)
        return err_sys(e, errno, "cannot look at %s", a);
    *same = x.stx_dev_major == y.stx_dev_major && x.stx_dev_minor == y.stx_dev_minor &&
            (!(x.stx_mask & y.stx_mask & STATX_MNT_ID) || x.stx_mnt_id == y.stx_mnt_id);
    return 0;
}

/* Beside the live folder if that is the same file system, else in it (a mount point's parent is
 * another one). */
int restore_staging_root(const char *live, char **out, struct err *e)
{
    char real[4096];
    bool beside = false;
    if (!realpath(live, real))
        return err_sys(e, errno, "cannot find %s", live);
    _cleanup_free_ char *parent = file_parent(real);
    int code = same_mount(real, parent, &beside, e);
    if (code == 0)
        *out = beside ? xasprintf("%s/.elexgate-restore-%s", parent, strrchr(real, '/') + 1)
                      : xasprintf("%s/.elexgate-restore", real);
    return code;
}

/* All ours until it is finished: the trial gets what it needs for as long as it runs (trial.h). */
int restore_make_staging(const struct restore_part *p, uint64_t bytes, struct err *e)
{
    static const char *const names[] = {"new", "old", "try"};
    if (mkdir(p->root, 0700) < 0)
        return err_sys(e, errno, "cannot make %s", p->root);
    _cleanup_fd_ int root = owned_open(p->root, e);
    if (root < 0)
        return root;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        _cleanup_fd_ int fd = owned_make_at(root, names[i], e);
        if (fd < 0)
            return fd;
    }
    return space_for(p->root, bytes + SPARE, e);
}

/* A backup from another machine has that one's numbers: the files go to whom the live ones belong.
 */
static int give_to_owner(const struct restore_part *p, struct err *e)
{
    struct stat st;
    if (!p->database || geteuid() != 0)
        return 0;
    if (stat(p->live, &st) < 0)
        return err_sys(e, errno, "cannot look at %s", p->live);
    _cleanup_fd_ int root = owned_open(p->root, e);
    _cleanup_fd_ int fresh = root < 0 ? -1 : owned_open_at(root, "new", e);
    return fresh < 0 ? -EPERM : owned_give(fresh, st.st_uid, st.st_gid, e);
}

static int sync_all(const char *root, struct err *e)
{
    _cleanup_fd_ int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && syncfs(fd) == 0 ? 0 : err_sys(e, errno, "cannot sync %s", root);
}

int restore_finish_staging(const struct restore_part *p, struct err *e)
{
    int code = give_to_owner(p, e);
    return code == 0 ? sync_all(p->root, e) : code;
}
