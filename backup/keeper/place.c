#include "backup/keeper/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/file.h"
#include "common/log.h"
#include "common/private_memory.h"
#include "people/list.h"

int keeper_place_find(const struct config *c, struct keeper_place *out, struct err *e)
{
    const char *name = config_str(c, "backup", NULL, "user");
    struct keeper_place p = {.uid = geteuid(), .gid = getegid(), .becomes = geteuid() == 0};
    const struct passwd *pw = p.becomes ? getpwnam(name) : NULL;
    if (p.becomes && !pw)
        return err_set(e, ENOENT,
            "there is no user %s, and the keeper does not run as root; make it: useradd --system --no-create-home --home-dir / --shell /usr/sbin/nologin %s (the package does), or name another one in [backup] user",
            name, name);
    if (pw && (pw->pw_uid == 0 || pw->pw_gid == 0))
        return err_set(
            e, EPERM, "[backup] user %s is root or in its group; name another one", name);
    if (pw) {
        p.uid = pw->pw_uid;
        p.gid = pw->pw_gid;
    }
    p.user = xstrdup(name);
    p.folder = xasprintf("%s/own", config_str(c, "backup", NULL, "state_dir"));
    *out = p;
    return 0;
}

/* The user's own file and nobody else's: with a second name (link) it may be anybody's. */
static int give(int folder, const char *name, const struct keeper_place *p)
{
    struct stat st;
    _cleanup_fd_ int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
        return -EINVAL;
    return p->becomes && fchown(fd, p->uid, p->gid) < 0 ? -errno : 0;
}

/* Only as long as the folder is not the user's yet: afterwards that one may put there what it
 * likes. */
static int give_folder(int folder, const struct keeper_place *p, struct err *e)
{
    struct stat st;
    if (fstat(folder, &st) < 0)
        return err_sys(e, errno, "cannot look at %s", p->folder);
    if (!p->becomes || (st.st_uid == p->uid && st.st_gid == p->gid))
        return 0;
    _cleanup_dir_ DIR *d = fdopendir(fcntl(folder, F_DUPFD_CLOEXEC, 0));
    const struct dirent *de;
    int r = 0;
    while (r == 0 && d && (de = readdir(d)))
        if (de->d_name[0] != '.' && (r = give(folder, de->d_name, p)) < 0)
            err_sys(e, -r, "%s/%s cannot be given to %s", p->folder, de->d_name, p->user);
    if (r == 0 && fchown(folder, p->uid, p->gid) < 0)
        r = err_sys(e, errno, "%s cannot be given to %s", p->folder, p->user);
    return r;
}

/* Where older versions kept it. */
static int move_in(int state, int folder, const struct keeper_place *p, struct err *e)
{
    static const char *const names[] = {"keeper.json", "notify.json"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct stat st;
        if (fstatat(state, names[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        int r = give(state, names[i], p);
        if (r == 0 && renameat(state, names[i], folder, names[i]) < 0)
            r = -errno;
        if (r < 0)
            return err_sys(e, -r, "%s cannot be moved to %s", names[i], p->folder);
        log_event(LOG_INFO, "state-moved", LOG_S("file", names[i]), LOG_S("to", p->folder));
    }
    return 0;
}

/* The accounts are root's: what an older version kept in our folder is copied there, since who sat
 * in that one may have it open, and only where there are none yet. */
static int take_back(const char *dir, int folder, struct err *e)
{
    struct stat st;
    _cleanup_free_ char *path = xasprintf("%s/" PEOPLE_FILE, dir);
    _cleanup_fd_ int fd = openat(
        folder, PEOPLE_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : err_sys(e, errno, "cannot open %s", PEOPLE_FILE);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1 ||
        st.st_size > PEOPLE_SIZE_MAX)
        return err_set(e, EINVAL, "%s is no plain file of accounts", PEOPLE_FILE);
    if (access(path, F_OK) < 0) {
        _cleanup_free_ char *text = xmalloc((size_t)st.st_size + 1);
        ssize_t n = pread(fd, text, (size_t)st.st_size, 0);
        int r = n < 0 ? err_sys(e, errno, "cannot read %s", PEOPLE_FILE)
                      : file_publish(path, text, (size_t)n, 0600, e);
        if (r < 0)
            return r;
        log_event(LOG_INFO, "state-moved", LOG_S("file", PEOPLE_FILE), LOG_S("to", dir));
    }
    return unlinkat(folder, PEOPLE_FILE, 0) < 0 ? err_sys(e, errno, "cannot remove %s", PEOPLE_FILE)
                                                : 0;
}

int keeper_place_enter(const struct config *c, const struct keeper_place *p, struct err *e)
{
    const char *dir = config_str(c, "backup", NULL, "state_dir");
    int r = file_mkdirs(dir, 0700, e);
    if (r < 0)
        return r;
    _cleanup_fd_ int state = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (state < 0)
        return err_sys(e, errno, "cannot open %s", dir);
    if (mkdirat(state, "own", 0700) < 0 && errno != EEXIST)
        return err_sys(e, errno, "cannot make %s", p->folder);
    _cleanup_fd_ int folder = openat(state, "own", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return err_sys(e, errno, "cannot open %s", p->folder);
    r = take_back(dir, folder, e);
    if (r == 0)
        r = move_in(state, folder, p, e);
    if (r == 0)
        r = give_folder(folder, p, e);
    if (r == 0 && fchdir(folder) < 0)
        r = err_sys(e, errno, "cannot use %s", p->folder);
    return r;
}

int keeper_place_become(const struct keeper_place *p, struct err *e)
{
    if (!p->becomes)
        return 0;
    if (initgroups(p->user, p->gid) < 0 || setresgid(p->gid, p->gid, p->gid) < 0 ||
        setresuid(p->uid, p->uid, p->uid) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_sys(e, errno, "cannot become %s", p->user);
    if (setuid(0) == 0 || setgid(0) == 0)
        return err_set(e, EPERM, "%s can become root again", p->user);
    private_memory_begin(); /* the change of user has undone a part of it */
    return 0;
}

void keeper_place_clear(struct keeper_place *p)
{
    free(p->user);
    free(p->folder);
    *p = (struct keeper_place){0};
}
