/* Writing beneath an opened folder, and nowhere else. */
#include "backup/archive/place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/archive/attributes.h"
#include "common/lang.h"
#include "common/utf8.h"
#include "backup/rules/manifest.h" /* manifest_path_valid */

struct kept_folder {
    char *path;
    struct place_meta meta;
};
struct kept_link {
    char *path, *target;
    struct place_meta meta;
};

struct place {
    int root;
    bool owners, sync;
    uint64_t attributes_left_out;
    struct kept_folder *folders;
    size_t folder_count;
    struct kept_link *links;
    size_t link_count;
    /* The folder of the last name: archives come folder by folder. */
    char *last;
    int last_fd;
};

struct place *place_open(int fd, bool owners, bool sync)
{
    struct place *p = xcalloc(1, sizeof *p);
    p->root = fd;
    p->owners = owners;
    p->sync = sync;
    p->last_fd = -1;
    attributes_inherit_nothing(fd);
    return p;
}

static int unsafe(struct err *e, const char *path, const char *what)
{
    err_set(e, EPERM, "%s: %s", UTF8_SHORT(path, 300), what);
    return PLACE_UNSAFE;
}

static int step(int at, const char *name, bool make, const char *path, struct err *e)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(at, name, flags);
    if (fd < 0 && errno == ENOENT && make) {
        if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
            return err_sys(e, errno, "cannot make the folder of %s", path);
        fd = openat(at, name, flags);
    }
    if (fd >= 0)
        return fd;
    if (errno == ENOTDIR || errno == ELOOP)
        return err_set(e, EPERM, "%s: a part of this path is no folder (a link or a file)",
            UTF8_SHORT(path, 300));
    return err_sys(e, errno, "cannot open the folder of %s", path);
}

/* The folder that holds path, and the last part of path. The fd stays place's. -EPERM = unsafe. */
static int parent_of(struct place *p, const char *path, bool make, const char **name, struct err *e)
{
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    if (!slash)
        return p->root;
    size_t len = (size_t)(slash - path);
    if (p->last && strlen(p->last) == len && memcmp(p->last, path, len) == 0)
        return p->last_fd;

    _cleanup_free_ char *folder = xstrdup(path);
    folder[len] = 0;
    int at = p->root;
    char *rest, *part = strtok_r(folder, "/", &rest);
    while (part) {
        int next = step(at, part, make, path, e);
        if (at != p->root)
            close(at);
        if (next < 0)
            return next;
        at = next;
        part = strtok_r(NULL, "/", &rest);
    }
    free(p->last);
    if (p->last_fd >= 0)
        close(p->last_fd);
    p->last = xstrdup(path);
    p->last[len] = 0;
    p->last_fd = at;
    return at;
}

static int outcome(int r)
{
    return r == -EPERM ? PLACE_UNSAFE : r;
}

int place_folder(struct place *p, const char *path, const struct place_meta *m, struct err *e)
{
    const char *name;
    struct stat st;
    if (!manifest_path_valid(path))
        return unsafe(e, path, N_("this path leaves its folder"));
    int at = parent_of(p, path, true, &name, e);
    if (at < 0)
        return outcome(at);
    if (mkdirat(at, name, 0700) < 0) {
        /* Made already for a file that came before it: fine once, if it is one. */
        if (errno != EEXIST)
            return err_sys(e, errno, "cannot make the folder %s", path);
        if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
            return unsafe(e, path, "comes twice");
    }
    p->folders = xrealloc(p->folders, (p->folder_count + 1) * sizeof *p->folders);
    struct kept_folder *kept = &p->folders[p->folder_count++];
    *kept = (struct kept_folder){xstrdup(path), *m};
    if (m->attributes)
        kept->meta.attributes = archive_entry_clone(m->attributes);
    return 0;
}

int place_file(struct place *p, const char *path, int *fd, struct err *e)
{
    const char *name;
    if (!manifest_path_valid(path))
        return unsafe(e, path, N_("this path leaves its folder"));
    int at = parent_of(p, path, true, &name, e);
    if (at < 0)
        return outcome(at);
    int f = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (f < 0 && errno == EEXIST)
        return unsafe(e, path, N_("comes twice, or was there already"));
    if (f < 0)
        return err_sys(e, errno, "cannot make %s", path);
    *fd = f;
    return 0;
}

static void times_of(const struct place_meta *m, struct timespec times[2])
{
    int64_t s = m->mtime_ns / 1000000000, ns = m->mtime_ns % 1000000000;
    times[0] = (struct timespec){0, UTIME_OMIT};
    times[1].tv_sec = (time_t)(ns < 0 ? s - 1 : s);
    times[1].tv_nsec = (long)(ns < 0 ? ns + 1000000000 : ns);
}

static int set_meta(struct place *p, int fd, const char *path, const struct place_meta *m,
    mode_t allowed, struct err *e)
{
    struct timespec times[2];
    times_of(m, times);
    if (p->owners && fchown(fd, m->uid, m->gid) < 0)
        return err_sys(e, errno, "cannot set the owner of %s", path);
    mode_t mode = (mode_t)m->mode & allowed;
    if (m->attributes) { /* before the mode, which may forbid it */
        struct stat st;
        p->attributes_left_out += attributes_write(fd, m->attributes);
        if (attributes_have_acl(m->attributes) && fstat(fd, &st) == 0)
            mode = (mode & ~(mode_t)070) | (st.st_mode & 070); /* the ACL's mask */
    }
    if (fchmod(fd, mode) < 0)
        return err_sys(e, errno, "cannot set the mode of %s", path);
    if (futimens(fd, times) < 0)
        return err_sys(e, errno, "cannot set the time of %s", path);
    if (p->sync && fsync(fd) < 0)
        return err_sys(e, errno, "cannot write %s to the disk", path);
    return 0;
}

int place_file_done(
    struct place *p, int fd, uint64_t size, const struct place_meta *m, struct err *e)
{
    int r = 0;
    if (ftruncate(fd, (off_t)size) < 0) /* a hole at the end */
        r = err_sys(e, errno, "cannot set the size of a file");
    if (r == 0)
        r = set_meta(p, fd, "a file", m, 01777, e);
    if (close(fd) < 0 && r == 0)
        r = err_sys(e, errno, "cannot write a file");
    return r;
}

bool place_symlink_safe(const char *path, const char *target)
{
    long depth = 0;
    if (!*target || *target == '/')
        return false;
    for (const char *p = path; *p; p++)
        depth += *p == '/';
    for (const char *p = target; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 2 && p[0] == '.' && p[1] == '.')
            depth--;
        else if (n > 0 && !(n == 1 && p[0] == '.'))
            depth++;
        if (depth < 0)
            return false;
        p += n + strspn(p + n, "/");
    }
    return true;
}

void place_symlink(
    struct place *p, const char *path, const char *target, const struct place_meta *m)
{
    p->links = xrealloc(p->links, (p->link_count + 1) * sizeof *p->links);
    p->links[p->link_count++] = (struct kept_link){xstrdup(path), xstrdup(target), *m};
}

static int make_link(struct place *p, const struct kept_link *l, struct err *e)
{
    const char *name;
    if (!manifest_path_valid(l->path))
        return unsafe(e, l->path, N_("this path leaves its folder"));
    int at = parent_of(p, l->path, true, &name, e);
    if (at < 0)
        return outcome(at);
    if (symlinkat(l->target, at, name) < 0)
        return errno == EEXIST ? unsafe(e, l->path, "comes twice")
                               : err_sys(e, errno, "cannot make the link %s", l->path);
    struct timespec times[2];
    times_of(&l->meta, times);
    if (p->owners && fchownat(at, name, l->meta.uid, l->meta.gid, AT_SYMLINK_NOFOLLOW) < 0)
        return err_sys(e, errno, "cannot set the owner of the link %s", l->path);
    if (utimensat(at, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return err_sys(e, errno, "cannot set the time of the link %s", l->path);
    return 0;
}

static int finish_folder(struct place *p, const struct kept_folder *f, struct err *e)
{
    const char *name;
    int at = parent_of(p, f->path, false, &name, e);
    if (at < 0)
        return outcome(at);
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, errno, "cannot open the folder %s", f->path);
    int r = set_meta(p, fd, f->path, &f->meta, p->owners ? 03777 : 01777, e);
    close(fd);
    return r;
}

int place_finish(struct place *p, struct err *e)
{
    for (size_t i = 0; i < p->link_count; i++) {
        int r = make_link(p, &p->links[i], e);
        if (r != 0)
            return r;
    }
    /* From the last to the first: a folder's own time is set after what lies in it. */
    for (size_t i = p->folder_count; i > 0; i--) {
        int r = finish_folder(p, &p->folders[i - 1], e);
        if (r != 0)
            return r;
    }
    if (p->sync && fsync(p->root) < 0)
        return err_sys(e, errno, "cannot write the folder to the disk");
    return 0;
}

uint64_t place_attributes_left_out(const struct place *p)
{
    return p->attributes_left_out;
}

void place_drop(struct place *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->folder_count; i++) {
        free(p->folders[i].path);
        archive_entry_free(p->folders[i].meta.attributes);
    }
    for (size_t i = 0; i < p->link_count; i++) {
        free(p->links[i].path);
        free(p->links[i].target);
    }
    free(p->folders);
    free(p->links);
    free(p->last);
    if (p->last_fd >= 0)
        close(p->last_fd);
    free(p);
}
