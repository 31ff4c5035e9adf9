/*
 * Restores: started for a page, taken over from whoever began them, settled when they were cut off.
 * A restore goes on when the asker, the console or the keeper itself goes away: it is a process of
 * its own session, holds the run lock, and leaves a trail on disk (restore/trail.h).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "backup/keeper/errand.h"
#include "backup/rules/archive_name.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/json_lines.h"
#include "common/log.h"
#include "common/json_get.h"
#include "common/utf8.h"

#define TYPES_MAX 32
#define HEAD_MAX  4096

/* --- what lies on the disk --- */

int64_t keeper_restore_journal_time(const struct keeper *k)
{
    struct monitor_state s;
    keeper_monitor_state(k->ports.monitor, &s);
    return s.journal_s;
}

/* The first line of a trail, NULL when it is not there yet or damaged. */
static json_t *read_head(int fd)
{
    char line[HEAD_MAX];
    ssize_t n = pread(fd, line, sizeof line, 0);
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
    const struct monitor_request q = {.act = MONITOR_TRAIL};
    struct monitor_answer answer;
    struct monitor_state s;
    struct err e = {0};
    _cleanup_fd_ int trail = -1;
    if (k->current.job)
        return;
    keeper_monitor_state(k->ports.monitor, &s);
    if (!s.trail_ns || s.trail_ns == k->trail.seen_ns ||
        keeper_monitor_ask(k->ports.monitor, &q, -1, &answer, &trail, &e) < 0)
        return;
    json_t *head = read_head(trail);
    if (!head)
        return;
    k->trail.seen_ns = s.trail_ns;
    if (strcmp(json_get_str(head, "id"), k->state.restore_seen) != 0) {
        keeper_run_adopt(k, trail, (int)json_get_int(head, "pid"));
        trail = -1;
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
    const char *action, *which, *names, *upload; /* NULL: not said */
    const char *types[TYPES_MAX + 1];
    size_t n;
    bool dry_run, foreign, accept_loss;
};

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

static int take_request(const json_t *request, struct request *q, struct err *e)
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
                          (q->foreign && foreign_name_valid(q->which)))))
        return err_set(e, EINVAL, "\"which\" must be latest or a run, such as 2026-11-22-0315");
    q->upload = json_string_value(id);
    if (id && !json_is_null(id) && !(q->upload && upload_name_valid(q->upload)))
        return err_set(e, EINVAL, "\"upload\" must be the name that the upload was given");
    return 0;
}

static bool job_without_data(const char *action, struct monitor_request *out)
{
    static const struct {
        const char *action;
        enum monitor_kind kind;
    } bare[] = {{"undo", MONITOR_UNDO}, {"accept", MONITOR_ACCEPT}, {"recover", MONITOR_RECOVER}};
    for (size_t i = 0; i < sizeof bare / sizeof bare[0]; i++) {
        if (strcmp(action, bare[i].action) != 0)
            continue;
        *out = keeper_job_of(bare[i].kind);
        return true;
    }
    return false;
}

/* What the monitor is asked for. */
static int job_for(
    const struct keeper *k, const struct request *q, struct monitor_request *out, struct err *e)
{
    bool sql = strcmp(q->action, "sql") == 0, plan = strcmp(q->action, "plan") == 0;
    bool text = sql && q->upload;
    if (job_without_data(q->action, out))
        return 0;
    if (!q->which == !q->upload)
        return err_set(e, EINVAL, "either \"which\" or \"upload\" says what is to be restored");
    if (q->upload && !sql && !q->foreign)
        return err_set(e, EINVAL,
            "an upload is SQL text (\"action\":\"sql\") or an archive of the old system (\"foreign\":true)");
    *out = keeper_job_of(plan ? MONITOR_PLAN : text ? MONITOR_RESTORE_SQL : MONITOR_RESTORE);
    utf8_copy(out->upload, sizeof out->upload, q->upload ? q->upload : "");
    keeper_job_which(out, q->upload ? "" : q->which);
    keeper_job_flag(out, q->dry_run && !plan, MONITOR_DRY_RUN);
    keeper_job_flag(out, q->foreign && !sql, MONITOR_FOREIGN);
    keeper_job_flag(out, q->accept_loss && !plan, MONITOR_ACCEPT_LOSS);
    if (q->names && !plan)
        keeper_job_flag(
            out, true, strcmp(q->names, "live") == 0 ? MONITOR_NAMES_LIVE : MONITOR_NAMES_FILE);
    for (size_t i = 0; i < q->n && !text; i++)
        keeper_job_type(out, q->types[i]);
    if (sql && !text && q->n == 0)
        keeper_job_type(out, k->settings.dump_type);
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
    struct monitor_request job;
    struct err e = {0};
    int r = job_for(k, q, &job, &e);
    if (r == 0 && strcmp(q->action, "plan") == 0) {
        if (q->upload)
            return json_error(
                EINVAL, "a plan is made for a backup; try an upload out with dry_run");
        return keeper_errand(k, c,
            &(struct keeper_errand_options){
                .ask = &job, .request = request, .event = "plan", .answer = plan_answer});
    }
    if (r == 0)
        r = keeper_run(k, JOB_RESTORE, &job, &e);
    return r < 0 ? json_error(-r, "%s", e.text) : json_pack("{sb}", "ok", 1);
}

json_t *keeper_restore(struct keeper *k, struct control_client *c, json_t *request)
{
    static const char *const actions[] = {"plan", "run", "sql", "undo", "accept", "recover"};
    struct monitor_request status = keeper_job_of(MONITOR_RESTORE_STATUS);
    struct request q = {.action = json_get_str(request, "action")};
    struct err e = {0};
    bool known = false;
    if (q.action && strcmp(q.action, "status") == 0)
        return keeper_errand(k, c,
            &(struct keeper_errand_options){
                .ask = &status, .request = request, .event = "restore", .answer = status_answer});
    for (size_t i = 0; q.action && i < sizeof actions / sizeof actions[0]; i++)
        known |= strcmp(q.action, actions[i]) == 0;
    if (!known)
        return json_error(
            EINVAL, "\"action\" must be plan, run, sql, undo, accept, recover or status");
    int r = take_request(request, &q, &e);
    return r < 0 ? json_error(-r, "%s", e.text) : start(k, c, request, &q);
}
