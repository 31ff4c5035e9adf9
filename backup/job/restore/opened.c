#include "backup/job/restore/opened.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/job/restore/foreign.h"
#include "backup/job/restore/into.h"
#include "backup/job/trial/owned.h"
#include "backup/job/trial/scratch.h"
#include "backup/rules/archive_name.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/lang.h"

#define HOME    "opened"
#define HELD    ".held"
#define WAIT_MS 30000 /* others make and remove folders for so long at the most */
#define LOOK_US 20000

struct place {
    char *home, *dir;
    const char *name; /* of dir in home */
    int home_fd, held;
};

/* Folders come and go one job at a time. */
static int lock_home(const struct place *p, int *fd, struct err *e)
{
    _cleanup_free_ char *path = xasprintf("%s/.lock", p->home);
    uint64_t until = clock_mono_ms() + WAIT_MS;
    int r;
    while ((r = file_lock(path, fd, NULL, e)) == 1 && clock_mono_ms() < until)
        usleep(LOOK_US);
    if (r != 1)
        return r;
    return err_outcome(e, EXIT_BUSY, EBUSY, "another backup is being opened or closed");
}

static int hold(const struct place *p, const char *name, int *fd, struct err *e)
{
    _cleanup_free_ char *path = xasprintf("%s/%s/" HELD, p->home, name);
    return file_lock(path, fd, NULL, e);
}

/* What one that is still open holds stays. */
static void sweep(const struct place *p)
{
    int fd = openat(p->home_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *de;
    while (d && (de = readdir(d))) {
        _cleanup_fd_ int held = -1;
        struct err left = {0};
        if (de->d_name[0] == '.' || hold(p, de->d_name, &held, &left) != 0)
            continue;
        run_note("%s/%s was left by a job that was killed, and goes", p->home, de->d_name);
        if (file_remove_tree(p->home_fd, de->d_name, &left) < 0)
            run_tell(&left);
    }
}

static int take(struct place *p, struct err *e)
{
    if (mkdirat(p->home_fd, p->name, 0700) == 0)
        return hold(p, p->name, &p->held, e);
    if (errno != EEXIST)
        return err_sys(e, errno, "cannot make %s", p->dir);
    return err_outcome(e, EXIT_BUSY, EEXIST, N_("%s is open for reading already"), p->name);
}

static int enter(struct place *p, const struct run *run, bool only_sweep, struct err *e)
{
    _cleanup_fd_ int lock = -1, folder = -1;
    _cleanup_free_ char *scratch = scratch_folder(run);
    p->home = xasprintf("%s/" HOME, scratch);
    p->dir = xasprintf("%s/%s", p->home, p->name);
    /* what is shown must be what was compared with the manifest */
    int code = (folder = scratch_folder_open(run, e)) < 0 ? folder : 0;
    if (code == 0)
        code = file_mkdirs(p->home, 0700, e);
    if (code == 0 && (p->home_fd = owned_open(p->home, e)) < 0)
        code = p->home_fd;
    if (code == 0)
        code = lock_home(p, &lock, e);
    if (code != 0)
        return code;
    sweep(p);
    return only_sweep ? 0 : take(p, e);
}

static void leave(struct place *p)
{
    struct err left = {0};
    _cleanup_fd_ int lock = -1;
    int code = p->held < 0 ? 0 : lock_home(p, &lock, &left);
    if (p->held >= 0 && code == 0)
        code = file_remove_tree(p->home_fd, p->name, &left);
    if (code != 0)
        run_tell(&left);
    cleanup_fd(&p->held);
    cleanup_fd(&p->home_fd);
    free(p->home);
    free(p->dir);
}

/* The request's own json holds its texts. */
static json_t *type_held(const struct restore_request *q, const char *type)
{
    json_t *held = json_string(type);
    (void)json_object_set_new(q->json, type, held);
    return held;
}

/* Documents are files that anybody unpacks who wants them; the database is what a server shows. */
static int pick_database(struct run *run, struct restore_request *q, struct err *e)
{
    CLEANUP(store_list_clear) struct store_list found = {0};
    size_t n = 0;
    int code = restore_find(run, q, &found, e);
    for (size_t i = 0; i < found.count && code == 0 && n < RESTORE_TYPES_MAX; i++)
        if (found.items[i].manifest.method != MANIFEST_FILES)
            q->types[n++] = json_string_value(type_held(q, found.items[i].type));
    if (code == 0 && n == 0)
        code = err_outcome(e, EXIT_REFUSED, ENOENT, N_("%s holds no database"), q->which);
    return code;
}

int restore_open(struct run *run, struct restore_request *q, struct err *e)
{
    const char *word = q->which && run_suffix_valid(q->which) ? q->which : "latest";
    struct place p = {.name = q->moment ? "moment" : word, .home_fd = -1, .held = -1};
    int code = enter(&p, run, q->expire, e);
    _cleanup_free_ char *data = xasprintf("%s/data", p.dir),
                        *socket = xasprintf("%s/socket", p.dir);
    if (code == 0 && !q->expire && !q->types[0])
        code = pick_database(run, q, e);
    if (code == 0 && !q->expire)
        code = restore_into(run, q, data, e);
    if (code == 0 && !q->expire)
        code = restore_serve(
            run, data, socket, config_int(run->s.config, "restore", NULL, "open_for"), e);
    leave(&p);
    return code;
}
