#include "backup/job/trial/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "backup/job/trial/owned.h"
#include "backup/job/run.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/lang.h"

#define USER      "elexgate-trial"
#define SHOWN_MAX (64u << 20)
#define RESERVE   (256u << 20)
#define MEMORY_BEYOND                                                                              \
    (8ull << 30) /* beside its buffers: packets of a gigabyte, in several copies */
#define CPU_S      (24u * 3600u)
#define ANSWER_MAX (64u << 20)

static int trial_user(const struct config *c, uid_t *uid, gid_t *gid, struct err *e)
{
    const char *name = c ? config_str(c, "drill", NULL, "user") : USER;
    if (geteuid() != 0) {
        *uid = geteuid();
        *gid = getegid();
        return 0;
    }
    const struct passwd *pw = getpwnam(name);
    if (!pw)
        return err_set(e, ENOENT,
            N_("there is no user %s, and nothing is tried out as root; make it: useradd --system --no-create-home --home-dir / --shell /usr/sbin/nologin %s (the package does), or name another one in [drill] user"),
            name, name);
    if (pw->pw_uid == 0 || pw->pw_gid == 0)
        return err_set(
            e, EPERM, N_("[drill] user %s is root or in its group; name another one"), name);
    *uid = pw->pw_uid;
    *gid = pw->pw_gid;
    return 0;
}

int trial_ready(struct run *run, struct err *e)
{
    uid_t uid;
    gid_t gid;
    if (trial_user(run->s.config, &uid, &gid, e) == 0)
        return 0;
    return EXIT_REFUSED;
}

/* The folder that holds path; malloc'ed. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return !slash || slash == path ? NULL : xasprintf("%.*s", (int)(slash - path), path);
}

static enum sandbox_kind wanted(const struct config *c)
{
    const char *word = c ? config_str(c, "drill", NULL, "sandbox") : "auto";
    for (int k = SANDBOX_NAMESPACES; k <= SANDBOX_LANDLOCK; k++)
        if (strcmp(word, sandbox_kind_name((enum sandbox_kind)k)) == 0)
            return (enum sandbox_kind)k;
    return SANDBOX_AUTO;
}

static uint64_t free_bytes(int fd)
{
    struct statvfs fs;
    return fstatvfs(fd, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : UINT64_MAX;
}

/* No file can be larger than its file system; the sum is watched (trial_has_room). */
static uint64_t file_system(int fd)
{
    struct statvfs fs;
    return fstatvfs(fd, &fs) == 0 ? (uint64_t)fs.f_blocks * fs.f_frsize : 0;
}

static int open_folders(struct trial *t, const char *data, const char *scratch, struct err *e)
{
    t->home = owned_open(t->home_path, e);
    if (t->home >= 0)
        t->data = openat(t->home, data, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (t->home >= 0)
        t->scratch = openat(t->home, scratch, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (t->home < 0)
        return t->home;
    return t->data < 0 || t->scratch < 0
               ? err_sys(e, errno, "cannot open the folders in %s", t->home_path)
               : 0;
}

static int hand_over(struct trial *t, struct err *e)
{
    int r = owned_give(t->data, t->sandbox.uid, t->sandbox.gid, e);
    if (r == 0)
        r = owned_give(t->scratch, t->sandbox.uid, t->sandbox.gid, e);
    return r == 0 ? owned_let_pass(t->home, t->sandbox.gid, e) : r;
}

int trial_open(struct trial *t, const struct config *c, const char *datadir, const char *scratch,
    struct err *e)
{
    *t = (struct trial){.home = -1, .data = -1, .scratch = -1};
    _cleanup_free_ char *home = folder_of(datadir), *other = folder_of(scratch);
    CHECK(home && other && strcmp(home, other) == 0);
    t->home_path = realpath(home, NULL);
    t->scratch_path = xstrdup(scratch);
    t->writable[0] = datadir + strlen(home) + 1;
    t->writable[1] = scratch + strlen(home) + 1;
    int r = t->home_path ? trial_user(c, &t->sandbox.uid, &t->sandbox.gid, e)
                         : err_sys(e, errno, "cannot find %s", home);
    if (r == 0)
        r = open_folders(t, t->writable[0], t->writable[1], e);
    if (r == 0)
        r = hand_over(t, e);
    if (r < 0) {
        struct err left = {0};
        int closed = trial_close(t, &left);
        (void)closed;
        return r;
    }
    uint64_t room = free_bytes(t->home);
    t->reserve = room / 8 < RESERVE ? room / 8 : RESERVE;
    t->sandbox.kind = wanted(c);
    t->sandbox.writable = t->writable;
    t->sandbox.readable = (const char *const *)t->shown;
    t->sandbox.home = t->home;
    t->sandbox.home_path = t->home_path;
    t->sandbox.memory = MEMORY_BEYOND;
    t->sandbox.file_size = file_system(t->home);
    t->sandbox.cpu_s = CPU_S;
    return 0;
}

int trial_write(struct trial *t, const char *name, const char *text, size_t n, struct err *e)
{
    (void)unlinkat(t->scratch, name, 0);
    _cleanup_fd_ int fd = openat(
        t->scratch, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_sys(e, errno, "cannot make %s/%s", t->scratch_path, name);
    int r = fd_write_all(fd, text, n, e);
    if (r == 0 && geteuid() == 0 && fchown(fd, t->sandbox.uid, t->sandbox.gid) < 0)
        r = err_sys(e, errno, "cannot hand %s/%s over", t->scratch_path, name);
    return r;
}

int trial_show(struct trial *t, const char *arg, char **out, struct err *e)
{
    struct stat st;
    const char *path = strstr(arg, "=/");
    if (!path || stat(path + 1, &st) < 0 || t->given == TRIAL_GIVEN_MAX) {
        *out = xstrdup(arg);
        return 0;
    }
    path++;
    if (!S_ISREG(st.st_mode)) {
        t->shown[t->folders++] = xstrdup(path);
        t->given++;
        *out = xstrdup(arg);
        return 0;
    }
    _cleanup_free_ char *text = NULL;
    _cleanup_free_ char *name = xasprintf("given-%zu", ++t->given);
    size_t n = 0;
    int r = file_read(path, SHOWN_MAX, &text, &n, e);
    if (r == 0)
        r = trial_write(t, name, text, n, e);
    if (r == 0)
        *out = xasprintf("%.*s%s/%s", (int)(path - arg), arg, t->scratch_path, name);
    return r;
}

int trial_beside_open(
    struct trial_beside *b, const struct config *c, const char *socket, struct err *e)
{
    *b = (struct trial_beside){.folder = -1};
    int r = trial_user(c, &b->sandbox.uid, &b->sandbox.gid, e);
    if (r < 0)
        return r;
    _cleanup_free_ char *folder = socket ? folder_of(socket) : NULL;
    if (folder) {
        b->folder_path = realpath(folder, NULL);
        b->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (!b->folder_path || b->folder < 0)
            return err_sys(e, errno, "cannot open %s", folder);
        b->sandbox.socket = strrchr(socket, '/') + 1;
    }
    b->sandbox.kind = wanted(c);
    b->sandbox.home = b->folder;
    b->sandbox.home_path = b->folder_path;
    b->sandbox.connects = true;
    b->sandbox.network = !socket;
    trial_for_import(&b->sandbox);
    return 0;
}

void trial_beside_close(struct trial_beside *b)
{
    cleanup_fd(&b->folder);
    free(b->folder_path);
    b->folder_path = NULL;
}

void trial_for_import(struct sandbox *s)
{
    s->memory = ADDRESS_SANITIZED ? 0 : MEMORY_BEYOND; /* its shadow is larger than any limit */
    s->file_size = ANSWER_MAX;
    s->cpu_s = CPU_S;
    s->scripts = false;
    s->connects = true;
}

bool trial_has_room(const struct trial *t)
{
    return free_bytes(t->home) >= t->reserve;
}

int trial_close(struct trial *t, struct err *e)
{
    int r = t->data >= 0 ? owned_take_back(t->data, e) : 0;
    cleanup_fd(&t->home);
    cleanup_fd(&t->data);
    cleanup_fd(&t->scratch);
    for (size_t i = 0; i < TRIAL_GIVEN_MAX; i++)
        free(t->shown[i]);
    free(t->home_path);
    free(t->scratch_path);
    *t = (struct trial){.home = -1, .data = -1, .scratch = -1};
    return r;
}
