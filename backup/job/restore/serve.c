/*
 * A throwaway server on what was unpacked elsewhere (into.c), for as long as somebody looks.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "backup/job/trial/import.h"
#include "backup/job/restore/into.h"
#include "backup/job/trial/throwaway.h"
#include "backup/job/trial/trial.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/json_lines.h"
#include "common/json_get.h"

#define RECORD_MAX (1u << 20)
#define SCRATCH    ".server"
#define IMPORTED   ".imported"
#define WATCH_US   100000

struct serve {
    struct run *run;
    char *dir, *socket; /* real paths */
    int fd, lock;
    json_t *record, *item; /* item: the one that is served, borrowed from record */
    bool dump;
    char *folder, *scratch, *imported;
    struct throwaway *server;
    bool published;
    uint64_t until; /* monotonic ms; 0 = until we are asked to stop */
};

/* --- what lies there --- */

/* The files of the database, or else the dump of it. */
static json_t *served_item(const json_t *record)
{
    json_t *it, *dump = NULL;
    size_t i;
    json_array_foreach (json_object_get(record, "items"), i, it) {
        if (!strcmp(json_get_text(it, "method"), "physical"))
            return it;
        if (!strcmp(json_get_text(it, "method"), "dump"))
            dump = it;
    }
    return dump;
}

static int load(struct serve *s, const char *dir, struct err *e)
{
    char real[4096];
    size_t n = 0;
    _cleanup_free_ char *data = NULL;
    if (!realpath(dir, real))
        return err_sys(e, errno, "cannot find %s", dir);
    s->dir = xstrdup(real);
    _cleanup_free_ char *path = xasprintf("%s/" INTO_RECORD, s->dir);
    int code = file_read(path, RECORD_MAX, &data, &n, e);
    if (code == -ENOENT)
        return err_outcome(e, EXIT_REFUSED, ENOENT,
            "%s holds no backup that `elexgate restore --into` has unpacked", dir);
    if (code < 0)
        return code;
    s->record = json_loadb(data, n, 0, NULL);
    s->item = served_item(s->record);
    const char *type = json_get_text(s->item, "type");
    if (!s->item || !archive_type_valid(type))
        return err_outcome(
            e, EXIT_REFUSED, EINVAL, "%s holds neither files nor a dump of a database", dir);
    s->dump = !strcmp(json_get_text(s->item, "method"), "dump");
    s->folder = xasprintf("%s/%s", s->dir, type);
    s->scratch = xasprintf("%s/" SCRATCH, s->dir);
    s->imported = xasprintf("%s/" IMPORTED, s->dir);
    snprintf(s->run->suffix, sizeof s->run->suffix, "%s", json_get_text(s->record, "run"));
    return 0;
}

/* --- the socket --- */

static bool answers(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
}

/* Nothing may lie there but what an earlier one, that was killed, has left. */
static int free_socket(struct serve *s, const char *path, struct err *e)
{
    struct stat st;
    int code = file_in_real_parent(path, &s->socket, e);
    if (code < 0)
        return code;
    if (strlen(s->socket) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return err_set(e, ENAMETOOLONG, "%s is too long for a socket", s->socket);
    if (lstat(s->socket, &st) < 0)
        return errno == ENOENT ? 0 : err_sys(e, errno, "cannot look at %s", s->socket);
    if (!S_ISSOCK(st.st_mode) && !S_ISLNK(st.st_mode))
        return err_set(e, EEXIST, "%s is there already, and is no socket", s->socket);
    if (answers(s->socket))
        return err_set(e, EBUSY, "a server listens on %s already", s->socket);
    return unlink(s->socket) < 0 ? err_sys(e, errno, "cannot remove %s", s->socket) : 0;
}

/* The server makes a socket that everybody may open, and asks nobody for a password: it lies in a
 * folder of its own that is closed, and gets its name outside once it is closed itself. What lies
 * there is looked at before anything is done with it. */
static int publish_socket(struct serve *s, struct err *e)
{
    struct stat st;
    char held[40];
    _cleanup_fd_ int folder = openat(s->fd, SCRATCH, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    _cleanup_fd_ int fd = openat(folder, "s", O_PATH | O_NOFOLLOW | O_CLOEXEC);
    snprintf(held, sizeof held, "/proc/self/fd/%d", fd);
    if (folder < 0 || fd < 0 || fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode))
        return err_set(e, EPERM, "%s has no socket of the server", s->scratch);
    if (chmod(held, 0600) < 0)
        return err_sys(e, errno, "cannot close the server's socket");
    struct server_target t = throwaway_target(s->server);
    if (linkat(AT_FDCWD, held, AT_FDCWD, s->socket, AT_SYMLINK_FOLLOW) < 0 &&
        symlink(t.socket, s->socket) < 0)
        return err_sys(e, errno, "cannot make %s", s->socket);
    s->published = true;
    return 0;
}

/* --- the server --- */

static int make_scratch(struct serve *s, struct err *e)
{
    if (strlen(s->scratch) > 100)
        return err_set(e, ENAMETOOLONG, "%s is too long for a server's socket", s->dir);
    int code = file_remove_tree(s->fd, SCRATCH, e);
    if (code == 0 && mkdirat(s->fd, SCRATCH, 0700) < 0)
        code = err_sys(e, errno, "cannot make %s", s->scratch);
    return code;
}

/* The dump is the one file that its archive holds, and is called as its database was. Both
 * malloc'ed. */
static int find_dump(const struct serve *s, char **file, char **database, struct err *e)
{
    _cleanup_dir_ DIR *d = opendir(s->folder);
    const struct dirent *de;
    while (d && !*file && (de = readdir(d))) {
        size_t n = strlen(de->d_name);
        if (n > 4 && strcmp(de->d_name + n - 4, ".sql") == 0) {
            *file = xasprintf("%s/%s", s->folder, de->d_name);
            *database = xasprintf("%.*s", (int)(n - 4), de->d_name);
        }
    }
    return *file ? 0 : err_set(e, ENOENT, "%s holds no dump (.sql)", s->folder);
}

static int import_dump(struct serve *s, const struct throwaway_options *o, struct err *e)
{
    _cleanup_free_ char *file = NULL, *database = NULL;
    int code = find_dump(s, &file, &database, e);
    if (code == 0)
        code = file_remove_tree(s->fd, IMPORTED, e);
    if (code == 0)
        code = import_new_server(s->run, o, json_get_text(s->item, "type"), file, database,
            json_object_get(s->item, "database_is"), &s->server, e);
    if (code != 0) {
        struct err left;
        if (file_remove_tree(s->fd, IMPORTED, &left) < 0)
            run_tell(&left);
        return code;
    }
    json_object_set_new(s->item, "imported", json_true());
    size_t n;
    _cleanup_free_ char *path = xasprintf("%s/" INTO_RECORD, s->dir);
    _cleanup_free_ char *line = json_line(s->record, &n);
    return file_publish(path, line, n, 0600, e);
}

static int start(struct serve *s, struct err *e)
{
    const struct config *c = s->run->s.config;
    struct throwaway_options o = {
        .config = c,
        .program = config_str(c, "drill", NULL, "server_program"),
        .args = s->dump ? NULL : config_list(c, "drill", NULL, "server_args"),
        .datadir = s->dump ? s->imported : s->folder,
        .scratch = s->scratch,
        .page_size = (uint32_t)json_get_int(s->item, "page_size"),
        .lower_case_table_names = (int)json_get_int(s->item, "lower_case_table_names"),
        .settings = json_object_get(s->item, "settings"),
        .go_on = run_go_on,
        .ctx = s->run,
    };
    if (s->dump && !json_get_true(s->item, "imported"))
        return import_dump(s, &o, e);
    run_phase(s->run, json_get_text(s->item, "type"), "boot", 0);
    int code = throwaway_start(&o, &s->server, e);
    if (code == 1)
        return run_pack_result(PACK_STOPPED, e);
    return code == -EIO ? EXIT_INCONSISTENT : code;
}

static int note_database(void *ctx, const struct server_row *row, struct err *e)
{
    (void)e;
    (void)json_array_append_new(ctx, json_pack("{s:s, s:I}", "name", row->text[0], "tables",
                                         (json_int_t)strtoll(row->text[1], NULL, 10)));
    return 0;
}

static int tell_serving(struct serve *s, int64_t for_ms, struct err *e)
{
    char stamp[CLOCK_ISO_LEN];
    _cleanup_json_ json_t *databases = json_array();
    struct server *server = throwaway_server(s->server);
    int code = server_rows(server, note_database, databases, e,
        "SELECT SCHEMA_NAME, COUNT(TABLE_NAME) FROM information_schema.SCHEMATA LEFT JOIN information_schema.TABLES ON TABLE_SCHEMA=SCHEMA_NAME WHERE SCHEMA_NAME NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys') GROUP BY 1 ORDER BY 1");
    s->until = for_ms > 0 ? clock_mono_ms() + (uint64_t)for_ms : 0;
    if (code == 0)
        run_event(json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:O, s:s*}", "event", "serving",
            "folder", s->dir, "run", s->run->suffix, "socket", s->socket, "user", "root", "version",
            server_version(server), "databases", databases, "until",
            for_ms > 0 ? clock_iso(clock_wall_ms() + for_ms, stamp) : NULL));
    return code;
}

/* Until somebody asks us to stop, or its time is over: that is how it is meant to end. */
static int watch(struct serve *s, struct err *e)
{
    while (run_go_on(s->run) && (!s->until || clock_mono_ms() < s->until)) {
        if (!throwaway_runs(s->server)) {
            struct err words = {0};
            return err_set(
                e, EIO, "the server ended by itself: %s", throwaway_last_words(s->server, &words));
        }
        usleep(WATCH_US);
    }
    run_phase(s->run, json_get_text(s->item, "type"), "stop", 0);
    return throwaway_stop(s->server, e);
}

/* Loaded, and nobody else runs a server on it. */
static int take_folder(struct serve *s, const char *dir, struct err *e)
{
    int code = load(s, dir, e);
    if (code != 0)
        return code;
    _cleanup_free_ char *path = xasprintf("%s/.lock", s->dir);
    code = file_lock(path, &s->lock, NULL, e);
    if (code == 1)
        return err_outcome(e, EXIT_BUSY, EBUSY, "another server runs on %s", s->dir);
    if (code == 0 && (s->fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        code = err_sys(e, errno, "cannot open %s", s->dir);
    return code;
}

/* The server on it, in its sandbox. */
static int boot(struct serve *s, struct err *e)
{
    int code = trial_ready(s->run, e);
    if (code == 0)
        code = make_scratch(s, e);
    return code == 0 ? start(s, e) : code;
}

/* code: how it went; what is left behind is told where it went well. */
static int leave(struct serve *s, int code, struct err *e)
{
    throwaway_drop(s->server);
    if (s->published)
        (void)unlink(s->socket);
    if (code == 0)
        code = file_remove_tree(s->fd, SCRATCH, e);
    cleanup_fd(&s->fd);
    cleanup_fd(&s->lock);
    json_decref(s->record);
    free(s->dir);
    free(s->socket);
    free(s->folder);
    free(s->scratch);
    free(s->imported);
    return code;
}

int restore_serve(
    struct run *run, const char *dir, const char *socket, int64_t for_ms, struct err *e)
{
    struct serve s = {.run = run, .fd = -1, .lock = -1};
    int code = take_folder(&s, dir, e);
    if (code == 0)
        code = free_socket(&s, socket, e);
    if (code == 0)
        code = boot(&s, e);
    if (code == 0)
        code = publish_socket(&s, e);
    if (code == 0)
        code = tell_serving(&s, for_ms, e);
    if (code == 0)
        code = watch(&s, e);
    return leave(&s, code, e);
}

int restore_serve_for(
    struct run *run, const char *dir, restore_served_fn *fn, void *ctx, struct err *e)
{
    struct serve s = {.run = run, .fd = -1, .lock = -1};
    int code = take_folder(&s, dir, e);
    if (code == 0)
        code = boot(&s, e);
    if (code == 0)
        code = fn(ctx, throwaway_server(s.server), e);
    return leave(&s, code, e);
}
