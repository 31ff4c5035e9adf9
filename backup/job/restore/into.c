#include "backup/job/restore/into.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backup/job/space.h"
#include "backup/job/trial/copy_check.h"
#include "backup/job/trial/owned.h"
#include "backup/job/restore/foreign.h"
#include "backup/job/restore/moment.h"
#include "backup/job/restore/pick.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/json_lines.h"

#define SCRATCH ".replay"
#define SPARE   (64u << 20) /* for what a server writes when it starts */

struct into {
    struct run *run;
    const struct restore_request *q;
    char *dir; /* real path */
    bool made; /* the folder, by us */
    int fd;
    char *types[RESTORE_PARTS_MAX]; /* folders that were made in it */
    size_t n;
    json_t *record;
};

/* --- may it go there? --- */

/* Its real path, though it may not exist yet; its parent must. */
static int resolve(const char *dir, char **out, struct err *e)
{
    char real[4096];
    _cleanup_free_ char *path = xstrdup(dir);
    for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
        path[n - 1] = '\0';
    if (realpath(path, real)) {
        *out = xstrdup(real);
        return 0;
    }
    if (errno != ENOENT)
        return err_sys(e, errno, "cannot find %s", dir);
    return file_in_real_parent(path, out, e);
}

static bool lies_in(const char *path, const char *folder)
{
    char real[4096];
    if (!folder || !realpath(folder, real))
        return false;
    size_t n = strlen(real);
    return strncmp(path, real, n) == 0 && (path[n] == '\0' || path[n] == '/' || n == 1);
}

/* A running server or a stopped one, known to us or not: a data directory is known by its files. */
static bool is_data_directory(const char *path)
{
    static const char *const files[] = {"ibdata1", "aria_log_control", "mysql/global_priv.frm"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        _cleanup_free_ char *file = xasprintf("%s/%s", path, files[i]);
        if (access(file, F_OK) == 0)
            return true;
    }
    return false;
}

static int outside_live_data(const struct into *in, struct err *e)
{
    const struct config *c = in->run->s.config;
    _cleanup_free_ char *at = xstrdup(in->dir);
    const char *name, *live = config_str(c, "backup", NULL, "datadir");
    bool inside = lies_in(in->dir, live);
    for (size_t i = 0; !inside && (name = config_section(c, "data", i)); i++)
        inside = lies_in(in->dir, live = config_str(c, "data", name, "path"));
    while (!inside && *at) {
        inside = is_data_directory(live = at);
        if (!inside)
            *strrchr(at, '/') = '\0';
    }
    if (!inside)
        return 0;
    return err_outcome(e, EXIT_REFUSED, EINVAL,
        "%s lies in the live data (%s): what is unpacked to be looked at needs a place elsewhere",
        in->dir, live);
}

static int make_dir(struct into *in, struct err *e)
{
    in->made = mkdir(in->dir, 0700) == 0;
    if (!in->made && errno != EEXIST)
        return err_sys(e, errno, "cannot make %s", in->dir);
    in->fd = owned_open(in->dir, e);
    if (in->fd < 0)
        return in->made ? in->fd : err_prefix(e, in->fd, "give a folder that does not exist yet");
    int fd = openat(in->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d)
        return err_sys(e, errno, "cannot read %s", in->dir);
    const struct dirent *de;
    bool empty = true;
    while ((de = readdir(d)))
        empty &= !strcmp(de->d_name, ".") || !strcmp(de->d_name, "..");
    if (empty)
        return 0;
    return err_outcome(e, EXIT_REFUSED, ENOTEMPTY,
        "%s is not empty; give an empty or a new folder (what an earlier --into left there may be deleted)",
        in->dir);
}

static int enough_space(const struct into *in, const struct store_list *found, struct err *e)
{
    uint64_t needed = SPARE;
    for (size_t i = 0; i < found->count; i++)
        if (restore_picked(found, i, in->q->types))
            needed += found->items[i].manifest.content.bytes;
    return space_for(in->dir, needed, e);
}

/* --- unpacking --- */

static void record(struct into *in, const struct store_item *it, const struct manifest *m)
{
    json_t *settings = json_object_get(m->info, "server_settings");
    (void)json_array_append_new(json_object_get(in->record, "items"),
        json_pack("{s:s, s:s, s:I, s:s?, s:i, s:i, s:O?, s:O?}", "type", it->type, "method",
            manifest_method_name(m->method), "bytes", (json_int_t)m->content.bytes, "server",
            m->server.version, "page_size", (int)m->server.page_size, "lower_case_table_names",
            restore_is_foreign(it) ? -1 : m->server.lower_case_table_names, "settings", settings,
            "database_is", json_object_get(m->info, "database")));
}

/* To the moment that is asked for, in a throwaway server. */
static int bring_forward(struct into *in, const struct store_item *it, const char *manifest,
    const char *folder, struct err *e)
{
    _cleanup_free_ char *scratch = xasprintf("%s/" SCRATCH, in->dir);
    struct err left = {0};
    if (mkdir(scratch, 0700) < 0)
        return err_sys(e, errno, "cannot make %s", scratch);
    int code = moment_replay(in->run, in->q->way, it, manifest, folder, scratch, NULL, e);
    if (file_remove_tree(in->fd, SCRATCH, &left) < 0)
        run_tell(&left);
    return code;
}

static int unpack_files(struct into *in, const struct store_item *it, const char *archive,
    const char *manifest, struct err *e)
{
    _cleanup_free_ char *folder = xasprintf("%s/%s", in->dir, it->type);
    struct copy_check c = {.run = in->run,
        .item = it,
        .archive = archive,
        .manifest = manifest,
        .datadir = folder,
        .scratch = folder,
        .max_bytes = restore_foreign_limit(in->dir)};
    if (mkdir(folder, 0700) < 0)
        return err_sys(e, errno, "cannot make %s", folder);
    in->types[in->n++] = xstrdup(it->type);
    int code = copy_check_extract(&c, e);
    if (code == 0 && !manifest && it->manifest.method == MANIFEST_PHYSICAL)
        code = restore_foreign_flatten(in->dir, it->type, e);
    if (code == 0 && in->q->way)
        code = bring_forward(in, it, manifest, folder, e);
    return code;
}

static int unpack_one(
    struct into *in, const struct store_list *found, const struct store_item *it, struct err *e)
{
    if (restore_is_foreign(it)) {
        run_note(
            "this archive has no manifest: its date, its server's version and whether it is complete are unknown");
        record(in, it, &it->manifest);
        return unpack_files(in, it, in->q->which, NULL, e);
    }
    _cleanup_free_ char *archive = store_path(found->folder, it, ARCHIVE_NAME_ARCHIVE);
    _cleanup_free_ char *manifest = store_path(found->folder, it, ARCHIVE_NAME_MANIFEST);
    _cleanup_manifest_file_ struct manifest_file *file = NULL;
    const struct manifest *m = NULL;
    int code = copy_check_manifest(in->run, it, manifest, &file, &m, e);
    if (code == 0) {
        record(in, it, m);
        code = unpack_files(in, it, archive, manifest, e);
    }
    return code;
}

static int unpack_all(struct into *in, const struct store_list *found, struct err *e)
{
    int code = 0;
    for (size_t i = 0; i < found->count && code == 0; i++) {
        const struct store_item *it = &found->items[i];
        if (!restore_picked(found, i, in->q->types) || in->n == RESTORE_PARTS_MAX)
            continue;
        code = restore_picked_whole(it, in->q->which, e);
        if (code == 0)
            code = unpack_one(in, found, it, e);
        snprintf(in->run->suffix, sizeof in->run->suffix, "%s", it->run);
    }
    if (code == 0 && in->n == 0)
        code = err_set(e, ENOENT, "%s has no archive of the types asked for", in->q->which);
    return code;
}

static int publish(struct into *in, struct err *e)
{
    size_t n;
    _cleanup_free_ char *path = xasprintf("%s/" INTO_RECORD, in->dir);
    json_object_set_new(in->record, "run", json_string(in->run->suffix));
    _cleanup_free_ char *line = json_line(in->record, &n);
    return file_publish(path, line, n, 0600, e);
}

static void remove_all(struct into *in)
{
    struct err left = {0};
    for (size_t i = 0; i < in->n; i++)
        if (file_remove_tree(in->fd, in->types[i], &left) < 0)
            run_tell(&left);
    if (in->made && rmdir(in->dir) < 0)
        run_note("%s stays: %s", in->dir, strerror(errno));
}

bool restore_is_into(const char *dir)
{
    _cleanup_free_ char *path = xasprintf("%s/" INTO_RECORD, dir);
    return access(path, F_OK) == 0;
}

int restore_into(struct run *run, const struct restore_request *q, const char *dir, struct err *e)
{
    CLEANUP(store_list_clear) struct store_list found = {0};
    struct into in = {.run = run, .q = q, .fd = -1};
    in.record = json_pack("{s:i, s:[]}", "version", 1, "items");
    int code = restore_find(run, q, &found, e);
    if (code == 0)
        code = resolve(dir, &in.dir, e);
    if (code == 0)
        code = outside_live_data(&in, e);
    if (code == 0)
        code = make_dir(&in, e);
    if (code == 0)
        code = enough_space(&in, &found, e);
    if (code == 0)
        code = unpack_all(&in, &found, e);
    if (code == 0)
        code = publish(&in, e);
    if (code == 0)
        run_event(json_pack("{s:s, s:s, s:s, s:O}", "event", "unpacked", "folder", in.dir, "run",
            run->suffix, "types", json_object_get(in.record, "items")));
    else
        remove_all(&in);
    for (size_t i = 0; i < in.n; i++)
        free(in.types[i]);
    cleanup_fd(&in.fd);
    free(in.dir);
    json_decref(in.record);
    return code;
}
