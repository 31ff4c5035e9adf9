#include "backup/job/trial/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>
#include "backup/job/space.h"
#include "backup/job/trial/owned.h"
#include "common/exit_codes.h"
#include "common/file.h"

#define NAME  ".elexgate-drill"
#define SPARE (64u << 20)
/* The user of trials gets through to its folder by the path, where there are no namespaces. */
#define MODE 0711

/* --- the folder --- */

static const char *set_folder(const struct run *r)
{
    return config_str(r->s.config, "drill", NULL, "scratch");
}

char *scratch_folder(const struct run *r)
{
    const char *set = set_folder(r);
    size_t n = strlen(r->s.state_dir);
    while (n > 1 && r->s.state_dir[n - 1] == '/')
        n--;
    return set ? xstrdup(set) : xasprintf("%.*s-scratch", (int)n, r->s.state_dir);
}

/* Whoever may write to a folder above can put another one in its place; where the sticky bit is
 * set, as of /tmp, only its owner can. */
static int check_above(const char *folder, struct err *e)
{
    char path[PATH_MAX];
    if (!realpath(folder, path))
        return err_sys(e, errno, "cannot find %s", folder);
    for (char *slash; (slash = strrchr(path, '/')) && path[1];) {
        struct stat st;
        slash[slash == path] = '\0';
        if (lstat(path, &st) < 0)
            return err_sys(e, errno, "cannot look at %s", path);
        bool owner = st.st_uid == 0 || st.st_uid == geteuid();
        if (!owner || ((st.st_mode & (S_IWGRP | S_IWOTH)) && !(st.st_mode & S_ISVTX)))
            return err_set(e, EPERM, N_("others than root can change a folder above %s"), folder);
    }
    return 0;
}

/* What a server elsewhere, or a program of somebody's, says is in a file can be another thing each
 * time that it is asked. */
static int check_local(const char *folder, int fd, struct err *e)
{
    static const unsigned elsewhere[] = {NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, CIFS_SUPER_MAGIC,
        SMB2_SUPER_MAGIC, FUSE_SUPER_MAGIC, CEPH_SUPER_MAGIC, AFS_SUPER_MAGIC, CODA_SUPER_MAGIC,
        OCFS2_SUPER_MAGIC, V9FS_MAGIC};
    struct statfs fs;
    if (fstatfs(fd, &fs) < 0)
        return err_sys(e, errno, "cannot look at %s", folder);
    for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++)
        if ((unsigned)fs.f_type == elsewhere[i])
            return err_set(e, EPERM,
                N_("the file system of %s is served by another machine or program"), folder);
    return 0;
}

static int check_folder(const char *folder, int fd, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_sys(e, errno, "cannot look at %s", folder);
    if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
        return err_set(
            e, EPERM, N_("%s belongs to another user, or others may write to it"), folder);
    int r = check_above(folder, e);
    return r == 0 ? check_local(folder, fd, e) : r;
}

int scratch_folder_open(const struct run *r, struct err *e)
{
    _cleanup_free_ char *folder = scratch_folder(r);
    int code = file_mkdirs(folder, MODE, e);
    if (code < 0)
        return code;
    _cleanup_fd_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, errno, "cannot open %s", folder);
    code = check_folder(folder, fd, e);
    if (code == -EPERM)
        return err_prefix(e, code, SCRATCH_FIX);
    if (code == 0 && !set_folder(r) && fchmod(fd, MODE) < 0) /* whatever the umask was */
        code = err_sys(e, errno, "cannot set the mode of %s", folder);
    if (code < 0)
        return code;
    int out = fd;
    fd = -1;
    return out;
}

int scratch_has_room(const struct run *r, uint64_t bytes, struct err *e)
{
    _cleanup_free_ char *path = scratch_folder(r);
    int code = space_for(path, bytes + SPARE, e);
    return code == 0 ? 0 : err_prefix(e, code, SCRATCH_FIX);
}

/* --- for one archive --- */

int scratch_open(struct scratch *s, const struct run *r, uint64_t bytes, struct err *e)
{
    _cleanup_free_ char *folder = scratch_folder(r);
    *s = (struct scratch){.home = xasprintf("%s/" NAME, folder)};
    s->datadir = xasprintf("%s/data", s->home);
    s->scratch = xasprintf("%s/try", s->home);
    s->folder = scratch_folder_open(r, e);
    if (s->folder < 0)
        return s->folder;
    int code = file_remove_tree(s->folder, NAME, e);
    if (code == 0)
        code = scratch_has_room(r, bytes, e);
    if (code != 0)
        return code;
    _cleanup_fd_ int home = owned_make_at(s->folder, NAME, e);
    if (home < 0)
        return home;
    if (mkdirat(home, "try", 0700) < 0 || mkdirat(home, "data", 0700) < 0)
        return err_sys(e, errno, "cannot make %s", s->datadir);
    return 0;
}

void scratch_close(struct scratch *s)
{
    struct err left = {0};
    if (s->home && s->folder >= 0) {
        if (file_remove_tree(s->folder, NAME, &left) < 0)
            run_tell(&left);
        close(s->folder);
    }
    free(s->home);
    free(s->scratch);
    free(s->datadir);
    *s = (struct scratch){.folder = -1};
}
