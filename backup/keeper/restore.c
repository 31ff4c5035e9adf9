/*
 * Restores: started for a page, taken over from whoever began them, settled when they were cut off.
 * A restore goes on when the asker, the console or the keeper itself goes away: it is a process of
 * its own session, holds the run lock, and leaves a trail on disk (restore/restore.c).
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "backup/keeper/errand.h"
#include "backup/rules/archive_name.h"
#include "backup/rules/restore_request.h"
#include "common/clock.h"
#include "common/json_lines.h"
#include "common/json_get.h"

#define HEAD_MAX 4096

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
    _cleanup_json_ json_t *head = read_head(trail);
    if (!head)
        return;
    k->trail.seen_ns = s.trail_ns;
    if (strcmp(json_get_str(head, "id"), k->state.restore_seen) != 0) {
        keeper_run_adopt(k, trail, (int)json_get_int(head, "pid"));
        trail = -1;
    }
}

/* --- the job that runs --- */

void keeper_restore_line(struct keeper *k, const char *name, json_t *event)
{
    const char *run = json_get_str(event, "run");
    if (strcmp(name, "restore-begin") == 0) {
        const char *started = json_get_str(event, "started");
        int64_t ms;
        if (started && clock_parse(started, &ms) == 0)
            k->current.started_ms = ms; /* the same for whichever keeper tells of it */
        json_keep(&k->current.restore_begin, event);
        run = json_get_str(event, "which");
    } else if (strcmp(name, "restored") == 0) {
        json_keep(&k->current.restore_done, event);
    } else if (strcmp(name, "difference") == 0) {
        json_keep(&k->current.restore_difference, event);
        return;
    } else if (strcmp(name, "way") == 0) {
        json_take(k->current.restore_begin, event, (const char *const[]){"way", NULL});
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

/* One request, as it came: the monitor and the job read it as it is read here. */
static int job_for(
    const json_t *request, enum restore_action *action, struct monitor_request *out, struct err *e)
{
    struct restore_request q;
    int r = restore_request_read(request, RESTORE_BY_PAGE, &q, e);
    *action = q.action;
    restore_request_clear(&q);
    if (r < 0)
        return r;
    _cleanup_free_ char *text = restore_request_text(request);
    *out = keeper_job_of(*action == RESTORE_DO_PLAN     ? MONITOR_RESTORE_PLAN
                         : *action == RESTORE_DO_STATUS ? MONITOR_RESTORE_STATUS
                                                        : MONITOR_RESTORE);
    if (strlen(text) >= sizeof out->text)
        return err_set(e, E2BIG, "the request is too long: name fewer types");
    memcpy(out->text, text, strlen(text));
    return 0;
}

json_t *keeper_restore(struct keeper *k, struct control_client *c, json_t *request)
{
    struct monitor_request job;
    enum restore_action action;
    struct err e = {0};
    int r = job_for(request, &action, &job, &e);
    if (r < 0)
        return json_error_of(-r, &e);
    if (action == RESTORE_DO_PLAN)
        return keeper_question(k, c, request, &job, "plan", plan_answer);
    if (action == RESTORE_DO_STATUS)
        return keeper_question(k, c, request, &job, "restore", status_answer);
    return keeper_run_asked(k, JOB_RESTORE, &job);
}
