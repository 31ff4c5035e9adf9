/*
 * Removing a tree beneath an opened folder: every step is relative to a descriptor and refuses
 * symlinks, so that nobody can redirect it while it runs.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"

#define DEPTH_MAX 200 /* each level holds a descriptor open */

static int remove_entry(int dirfd, const char *name, dev_t dev, unsigned depth, struct err *e);

static int remove_children(DIR *d, const char *name, dev_t dev, unsigned depth, struct err *e)
{
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(d);
        if (!entry && errno)
            return err_sys(e, errno, "cannot read the folder %s", name);
        if (!entry)
            return 0;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int r = remove_entry(dirfd(d), entry->d_name, dev, depth + 1, e);
        if (r < 0)
            return r;
    }
}

/* A bind mount of the same file system has the same st_dev: only the attribute tells. */
static int check_same_file_system(int fd, const char *name, dev_t dev, struct err *e)
{
    struct stat st;
    struct statx stx;

    if (fstat(fd, &st) < 0)
        return err_sys(e, errno, "cannot stat %s", name);
    bool mount_root = statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) == 0 &&
                      (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT);
    if (st.st_dev != dev || mount_root)
        return err_set(e, EXDEV, "%s is another file system's mount point and is left alone", name);
    return 0;
}

static int remove_entry(int dirfd, const char *name, dev_t dev, unsigned depth, struct err *e)
{
    if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
        return 0;
    /* Linux answers EISDIR for a folder, POSIX EPERM. */
    if (errno != EISDIR && errno != EPERM)
        return err_sys(e, errno, "cannot remove %s", name);
    if (depth >= DEPTH_MAX)
        return err_set(e, ELOOP, "%s lies more than %d folders deep", name, DEPTH_MAX);
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, errno, "cannot open the folder %s", name);
    int r = check_same_file_system(fd, name, dev, e);
    if (r < 0) {
        close(fd);
        return r;
    }
    CLEANUP(cleanup_dir) DIR *d = fdopendir(fd);
    CHECK(d);
    if ((r = remove_children(d, name, dev, depth, e)) < 0)
        return r;
    if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return err_sys(e, errno, "cannot remove the folder %s", name);
    return 0;
}

int file_remove_tree(int dirfd, const char *name, struct err *e)
{
    struct stat st;

    if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return err_set(e, EINVAL, "\"%s\" is not the name of an entry of a folder", name);
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno == ENOENT)
            return 0;
        return err_sys(e, errno, "cannot stat %s", name);
    }
    return remove_entry(dirfd, name, st.st_dev, 0, e);
}

int file_remove_path(const char *path, struct err *e)
{
    _cleanup_free_ char *dir = file_parent(path);
    _cleanup_fd_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? err_sys(e, errno, "cannot open %s", dir)
                  : file_remove_tree(fd, strrchr(path, '/') + 1, e);
}
