/*
 * Jobs as the keeper sees them: begun, or taken over from a keeper that is gone; listened to; and
 * what is remembered and told of their end.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "backup/job/hooks.h"
#include "backup/keeper/audit.h"
#include "backup/keeper/keeper.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/json_lines.h"
#include "common/log.h"
#include "common/json_get.h"

const char *keeper_kind_name(enum keeper_kind kind)
{
    static const char *const names[] = {
        "none", "backup", "drill", "put-back", "alarm", "recover", "verify", "restore"};
    return names[kind];
}

/* Those that somebody may have asked for: told to those who follow, and remembered. */
static bool is_asked_for(enum keeper_kind kind)
{
    return kind == JOB_BACKUP || kind == JOB_DRILL || kind == JOB_VERIFY || kind == JOB_RESTORE;
}

bool keeper_kind_lasts(enum keeper_kind kind)
{
    return kind == JOB_RESTORE || kind == JOB_RECOVER;
}

static void on_job_line(void *ctx, json_t *event)
{
    struct keeper *k = ctx;
    const char *name = json_get_str(event, "event");
    if (name && keeper_kind_lasts(k->current.kind))
        keeper_restore_line(k, name, event);
    if (name && (strcmp(name, "phase") == 0 || strcmp(name, "progress") == 0)) {
        json_decref(k->current.phase);
        k->current.phase = json_incref(event);
    } else if (name && strcmp(name, "start") == 0) {
        snprintf(k->current.run, sizeof k->current.run, "%s", json_get_str(event, "run"));
    } else if (name && strcmp(name, "note") == 0) {
        log_event(LOG_INFO, "job-note", LOG_S("text", json_get_str(event, "text")));
    } else if (name && strcmp(name, "warning") == 0) {
        log_event(LOG_WARNING, "job-warning", LOG_S("what", json_get_str(event, "what")),
            LOG_S("text", json_get_str(event, "text")));
        if (!k->current.warnings)
            k->current.warnings = json_array();
        json_array_append_new(k->current.warnings, json_copy(event));
    }
    if (json_get_true(event, "done")) {
        json_decref(k->current.last); /* told at the end, when the process is gone too */
        k->current.last = json_incref(event);
        return;
    }
    json_object_set_new(event, "job", json_string(keeper_kind_name(k->current.kind)));
    keeper_publish(k, json_incref(event));
}

void keeper_record_run(struct keeper *k, int exit_code, const char *error)
{
    char started[CLOCK_ISO_LEN], now[CLOCK_ISO_LEN], due[CLOCK_ISO_LEN];
    /* one that was taken over may have ended while no keeper ran */
    const char *ended = json_get_str(k->current.last, "ended");
    enum keeper_kind kind = k->current.kind == JOB_RECOVER ? JOB_RESTORE : k->current.kind;
    json_t *run = json_pack("{ss,ss,ss,ss,si,ss,ss}", "kind", keeper_kind_name(kind), "started",
        clock_iso(k->current.started_ms, started), "ended",
        ended ? ended : clock_iso(clock_wall_ms(), now), "result", hook_result_name(exit_code),
        "exit", exit_code, "run", k->current.run, "method", k->current.method);
    CHECK(run);
    if (k->current.scheduled)
        json_object_set_new(run, "due", json_string(clock_iso(k->state.pending.due_ms, due)));
    if (error)
        json_object_set_new(run, "error", json_text(error));
    json_t *error_de = json_object_get(k->current.last, "error_de");
    if (error && error_de)
        json_object_set(run, "error_de", error_de);
    if (k->current.warnings)
        json_object_set(run, "warnings", k->current.warnings);
    json_t *archives = json_object_get(k->current.last, "archives");
    if (archives)
        json_object_set(run, "archives", archives);
    json_t *proofs = json_object_get(k->current.last, "proofs");
    if (proofs)
        json_object_set(run, "proofs", proofs);
    if (kind == JOB_RESTORE)
        keeper_restore_words(k, run);
    keeper_state_add_run(&k->state, run);
}

/* To those who follow: the job's last line, unless the run goes on later, since "done" would end
 * their following. */
static void publish_end(struct keeper *k, int exit_code, const char *error)
{
    bool goes_on = k->current.kind == JOB_BACKUP && k->current.scheduled && k->state.pending.due_ms;
    json_t *event;
    if (goes_on)
        event = json_pack("{ss,ss,ss*,si}", "event", "again", "type", k->settings.physical_type,
            "reason", error, "exit", exit_code);
    else if (k->current.last)
        event = json_incref(k->current.last);
    else
        event = json_pack(
            "{sb,sb,si,ss*}", "done", 1, "ok", exit_code == 0, "exit", exit_code, "error", error);
    json_object_set_new(event, "job", json_string(keeper_kind_name(k->current.kind)));
    keeper_publish(k, event);
}

static void on_job_end(void *ctx, int exit_code, int signal)
{
    struct keeper *k = ctx;
    const char *error = json_get_str(k->current.last, "error");
    char words[80];
    if (signal) {
        snprintf(words, sizeof words, "the job was ended by signal %d", signal);
        error = words;
    } else if (!k->current.last && exit_code) {
        error = "the job ended without a result; its log says why";
    }
    enum keeper_kind kind = k->current.kind;
    log_event(exit_code == 0 ? LOG_INFO : LOG_WARNING, "job-end",
        LOG_S("kind", keeper_kind_name(kind)),
        LOG_S("run", *k->current.run ? k->current.run : NULL), LOG_I("exit", exit_code),
        LOG_S("result", hook_result_name(exit_code)), LOG_S("error", error));
    keeper_audit_job(keeper_kind_name(kind), k->current.run, hook_result_name(exit_code), error);
    /* a slip of the pen ("no data type nix") is no failed backup: nothing had begun */
    if ((is_asked_for(kind) && exit_code != EXIT_USAGE) || k->current.restore_begin)
        keeper_record_run(k, exit_code, error);
    keeper_plan_ended(k, exit_code, signal);
    if (keeper_kind_lasts(kind))
        keeper_restore_ended(k, exit_code);
    keeper_save(k);
    if (is_asked_for(kind))
        publish_end(k, exit_code, error);
    json_decref(k->current.phase);
    json_decref(k->current.last);
    json_decref(k->current.warnings);
    k->current.phase = k->current.last = k->current.warnings = NULL;
    k->current.job = NULL;
    k->current.kind = JOB_NONE;
    keeper_publish(k, keeper_state_event(k));
    if (k->stopping)
        keeper_stop(k);
}

/* Everything about the job that begins. */
static void begin(struct keeper *k, enum keeper_kind kind)
{
    k->current.kind = kind;
    k->current.scheduled = k->current.cancelled = false;
    k->current.method = "";
    k->current.run[0] = '\0';
    k->current.started_ms = clock_wall_ms();
}

int keeper_run_busy(struct keeper *k, struct err *e)
{
    if (k->current.job)
        keeper_job_look(k->current.job); /* whoever saw it end may ask at once */
    return k->current.job ? err_set(e, EBUSY, "a %s is going on", keeper_kind_name(k->current.kind))
                          : 0;
}

int keeper_run_with(
    struct keeper *k, enum keeper_kind kind, const char *const *args, int in, struct err *e)
{
    int r = keeper_run_busy(k, e);
    if (r < 0)
        return r;
    struct keeper_job_events events = {.line = on_job_line, .end = on_job_end, .ctx = k};
    struct keeper_job_options options = {
        .args = args, .config_path = k->config_path, .in = in, .lasting = keeper_kind_lasts(kind)};
    r = keeper_job_start(&k->loop, &options, &events, &k->current.job, e);
    if (r < 0)
        return r;
    begin(k, kind);
    log_event(LOG_INFO, "job-start", LOG_S("kind", keeper_kind_name(kind)),
        LOG_I("pid", keeper_job_pid(k->current.job)));
    keeper_publish(k, keeper_state_event(k));
    return 0;
}

int keeper_run(struct keeper *k, enum keeper_kind kind, const char *const *args, struct err *e)
{
    return keeper_run_with(k, kind, args, 0, e);
}

int keeper_run_adopt(struct keeper *k, const char *lines, int pid, struct err *e)
{
    struct keeper_job_events events = {.line = on_job_line, .end = on_job_end, .ctx = k};
    int r = keeper_job_adopt(
        &k->loop, lines, k->settings.run_lock, pid, &events, &k->current.job, e);
    if (r < 0)
        return r;
    begin(k, JOB_RESTORE);
    log_event(LOG_INFO, "job-taken-over", LOG_I("pid", pid));
    return 0;
}
