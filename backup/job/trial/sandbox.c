#include "backup/job/trial/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "backup/job/trial/sandbox_internal.h"
#include "common/lang.h"

#define OLD  "/.old"
#define ZONE "/etc/localtime"
#define SPACES                                                                                     \
    (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)

static const char *const system_folders[] = {
    "/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin", "/etc/ld.so.cache", NULL};
static const char *const devices[] = {
    "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", NULL};

const char *sandbox_kind_name(enum sandbox_kind kind)
{
    static const char *const names[] = {"auto", "namespaces", "landlock"};
    return names[kind];
}

/* --- before the fork --- */

static struct sandbox_entry *add(
    struct sandbox_plan *p, enum sandbox_access access, const char *path, const char *source)
{
    CHECK(p->n < SANDBOX_ENTRIES_MAX);
    struct sandbox_entry *en = &p->entries[p->n++];
    *en = (struct sandbox_entry){
        .access = access, .path = xstrdup(path), .source = xstrdup(source)};
    return en;
}

/* A link of the system (/lib -> usr/lib) is made as one; what is not there is not missed. */
static void add_readable(struct sandbox_plan *p, const char *path)
{
    struct stat st;
    char target[256];
    _cleanup_free_ char *source = xasprintf(OLD "%s", path);
    if (lstat(path, &st) < 0)
        return;
    if (S_ISLNK(st.st_mode)) {
        ssize_t n = readlink(path, target, sizeof target - 1);
        if (n <= 0 || target[0] == '/')
            return;
        target[n] = '\0';
        add(p, SANDBOX_LINK, path, target);
    } else
        add(p, SANDBOX_READ, path, source)->folder = S_ISDIR(st.st_mode);
}

/* Where the child finds it: by its path, or from the home, in which it stands then. */
static char *source_in_root(const struct sandbox *s, const char *path)
{
    size_t n = s->home_path ? strlen(s->home_path) : 0;
    if (n > 0 && strncmp(s->root, s->home_path, n) == 0 && s->root[n] == '/')
        return xasprintf("%s%s", s->root + n + 1, path);
    return xasprintf(OLD "%s%s", s->root, path);
}

/* Of another root: what it lacks of the links of a merged /usr is made. */
static void add_system(struct sandbox_plan *p, const struct sandbox *s, const char *path)
{
    struct stat st;
    if (!s->root) {
        add_readable(p, path);
        return;
    }
    _cleanup_free_ char *there = xasprintf("%s%s", s->root, path),
                        *merged = xasprintf("%s/usr%s", s->root, path),
                        *source = source_in_root(s, path);
    if (lstat(there, &st) == 0 && !S_ISLNK(st.st_mode))
        add(p, SANDBOX_READ, path, source)->folder = S_ISDIR(st.st_mode);
    else if (stat(merged, &st) == 0) {
        _cleanup_free_ char *target = xasprintf("usr%s", path);
        add(p, SANDBOX_LINK, path, target);
    }
}

/* The zone of this machine, which SYSTEM means to a server: of whatever root it is, and where the
 * link leads. */
static void add_zone(struct sandbox_plan *p)
{
    struct stat st;
    char real[PATH_MAX];
    if (!realpath(ZONE, real) || stat(real, &st) < 0 || !S_ISREG(st.st_mode))
        return;
    _cleanup_free_ char *source = xasprintf(OLD "%s", real);
    add(p, SANDBOX_READ, ZONE, source);
}

/* The folder of a program that is none of the system's. */
static void add_program(struct sandbox_plan *p, const char *program)
{
    char real[4096];
    if (!strchr(program, '/') || !realpath(program, real) || strncmp(real, "/usr/", 5) == 0)
        return;
    *strrchr(real, '/') = '\0';
    if (real[0])
        add_readable(p, real);
}

static void drop(struct sandbox_plan *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->entries[i].path);
        free(p->entries[i].source);
    }
    cleanup_fd(&p->landlock);
    free(p->start);
    free(p->uid_map);
    free(p->gid_map);
    free(p);
}

/* What the child needs: between fork and exec nothing allocates. */
static int prepare(const struct sandbox *s, const char *program, enum sandbox_kind kind,
    struct sandbox_plan **out, struct err *e)
{
    struct sandbox_plan *p = xcalloc(1, sizeof *p);
    p->s = *s;
    p->kind = kind;
    p->landlock = -1;
    for (size_t i = 0; system_folders[i]; i++)
        add_system(p, s, system_folders[i]);
    add_zone(p);
    for (size_t i = 0; devices[i]; i++) {
        _cleanup_free_ char *source = xasprintf(OLD "%s", devices[i]);
        add(p, SANDBOX_DEVICE, devices[i], source);
    }
    if (!s->root && program)
        add_program(p, program);
    for (size_t i = 0; s->readable && s->readable[i] && i < SANDBOX_GIVEN_MAX; i++)
        add_readable(p, s->readable[i]);
    for (size_t i = 0; s->writable && s->writable[i] && i < SANDBOX_GIVEN_MAX; i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", s->home_path, s->writable[i]);
        add(p, SANDBOX_WRITE, path, s->writable[i])->folder = true;
    }
    if (s->socket) {
        _cleanup_free_ char *path = xasprintf("%s/%s", s->home_path, s->socket);
        add(p, SANDBOX_SOCKET, path, s->socket);
    }
    p->start = s->writable ? xasprintf("%s/%s", s->home_path, s->writable[0]) : xstrdup("/");
    p->uid_map = xasprintf("%u %u 1\n", s->uid, s->uid);
    p->gid_map = xasprintf("%u %u 1\n", s->gid, s->gid);
    sandbox_filter_make(p);
    int r = kind == SANDBOX_LANDLOCK ? sandbox_landlock_make(p, e) : 0;
    if (r < 0)
        drop(p);
    else
        *out = p;
    return r;
}

/* --- in the child --- */

static int fail(struct process_failure *f, const char *what)
{
    *f = (struct process_failure){errno ? errno : EIO, what};
    return -1;
}

static int write_file(pid_t pid, const char *name, const char *text)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = write(fd, text, strlen(text));
    int code = errno;
    close(fd);
    errno = code;
    return n == (ssize_t)strlen(text) ? 0 : -1;
}

/* Only the one user exists in there: root is not even a number. */
static int move(const void *ctx, pid_t *pid, struct process_failure *f)
{
    const struct sandbox_plan *p = ctx;
    int go[2];
    char byte = 0;
    if (geteuid() == 0 && setgroups(0, NULL) < 0)
        return fail(f, "setgroups");
    if (p->s.home >= 0 && fchdir(p->s.home) < 0)
        return fail(f, "home folder");
    if (pipe2(go, O_CLOEXEC) < 0)
        return fail(f, "pipe");
    int spaces = p->s.network ? SPACES & ~CLONE_NEWNET : SPACES;
    long child = syscall(SYS_clone, spaces | CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
    if (child < 0)
        return fail(f, "new namespaces");
    if (child == 0) {
        close(go[1]);
        ssize_t n = read(go[0], &byte, 1);
        close(go[0]);
        *pid = 0;
        errno = EPERM;
        return n == 1 ? 0 : fail(f, N_("numbers of users"));
    }
    close(go[0]);
    *pid = (pid_t)child;
    if (write_file(*pid, "setgroups", "deny") < 0 || write_file(*pid, "uid_map", p->uid_map) < 0 ||
        write_file(*pid, "gid_map", p->gid_map) < 0) {
        close(go[1]); /* it ends */
        return fail(f, N_("numbers of users"));
    }
    ssize_t n = write(go[1], "g", 1);
    close(go[1]);
    return n == 1 ? 0 : fail(f, "pipe");
}

static int make_folders(const char *path)
{
    char part[4096];
    size_t n = strlen(path);
    if (n >= sizeof part)
        return -1;
    memcpy(part, path, n + 1);
    for (char *p = part + 1;; p++) {
        if (*p && *p != '/')
            continue;
        char was = *p;
        *p = '\0';
        if (mkdir(part, 0755) < 0 && errno != EEXIST && errno != EROFS)
            return -1;
        if (!was)
            return 0;
        *p = was;
    }
}

static int make_file(const char *path)
{
    char folder[4096];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    *slash = '\0';
    if (folder[0] && make_folders(folder) < 0)
        return -1;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST || errno == EROFS ? 0 : -1;
    return close(fd);
}

static int show(const struct sandbox_entry *en)
{
    static const uint64_t attributes[] = {
        [SANDBOX_READ] = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
        [SANDBOX_WRITE] = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
        [SANDBOX_DEVICE] = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
        [SANDBOX_SOCKET] = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC};
    if (en->access == SANDBOX_LINK)
        return symlink(en->source, en->path) < 0 && errno != EEXIST ? -1 : 0;
    struct mount_attr attr = {.attr_set = attributes[en->access]};
    if ((en->folder ? make_folders(en->path) : make_file(en->path)) < 0 ||
        mount(en->source, en->path, NULL, MS_BIND | MS_REC, NULL) < 0)
        return -1;
    return (int)syscall(SYS_mount_setattr, AT_FDCWD, en->path, AT_RECURSIVE, &attr, sizeof attr);
}

/* The old root moves aside, what shall be seen is bound from it, and it goes. Meanwhile our own
 * folder is where we stand: no path leads through what others own. */
static int new_view(const struct sandbox_plan *p, struct process_failure *f)
{
    struct mount_attr closed = {
        .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return fail(f, "private mounts");
    if (mount("none", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=0755") < 0)
        return fail(f, N_("a file system in memory"));
    if (mkdir("/tmp" OLD, 0700) < 0 || syscall(SYS_pivot_root, "/tmp", "/tmp" OLD) < 0)
        return fail(f, "pivot_root");
    for (size_t i = 0; i < p->n; i++)
        if (show(&p->entries[i]) < 0)
            return fail(f, p->entries[i].access == SANDBOX_WRITE
                               ? N_("binding its folders")
                               : N_("binding what it reads (its user must get through to it)"));
    if (chdir(p->start) < 0)
        return fail(f, "its folder");
    if (umount2(OLD, MNT_DETACH) < 0 || rmdir(OLD) < 0)
        return fail(f, N_("letting go of the old root"));
    if (syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &closed, sizeof closed) < 0)
        return fail(f, N_("closing the root"));
    return 0;
}

static int limit(__rlimit_resource_t what, uint64_t value)
{
    struct rlimit was, now = {value, value};
    if (value == 0)
        return 0;
    if (getrlimit(what, &was) == 0 && was.rlim_max != RLIM_INFINITY && was.rlim_max < value)
        now.rlim_cur = now.rlim_max = was.rlim_max;
    return setrlimit(what, &now);
}

static int limits(const struct sandbox *s, struct process_failure *f)
{
    static const struct rlimit none = {0, 0};
    (void)write_file(
        getpid(), "oom_score_adj", "1000"); /* the first to go; no /proc, no such wish */
    if (setrlimit(RLIMIT_CORE, &none) < 0 || limit(RLIMIT_AS, s->memory) < 0 ||
        limit(RLIMIT_FSIZE, s->file_size) < 0 || limit(RLIMIT_CPU, s->cpu_s) < 0)
        return fail(f, "limits");
    return 0;
}

static int become_user(const struct sandbox_plan *p, struct process_failure *f)
{
    bool inside = p->kind == SANDBOX_NAMESPACES;
    if (!inside && geteuid() == 0 && setgroups(0, NULL) < 0)
        return fail(f, "setgroups");
    if (setresgid(p->s.gid, p->s.gid, p->s.gid) < 0 || setresuid(p->s.uid, p->s.uid, p->s.uid) < 0)
        return fail(f, N_("becoming its user"));
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return fail(f, N_("giving up rights"));
    return 0;
}

static int enter(const void *ctx, struct process_failure *f)
{
    const struct sandbox_plan *p = ctx;
    umask(0077);
    errno = 0;
    if (limits(&p->s, f) < 0 || become_user(p, f) < 0)
        return -1;
    if (p->kind == SANDBOX_NAMESPACES) {
        if (new_view(p, f) < 0)
            return -1;
    } else if (chdir(p->start) < 0)
        return fail(f,
            N_("Landlock: its user does not get through to its folder (chmod o+x on those above it, or another [drill] scratch)"));
    else if (sandbox_landlock_enter(p) < 0)
        return fail(f, "Landlock");
    if (call_filter_shut(&p->filter) < 0)
        return fail(f, N_("the filter of system calls"));
    return 0;
}

int sandbox_shut(struct process_failure *f)
{
    struct sandbox_plan closed = {.landlock = -1};
    errno = 0;
    sandbox_filter_make(&closed);
    if (call_filter_shut(&closed.filter) < 0)
        return fail(f, N_("the filter of system calls"));
    return 0;
}

/* --- both --- */

static int start_in(const struct sandbox *s, enum sandbox_kind kind,
    const struct process_options *given, struct process *out, struct err *e)
{
    struct sandbox_plan *plan;
    /* in there another one of that name may come first */
    _cleanup_free_ char *program = s->root ? NULL : process_find(given->argv[0]);
    size_t n = 0;
    while (given->argv[n])
        n++;
    _cleanup_free_ const char **argv = xcalloc(n + 1, sizeof *argv);
    memcpy(argv, given->argv, n * sizeof *argv);
    argv[0] = program ? program : given->argv[0];
    /* an opened one need not be seen; Landlock judges the file itself */
    bool unseen = given->program > 0 && kind == SANDBOX_NAMESPACES;
    int r = prepare(s, unseen ? NULL : argv[0], kind, &plan, e);
    if (r < 0)
        return r;
    struct process_cage cage = {kind == SANDBOX_NAMESPACES ? move : NULL, enter, plan};
    struct process_options o = *given;
    o.argv = argv;
    o.cage = &cage;
    r = process_start(&o, out, e);
    drop(plan);
    return r;
}

int sandbox_start(const struct sandbox *s, const struct process_options *o, struct process *out,
    enum sandbox_kind *got, struct err *e)
{
    struct err first = {0};
    enum sandbox_kind kind = s->kind == SANDBOX_AUTO ? SANDBOX_NAMESPACES : s->kind;
    if (s->root && kind == SANDBOX_LANDLOCK)
        return err_set(e, EINVAL,
            "a root of another system is seen in namespaces only, not with [drill] sandbox = landlock");
    int r = start_in(s, kind, o, out, &first);
    bool again = r == 1 && s->kind == SANDBOX_AUTO && !s->root;
    if (again)
        r = start_in(s, kind = SANDBOX_LANDLOCK, o, out, e);
    if (got)
        *got = kind;
    if (r == 0)
        return 0;
    if (again)
        return err_prefix(e, r == 1 ? -EPERM : r, "%s", err_words(&first));
    if (e)
        *e = first;
    return r == 1 ? -EPERM : r;
}
