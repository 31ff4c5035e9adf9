#include "backup/archive/elsewhere.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "common/lang.h"
#include "common/utf8.h"

static bool ends(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

bool elsewhere_is(const char *path, const struct stat *st)
{
    const char *slash = strchr(path, '/');
    if (!slash || strchr(slash + 1, '/'))
        return false;
    return S_ISLNK(st->st_mode) || (S_ISREG(st->st_mode) && ends(path, ".isl"));
}

/* The absolute path that a link or an .isl names; false with errno. */
static bool read_target(int dirfd, const char *name, char target[static PATH_MAX])
{
    ssize_t n = readlinkat(dirfd, name, target, PATH_MAX);
    if (n < 0 && errno == EINVAL) {
        _cleanup_fd_ int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, target, PATH_MAX);
    }
    if (n < 0)
        return false;
    while (n > 0 && (target[n - 1] == '\n' || target[n - 1] == '\r'))
        n--;
    if (n == 0 || n == PATH_MAX || *target != '/' || memchr(target, '\0', (size_t)n)) {
        errno = EINVAL;
        return false;
    }
    target[n] = '\0';
    return true;
}

/* Whose link has gone meanwhile is no table any more. */
static int unreachable(int dirfd, const char *name, const char *path, const char *target,
    const char *why, struct err *e)
{
    struct stat st;
    bool gone = fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
    return err_set(e, gone ? ENOENT : ENOLINK,
        N_("%s lies elsewhere (DATA DIRECTORY of a table), in %s, and cannot be copied from there: %s"),
        UTF8_SHORT(path, 150), UTF8_SHORT(target, 150), why);
}

/* Opens the folder (absolute, with a slash at its end) step by step. On no step may there be a
 * link, nor anything that others than root and the server (its user and group, as those of its own
 * folder) could put something else in the place of; where the sticky bit is set, as of /tmp, only
 * the owner of what lies there can. */
static int open_folder(char *folder, const struct stat *own, const char **why)
{
    _cleanup_fd_ int at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    char *rest = NULL;
    for (char *step = strtok_r(folder, "/", &rest);; step = strtok_r(NULL, "/", &rest)) {
        struct stat st;
        if (at < 0 || fstat(at, &st) < 0) {
            *why = errno == ELOOP || errno == ENOTDIR ? N_("there is a link on the way")
                                                      : strerror(errno);
            return -1;
        }
        mode_t others = st.st_gid == 0 || st.st_gid == own->st_gid ? S_IWOTH : S_IWGRP | S_IWOTH;
        bool change = (st.st_mode & others) && !(st.st_mode & S_ISVTX);
        if (change || (st.st_uid != 0 && st.st_uid != own->st_uid)) {
            *why = N_("others than root can change a folder on the way");
            return -1;
        }
        if (!step)
            break;
        int next = openat(at, step, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int code = errno;
        close(at);
        at = next;
        errno = code;
    }
    int out = at;
    at = -1;
    return out;
}

int elsewhere_find(
    int dirfd, const char *name, const char *path, struct elsewhere *out, struct err *e)
{
    char target[PATH_MAX];
    struct stat folder;
    if (!read_target(dirfd, name, target) || fstat(dirfd, &folder) < 0)
        return unreachable(dirfd, name, path, "?", strerror(errno), e);
    char *base = strrchr(target, '/') + 1;
    size_t n = strlen(name);
    bool fits = *base && strlen(base) <= NAME_MAX && n <= NAME_MAX;
    _cleanup_free_ char *parent = xasprintf("%.*s", (int)(base - target), target);
    const char *why = strerror(ENAMETOOLONG);
    _cleanup_fd_ int fd = fits ? open_folder(parent, &folder, &why) : -1;
    if (fd < 0)
        return unreachable(dirfd, name, path, target, why, e);
    if (fstatat(fd, base, &out->st, AT_SYMLINK_NOFOLLOW) < 0)
        return unreachable(dirfd, name, path, target, strerror(errno), e);
    if (!S_ISREG(out->st.st_mode) || out->st.st_uid != folder.st_uid)
        return unreachable(dirfd, name, path, target, N_("it is no file of the server's user"), e);
    memcpy(out->name, base, strlen(base) + 1);
    memcpy(out->as, name, n + 1);
    if (ends(name, ".isl"))
        memcpy(out->as + n - 4, ".ibd", 4);
    out->folder = fd;
    fd = -1;
    return 0;
}
