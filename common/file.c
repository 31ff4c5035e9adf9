#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

int fd_write_all(int fd, const void *data, size_t len, struct err *e)
{
    const char *p = data;

    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, errno, "cannot write");
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Grows while reading: st_size is 0 for files in /proc and on pipes. */
static int read_all(int fd, const char *path, size_t max, char **out, size_t *len, struct err *e)
{
    _cleanup_free_ char *buf = NULL;
    size_t cap = 0, used = 0;

    for (;;) {
        if (used == cap) {
            cap = cap ? cap * 2 : 4096;
            if (cap > max + 1)
                cap = max + 1; /* one more than allowed, to notice a longer file */
            buf = xrealloc(buf, cap + 1);
        }
        ssize_t n = read(fd, buf + used, cap - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, errno, "cannot read %s", path);
        if (n == 0)
            break;
        used += (size_t)n;
        if (used > max)
            return err_set(e, EFBIG, "%s is longer than %zu bytes", path, max);
    }
    buf[used] = '\0';
    *out = buf;
    *len = used;
    buf = NULL;
    return 0;
}

void cleanup_dir(DIR **d)
{
    if (*d)
        closedir(*d);
}

int file_read(const char *path, size_t max, char **out, size_t *len, struct err *e)
{
    struct stat st;

    CHECK(max < SIZE_MAX - 1);
    /* O_NONBLOCK: a FIFO in place of the file must not hang the program. */
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return err_sys(e, errno, "cannot open %s", path);
    if (fstat(fd, &st) < 0)
        return err_sys(e, errno, "cannot stat %s", path);
    if (S_ISDIR(st.st_mode))
        return err_sys(e, EISDIR, "cannot read %s", path);
    return read_all(fd, path, max, out, len, e);
}

char *file_parent(const char *path)
{
    _cleanup_free_ char *copy = xstrdup(path);

    return xstrdup(dirname(copy));
}

int file_in_real_parent(const char *path, char **out, struct err *e)
{
    _cleanup_free_ char *dir = file_parent(path), *real = realpath(dir, NULL);
    const char *slash = strrchr(path, '/');

    if (!real)
        return err_sys(e, errno, "cannot find %s", dir);
    *out = xasprintf("%s/%s", strcmp(real, "/") ? real : "", slash ? slash + 1 : path);
    return 0;
}

int file_space(const char *path, uint64_t *bytes, struct err *e)
{
    struct statvfs fs;

    if (statvfs(path, &fs) < 0)
        return err_sys(e, errno, "cannot look at %s", path);
    *bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    return 0;
}

int file_sync_parent(const char *path, struct err *e)
{
    _cleanup_free_ char *dir = file_parent(path);
    _cleanup_fd_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return err_sys(e, errno, "cannot open the folder %s", dir);
    if (fsync(fd) < 0)
        return err_sys(e, errno, "cannot sync the folder %s", dir);
    return 0;
}

static int write_temporary(int fd, const char *path, const void *data, size_t len, mode_t mode,
    uid_t uid, gid_t gid, struct err *e)
{
    int r = fd_write_all(fd, data, len, e);

    if (r < 0)
        return err_prefix(e, r, "%s", path);
    if ((uid != (uid_t)-1 || gid != (gid_t)-1) && fchown(fd, uid, gid) < 0)
        return err_sys(e, errno, "cannot give %s to its owner", path);
    if (fchmod(fd, mode) < 0)
        return err_sys(e, errno, "cannot set the mode of %s", path);
    if (fsync(fd) < 0)
        return err_sys(e, errno, "cannot sync %s", path);
    return 0;
}

int file_publish(const char *path, const void *data, size_t len, mode_t mode, struct err *e)
{
    return file_publish_for(path, data, len, mode, (uid_t)-1, (gid_t)-1, e);
}

int file_publish_for(const char *path, const void *data, size_t len, mode_t mode, uid_t uid,
    gid_t gid, struct err *e)
{
    _cleanup_free_ char *dir = file_parent(path);
    _cleanup_free_ char *copy = xstrdup(path);
    /* A leading dot keeps it out of globs; mkostemp makes it 0600, so a secret is never readable
     * by others, not even for a moment. */
    _cleanup_free_ char *tmp = xasprintf("%s/.%s.tmp-XXXXXX", dir, basename(copy));
    int fd = mkostemp(tmp, O_CLOEXEC);

    if (fd < 0)
        return err_sys(e, errno, "cannot make a file in %s", dir);
    int r = write_temporary(fd, path, data, len, mode, uid, gid, e);
    if (close(fd) < 0 && r == 0)
        r = err_sys(e, errno, "cannot close %s", path);
    if (r == 0 && rename(tmp, path) < 0)
        r = err_sys(e, errno, "cannot rename %s to %s", tmp, path);
    if (r < 0) {
        unlink(tmp);
        return r;
    }
    return file_sync_parent(path, e);
}

int file_rename_durable(const char *from, const char *to, struct err *e)
{
    if (rename(from, to) < 0)
        return err_sys(e, errno, "cannot rename %s to %s", from, to);
    int r = file_sync_parent(to, e);
    _cleanup_free_ char *a = file_parent(from);
    _cleanup_free_ char *b = file_parent(to);
    if (r == 0 && strcmp(a, b) != 0)
        r = file_sync_parent(from, e);
    return r;
}

int file_mkdirs(const char *path, mode_t mode, struct err *e)
{
    _cleanup_free_ char *partial = xstrdup(path);
    struct stat st;

    for (char *p = partial; *p;) {
        p += strspn(p, "/");
        p += strcspn(p, "/");
        char saved = *p;
        *p = '\0';
        if (mkdir(partial, mode) < 0 && errno != EEXIST)
            return err_sys(e, errno, "cannot make the folder %s", partial);
        *p = saved;
    }
    if (stat(path, &st) < 0)
        return err_sys(e, errno, "cannot stat %s", path);
    if (!S_ISDIR(st.st_mode))
        return err_sys(e, ENOTDIR, "cannot make the folder %s", path);
    return 0;
}

int fd_check_private(int fd, const char *path, struct err *e)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_sys(e, errno, "cannot stat %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, EINVAL, "%s is not a regular file", path);
    if (st.st_mode & (S_IRWXG | S_IRWXO))
        return err_set(e, EACCES,
            "%s can be read or changed by others than its owner (mode %04o); run: chmod 600 %s",
            path, (unsigned)(st.st_mode & 07777), path);
    return 0;
}

int file_check_private(const char *path, struct err *e)
{
    _cleanup_fd_ int fd = open(path, O_PATH | O_CLOEXEC);

    if (fd < 0)
        return err_sys(e, errno, "cannot open %s", path);
    return fd_check_private(fd, path, e);
}

/* The lock is the first byte's. On the second one lies a lock of the kind that the kernel knows the
 * owner of: no file says who that is, so that nothing can be old. */
#define LOCK_BYTE  0
#define OWNER_BYTE 1

/* 0: nobody, or none that is seen from here. */
static pid_t owner(int fd)
{
    struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = OWNER_BYTE, .l_len = 1};
    return fcntl(fd, F_GETLK, &fl) < 0 || fl.l_type == F_UNLCK || fl.l_pid < 0 ? 0 : fl.l_pid;
}

static int open_lock(const char *path)
{
    return open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
}

int file_lock_held(const char *path, pid_t *holder)
{
    struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_BYTE, .l_len = 1};
    _cleanup_fd_ int fd = open_lock(path);
    if (fd < 0 || fcntl(fd, F_OFD_GETLK, &fl) < 0 || fl.l_type == F_UNLCK)
        return 0;
    *holder = owner(fd);
    return 1;
}

int file_lock_signal(const char *path, int number, struct err *e)
{
    _cleanup_fd_ int fd = open_lock(path);
    pid_t pid = fd < 0 ? 0 : owner(fd);
    _cleanup_fd_ int process = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    /* still its owner: then the descriptor is that process, whoever bears its number later */
    if (process < 0 || owner(fd) != pid)
        return err_set(e, ESRCH, "nobody holds %s", path);
    return syscall(SYS_pidfd_send_signal, process, number, NULL, 0) < 0
               ? err_sys(e, errno, "cannot send a signal to process %d", (int)pid)
               : 0;
}

/* 0: taken; 1: held by somebody else. */
static int try_lock(int fd, const char *path, pid_t *holder, struct err *e)
{
    struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_BYTE, .l_len = 1};
    if (fcntl(fd, F_OFD_SETLK, &fl) == 0) {
        fl.l_start = OWNER_BYTE;
        return fcntl(fd, F_SETLK, &fl) < 0 ? err_sys(e, errno, "cannot lock %s", path) : 0;
    }
    if (errno != EAGAIN && errno != EACCES)
        return err_sys(e, errno, "cannot lock %s", path);
    if (holder)
        *holder = owner(fd);
    return 1;
}

int file_lock(const char *path, int *fd, pid_t *holder, struct err *e)
{
    for (;;) {
        struct stat opened, named;
        _cleanup_fd_ int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (lock < 0)
            return err_sys(e, errno, "cannot open the lock file %s", path);
        int r = try_lock(lock, path, holder, e);
        if (r != 0)
            return r;
        /* Somebody may have removed the file in between; a lock on a nameless file locks nobody
         * out. */
        if (fstat(lock, &opened) < 0)
            return err_sys(e, errno, "cannot stat the lock file %s", path);
        if (stat(path, &named) < 0 || named.st_ino != opened.st_ino ||
            named.st_dev != opened.st_dev)
            continue;
        *fd = lock;
        lock = -1;
        return 0;
    }
}
