#include "backup/job/trial/owned.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/file.h"
#include "common/lang.h"
#include "common/utf8.h"

#define FOLDER    (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define DEPTH_MAX 64

static int ours_alone(int fd, const char *name, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_sys(e, errno, "cannot look at %s", name);
    if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
        return err_set(e, EPERM,
            "%s belongs to another user, or others may write to it: what happens in it would be theirs to decide",
            name);
    return 0;
}

static int open_ours(int dir, const char *path, struct err *e)
{
    int fd = openat(dir, path, FOLDER);
    if (fd < 0)
        return err_sys(e, errno == ELOOP ? ENOTDIR : errno, "cannot open the folder %s", path);
    int r = ours_alone(fd, path, e);
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}

int owned_open(const char *path, struct err *e)
{
    return open_ours(AT_FDCWD, path, e);
}

int owned_open_at(int dir, const char *name, struct err *e)
{
    return open_ours(dir, name, e);
}

int owned_make_at(int dir, const char *name, struct err *e)
{
    if (mkdirat(dir, name, 0700) < 0)
        return err_sys(e, errno, "cannot make the folder %s", name);
    return open_ours(dir, name, e);
}

int owned_let_pass(int dir, gid_t group, struct err *e)
{
    if (geteuid() != 0)
        return 0;
    if (fchown(dir, (uid_t)-1, group) < 0 || fchmod(dir, 0710) < 0)
        return err_sys(e, errno, "cannot let the trial pass");
    return 0;
}

/* --- trees --- */

struct giving {
    uid_t uid;
    gid_t gid;
    bool remains;    /* sockets and pipes of a server that has ended are removed */
    char path[4096]; /* beneath the folder, for messages */
};

static int odd(const struct giving *g, const char *what, struct err *e)
{
    return err_set(
        e, EPERM, "%s is %s: no data directory of ours has that", UTF8_SHORT(g->path, 300), what);
}

static int give_file(
    struct giving *g, int dir, const char *name, const struct stat *seen, struct err *e)
{
    if (S_ISLNK(seen->st_mode))
        return odd(g, "a link", e);
    if (g->remains && (S_ISSOCK(seen->st_mode) || S_ISFIFO(seen->st_mode)))
        return unlinkat(dir, name, 0) < 0
                   ? err_sys(e, errno, "cannot remove %s", UTF8_SHORT(g->path, 300))
                   : 0;
    if (!S_ISREG(seen->st_mode))
        return odd(g, N_("neither a file nor a folder"), e);
    /* O_NONBLOCK: should a pipe be there by now */
    _cleanup_fd_ int fd = openat(
        dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_sys(e, errno, "cannot open %s", UTF8_SHORT(g->path, 300));
    if (!S_ISREG(st.st_mode))
        return odd(g, N_("neither a file nor a folder"), e);
    if (st.st_nlink != 1)
        return odd(g, N_("a file that has another name elsewhere"), e);
    if (fchown(fd, g->uid, g->gid) < 0 || fchmod(fd, st.st_mode & 0666) < 0)
        return err_sys(e, errno, "cannot hand %s over", UTF8_SHORT(g->path, 300));
    return 0;
}

static int give_folder(struct giving *g, int fd, int depth, struct err *e);

static int give_entry(struct giving *g, int dir, const char *name, int depth, struct err *e)
{
    struct stat st;
    size_t was = strlen(g->path);
    int n = snprintf(g->path + was, sizeof g->path - was, "%s%s", was ? "/" : "", name);
    if (n < 0 || (size_t)n >= sizeof g->path - was || depth > DEPTH_MAX)
        return err_set(e, ENAMETOOLONG, "%s lies too deep", UTF8_SHORT(g->path, 300));
    int r = 0;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        r = err_sys(e, errno, "cannot look at %s", UTF8_SHORT(g->path, 300));
    else if (!S_ISDIR(st.st_mode))
        r = give_file(g, dir, name, &st, e);
    else {
        _cleanup_fd_ int fd = openat(dir, name, FOLDER);
        r = fd < 0 ? err_sys(e, errno, "cannot open %s", UTF8_SHORT(g->path, 300))
                   : give_folder(g, fd, depth + 1, e);
    }
    g->path[was] = '\0';
    return r;
}

/* Ours first: from then on nobody else makes or moves anything in it. */
static int give_folder(struct giving *g, int fd, int depth, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || fchown(fd, geteuid(), getegid()) < 0 || fchmod(fd, 0700) < 0)
        return err_sys(e, errno, "cannot take %s over", UTF8_SHORT(g->path, 300));
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_dir_ DIR *d = copy < 0 ? NULL : fdopendir(copy);
    if (!d) {
        cleanup_fd(&copy);
        return err_sys(e, errno, "cannot read %s", UTF8_SHORT(g->path, 300));
    }
    const struct dirent *de;
    int r = 0;
    while (r == 0 && (errno = 0, de = readdir(d)))
        if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
            r = give_entry(g, fd, de->d_name, depth, e);
    if (r == 0 && errno)
        r = err_sys(e, errno, "cannot read %s", UTF8_SHORT(g->path, 300));
    if (r == 0 && (fchown(fd, g->uid, g->gid) < 0 || fchmod(fd, st.st_mode & 0777) < 0))
        r = err_sys(e, errno, "cannot hand %s over", UTF8_SHORT(g->path, 300));
    return r;
}

static int give(int dir, uid_t uid, gid_t gid, bool remains, struct err *e)
{
    struct giving g = {.uid = uid, .gid = gid, .remains = remains};
    return geteuid() == 0 ? give_folder(&g, dir, 0, e) : 0;
}

int owned_give(int dir, uid_t uid, gid_t gid, struct err *e)
{
    return give(dir, uid, gid, false, e);
}

int owned_take_back(int dir, struct err *e)
{
    return give(dir, geteuid(), getegid(), true, e);
}
