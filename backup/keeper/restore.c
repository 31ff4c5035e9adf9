/*
 * Restores: started for a page, taken over from whoever began them, settled when they were cut off.
 * A restore goes on when the asker, the console or the keeper itself goes away: it is a process of
 * its own session, holds the run lock, and leaves a trail on disk (restore/trail.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backup/keeper/errand.h"
#include "backup/rules/archive_name.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/json_lines.h"
#include "common/log.h"
#include "common/json_get.h"

#define TYPES_MAX  32
#define UPLOAD_MAX 64
#define HEAD_MAX   4096

/* --- what lies on the disk --- */

int64_t keeper_restore_journal_time(const struct keeper *k)
{
    struct stat st;
    _cleanup_free_ char *path = xasprintf("%s/" STATE_RESTORE_JOURNAL, k->settings.state_dir);
    return stat(path, &st) == 0 ? (int64_t)st.st_mtim.tv_sec : 0;
}

/* The first line of a trail, NULL when it is not there yet or damaged. */
static json_t *read_head(const char *path)
{
    char line[HEAD_MAX];
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd < 0 ? -1 : pread(fd, line, sizeof line, 0);
    const char *end = n > 0 ? memchr(line, '\n', (size_t)n) : NULL;
    json_t *head = end ? json_loadb(line, (size_t)(end - line), 0, NULL) : NULL;
    const char *event = json_get_text(head, "event");
    if (strcmp(event, "restore-begin") == 0 && json_is_string(json_object_get(head, "id")) &&
        json_get_int(head, "pid") > 0)
        return head;
    json_decref(head);
    return NULL;
}

/* A trail that is not among the runs: its restore goes on, or ended while no keeper looked. */
void keeper_restore_take_over(struct keeper *k)
{
    struct stat st;
    struct err e = {0};
    _cleanup_free_ char *path = xasprintf("%s/" STATE_RESTORE_TRAIL, k->settings.state_dir);
    if (k->current.job || stat(path, &st) < 0)
        return;
    int64_t changed = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    if (changed == k->trail.seen_ns)
        return;
    json_t *head = read_head(path);
    if (!head)
        return;
    k->trail.seen_ns = changed;
    if (strcmp(json_get_str(head, "id"), k->state.restore_seen) != 0) {
        if (keeper_run_adopt(k, path, (int)json_get_int(head, "pid"), &e) < 0)
            log_err(LOG_ERROR, "restore-not-taken-over", &e);
    }
    json_decref(head);
}

/* --- the job that runs --- */

static void keep(json_t **place, json_t *event)
{
    json_decref(*place);
    *place = json_incref(event);
}

void keeper_restore_line(struct keeper *k, const char *name, json_t *event)
{
    const char *run = json_get_str(event, "run");
    if (strcmp(name, "restore-begin") == 0) {
        const char *started = json_get_str(event, "started");
        int64_t ms;
        if (started && clock_parse(started, &ms) == 0)
            k->current.started_ms = ms; /* the same for whichever keeper tells of it */
        keep(&k->current.restore_begin, event);
        run = json_get_str(event, "which");
    } else if (strcmp(name, "restored") == 0) {
        keep(&k->current.restore_done, event);
    } else if (strcmp(name, "difference") == 0) {
        keep(&k->current.restore_difference, event);
        return;
    } else if (strcmp(name, "way") == 0) {
        if (k->current.restore_begin)
            json_object_set(k->current.restore_begin, "way", json_object_get(event, "way"));
        return;
    } else if (strcmp(name, "phase") == 0) {
        const char *phase = json_get_str(event, "phase");
        if (k->current.restore_begin && phase &&
            strcmp(phase, "read") == 0) /* files are not read first */
            json_object_set_new(k->current.restore_begin, "sql", json_true());
        return;
    } else if (strcmp(name, "blocked") == 0) {
        const char *since = json_get_text(event, "since");
        if (!*k->current.blocked_since)
            snprintf(k->current.blocked_since, sizeof k->current.blocked_since, "%s", since);
        return;
    } else if (strcmp(name, "opened") == 0) {
        k->current.blocked_since[0] = '\0';
        return;
    } else {
        return;
    }
    if (run && run_suffix_valid(run))
        snprintf(k->current.run, sizeof k->current.run, "%s", run);
}

void keeper_restore_ended(struct keeper *k)
{
    const char *id = json_get_str(k->current.restore_begin, "id");
    if (id)
        snprintf(k->state.restore_seen, sizeof k->state.restore_seen, "%s", id);
}

/* --- the command --- */

struct request {
    const char *action, *which, *names;
    const char *types[TYPES_MAX + 1];
    size_t n;
    bool dry_run, foreign, no_trial, accept_loss;
    int upload; /* 0 = none */
};

/* A name in the backup folder, for archives of the old system. */
static bool is_plain_name(const char *s)
{
    size_t n = strlen(s);
    return n > 0 && n <= 200 && s[0] != '.' && s[0] != '-' &&
           s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] ==
               '\0';
}

static bool is_upload_id(const char *s)
{
    size_t n = strlen(s);
    return n > 0 && n <= UPLOAD_MAX &&
           s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] == '\0';
}

/* The console may write what it likes into its folder: only a plain file of that name is taken, and
 * what stands behind it once it is open. */
static int open_upload(const struct keeper *k, const char *id, struct err *e)
{
    struct stat st;
    const char *dir = config_str(k->config, "console", NULL, "upload_dir");
    if (!is_upload_id(id))
        return err_set(e, EINVAL, "\"upload\" must be the name that the upload was given");
    _cleanup_fd_ int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return err_sys(e, errno, "cannot open %s", dir);
    _cleanup_fd_ int fd = openat(folder, id, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return err_set(e, ENOENT, "there is no upload %s, or it is not complete", id);
    /* one name: with a second one (link) it may be anybody's file */
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1)
        return err_set(e, EINVAL, "the upload %s is not a plain file", id);
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
        return err_sys(e, errno, "cannot read the upload %s", id);
    int out = fd;
    fd = -1;
    return out;
}

static int take_types(struct request *q, const json_t *request, struct err *e)
{
    json_t *types = json_object_get(request, "types"), *type;
    size_t i;
    if (!types || json_is_null(types))
        return 0;
    if (!json_is_array(types) || json_array_size(types) > TYPES_MAX)
        return err_set(e, EINVAL, "\"types\" must be a list of at most %d data types", TYPES_MAX);
    json_array_foreach (types, i, type) {
        const char *name = json_string_value(type);
        if (!name || !archive_type_valid(name))
            return err_set(e, EINVAL, "\"types\" must be a list of data types, such as elexisdb");
        q->types[q->n++] = name;
    }
    return 0;
}

static int take_flag(const json_t *request, const char *name, bool *out, struct err *e)
{
    const json_t *v = json_object_get(request, name);
    if (v && !json_is_boolean(v) && !json_is_null(v))
        return err_set(e, EINVAL, "\"%s\" must be true or false", name);
    *out = json_is_true(v);
    return 0;
}

static int take_request(struct keeper *k, const json_t *request, struct request *q, struct err *e)
{
    const json_t *which = json_object_get(request, "which"),
                 *id = json_object_get(request, "upload");
    q->which = json_string_value(which);
    int r = take_types(q, request, e);
    if (r == 0)
        r = take_flag(request, "dry_run", &q->dry_run, e);
    if (r == 0)
        r = take_flag(request, "foreign", &q->foreign, e);
    if (r == 0)
        r = take_flag(request, "no_trial", &q->no_trial, e);
    if (r == 0)
        r = take_flag(request, "accept_loss", &q->accept_loss, e);
    if (r < 0)
        return r;
    const json_t *names = json_object_get(request, "names");
    q->names = json_string_value(names);
    if (names && !json_is_null(names) &&
        !(q->names && (!strcmp(q->names, "live") || !strcmp(q->names, "file"))))
        return err_set(e, EINVAL, "\"names\" must be live or file");
    if (which && !json_is_null(which) &&
        !(q->which && (run_suffix_valid(q->which) || strcmp(q->which, "latest") == 0 ||
                          (q->foreign && is_plain_name(q->which)))))
        return err_set(e, EINVAL, "\"which\" must be latest or a run, such as 2026-11-22-0315");
    if (id && !json_is_null(id)) {
        r = json_is_string(id) ? open_upload(k, json_string_value(id), e)
                               : err_set(e, EINVAL, "\"upload\" must be text");
        if (r >= 0)
            q->upload = r;
    }
    return r < 0 ? r : 0;
}

/* The arguments of elexgate-job; *path is owned by the caller. */
static int job_arguments(
    const struct keeper *k, const struct request *q, const char **args, char **path, struct err *e)
{
    bool sql = strcmp(q->action, "sql") == 0, plan = strcmp(q->action, "plan") == 0;
    const char *which = q->which;
    size_t n = 0;
    args[n++] = "restore";
    if (strcmp(q->action, "undo") == 0 || strcmp(q->action, "accept") == 0 ||
        strcmp(q->action, "recover") == 0) {
        args[n++] = q->action;
        return 0;
    }
    if (!which == !q->upload)
        return err_set(e, EINVAL, "either \"which\" or \"upload\" says what is to be restored");
    if (q->upload && !sql && !q->foreign)
        return err_set(e, EINVAL,
            "an upload is SQL text (\"action\":\"sql\") or an archive of the old system (\"foreign\":true)");
    if (q->upload)
        which = sql ? "-" : "/dev/stdin";
    else if (q->foreign && !run_suffix_valid(which) && strcmp(which, "latest") != 0)
        which = *path = xasprintf("%s/%s", k->settings.folder, which);
    args[n++] = plan ? "plan" : sql && q->upload ? "sql" : "run";
    if (q->dry_run && !plan)
        args[n++] = "--dry-run";
    if (q->no_trial && !plan && !sql)
        args[n++] = "--no-trial";
    if (q->foreign && !sql)
        args[n++] = "--foreign";
    if (q->accept_loss && !plan)
        args[n++] = "--accept-loss";
    if (q->names && !plan) {
        args[n++] = "--names";
        args[n++] = q->names;
    }
    args[n++] = which;
    for (size_t i = 0; i < q->n && !(sql && q->upload); i++)
        args[n++] = q->types[i];
    if (sql && !q->upload && q->n == 0)
        args[n++] = k->settings.dump_type;
    return 0;
}

static json_t *plan_answer(struct keeper *k, void *ctx, json_t *event, json_t *last)
{
    (void)k, (void)ctx, (void)last;
    return json_pack("{s:b, s:O?}", "ok", 1, "plan", event);
}

static json_t *status_answer(struct keeper *k, void *ctx, json_t *event, json_t *last)
{
    (void)ctx, (void)last;
    return json_pack("{s:b, s:O?, s:b}", "ok", 1, "restore", event, "running",
        k->current.job && keeper_kind_lasts(k->current.kind));
}

static json_t *start(
    struct keeper *k, struct control_client *c, json_t *request, const struct request *q)
{
    const char *args[TYPES_MAX + 14] = {NULL};
    _cleanup_free_ char *path = NULL;
    struct err e = {0};
    int r = job_arguments(k, q, args, &path, &e);
    if (r == 0 && strcmp(q->action, "plan") == 0) {
        if (q->upload)
            return json_error(
                EINVAL, "a plan is made for a backup; try an upload out with dry_run");
        return keeper_errand(k, c,
            &(struct keeper_errand_options){
                .args = args, .request = request, .event = "plan", .answer = plan_answer});
    }
    if (r == 0)
        r = keeper_run_with(k, JOB_RESTORE, args, q->upload, &e);
    return r < 0 ? json_error(-r, "%s", e.text) : json_pack("{sb}", "ok", 1);
}

json_t *keeper_restore(struct keeper *k, struct control_client *c, json_t *request)
{
    static const char *const actions[] = {"plan", "run", "sql", "undo", "accept", "recover"};
    static const char *const status[] = {"restore", "status", NULL};
    struct request q = {.action = json_get_str(request, "action")};
    struct err e = {0};
    bool known = false;
    if (q.action && strcmp(q.action, "status") == 0)
        return keeper_errand(k, c,
            &(struct keeper_errand_options){
                .args = status, .request = request, .event = "restore", .answer = status_answer});
    for (size_t i = 0; q.action && i < sizeof actions / sizeof actions[0]; i++)
        known |= strcmp(q.action, actions[i]) == 0;
    if (!known)
        return json_error(
            EINVAL, "\"action\" must be plan, run, sql, undo, accept, recover or status");
    int r = take_request(k, request, &q, &e);
    json_t *answer = r < 0 ? json_error(-r, "%s", e.text) : start(k, c, request, &q);
    if (q.upload)
        close(q.upload);
    return answer;
}
