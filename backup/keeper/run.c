/*
 * Jobs as the keeper sees them: begun, or taken over from a keeper that is gone; listened to; and
 * what is remembered and told of their end.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "backup/keeper/audit.h"
#include "backup/keeper/tell.h"
#include "common/clock.h"
#include "common/error_phrase.h"
#include "common/exit_codes.h"
#include "common/json_lines.h"
#include "common/lang.h"
#include "common/log.h"
#include "common/json_get.h"
#include "common/phrase.h"
#include "common/shown.h"

static json_t *went_well(const char *action, bool dry_run, const json_t *done)
{
    bool new_live = json_get_true(done, "new_live");
    if (dry_run)
        return phrase_of(N_("Tried out and found good; nothing was changed."));
    if (strcmp(action, "accept") == 0)
        return phrase_of(N_("The data that were not in use have been deleted."));
    if (!done)
        return phrase_of(N_("There was nothing to do."));
    if (new_live && strcmp(json_get_text(done, "method"), "dump") == 0)
        return phrase_of(
            N_("The database is that of the SQL text; the data from before are kept."));
    const json_t *live = phrase_got(done, "live");
    return live ? json_deep_copy(live)
                : phrase_of(N_("The data from before the restore are in use."));
}

static json_t *with_block(json_t *said, const json_t *done)
{
    int64_t ms = json_get_int(done, "blocked_ms");
    char human[SHOWN_LEN];
    if (ms <= 0)
        return said;
    shown_duration(LANG_EN, ms, human, sizeof human);
    json_t *p = phrase(
        "%s Clients were kept out for %s; Elexis must be closed and started again everywhere.", "",
        human);
    phrase_set(p, 0, said);
    return p;
}

/* Adds to a run what the restore was and how it ended: "words", ... */
static void add_restore_words(const struct keeper_current *c, json_t *run)
{
    static const char *const copied[] = {"action", "which", "dry_run", NULL};
    static const char *const told[] = {"new_live", "blocked_ms", "method", "types", NULL};
    json_t *said;
    int exit_code = (int)json_get_int(run, "exit");
    json_take(run, c->restore_begin, copied);
    json_take(run, c->restore_done, told);
    json_object_set(run, "difference", c->restore_difference); /* none: nothing */
    if (exit_code == EXIT_GOOD)
        said = with_block(
            went_well(json_get_text(run, "action"), json_get_true(run, "dry_run"), c->restore_done),
            c->restore_done);
    else if (!c->last)
        said = phrase_of(N_("It was cut off; Elexgate settles it by itself: all old or all new."));
    else if (exit_code == EXIT_CANCELLED)
        said = phrase_of(N_("Cancelled; the data are as they were."));
    else {
        said = phrase("It failed: %s", "");
        if (phrase_got(run, "error"))
            phrase_set(said, 0, json_deep_copy(phrase_got(run, "error")));
    }
    phrase_put(run, "words", said);
}

const char *keeper_kind_name(enum keeper_kind kind)
{
    static const char *const names[] = {
        "none", "backup", "drill", "put-back", "alarm", "recover", "verify", "restore", "prove"};
    return names[kind];
}

/* Those that somebody may have asked for: told to those who follow, and remembered. */
static bool is_asked_for(enum keeper_kind kind)
{
    return kind == JOB_BACKUP || kind == JOB_DRILL || kind == JOB_VERIFY || kind == JOB_RESTORE ||
           kind == JOB_PROVE;
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
        k->current.on_line(k, name, event);
    if (name && (strcmp(name, "phase") == 0 || strcmp(name, "progress") == 0)) {
        json_keep(&k->current.phase, event);
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
        json_keep(&k->current.last, event); /* told at the end, when the process is gone too */
        return;
    }
    json_object_set_new(event, "job", json_string(keeper_kind_name(k->current.kind)));
    keeper_publish(k, json_incref(event));
}

/* ended: NULL = now */
static json_t *run_object(enum keeper_kind kind, int64_t started_ms, const char *ended,
    int64_t due_ms, int exit_code, const struct err *error)
{
    char started[CLOCK_ISO_LEN], now[CLOCK_ISO_LEN], due[CLOCK_ISO_LEN];
    json_t *run = json_pack("{ss,ss,ss,ss,si,ss,ss}", "kind", keeper_kind_name(kind), "started",
        clock_iso(started_ms, started), "ended", ended ? ended : clock_iso(clock_wall_ms(), now),
        "result", exit_code_name(exit_code), "exit", exit_code, "run", "", "method", "");
    CHECK(run);
    if (due_ms)
        json_object_set_new(run, "due", json_string(clock_iso(due_ms, due)));
    if (error)
        error_phrase_put(run, error);
    return run;
}

void keeper_record_skipped(struct keeper *k, int64_t due_ms, const struct err *error)
{
    keeper_state_add_run(
        &k->state, run_object(JOB_BACKUP, clock_wall_ms(), NULL, due_ms, EXIT_NOT_IDLE, error));
}

static void record(struct keeper *k, int exit_code, const struct err *error)
{
    const struct keeper_current *c = &k->current;
    enum keeper_kind kind = c->kind == JOB_RECOVER ? JOB_RESTORE : c->kind;
    /* one that was taken over may have ended while no keeper ran */
    const char *ended = json_get_str(c->last, "ended");
    json_t *run = run_object(kind, c->started_ms, ended, c->due_ms, exit_code, error);
    json_object_set_new(run, "run", json_string(c->run));
    json_object_set_new(run, "method", json_string(c->method));
    json_take(run, c->last, (const char *const[]){"archives", "proofs", NULL});
    json_object_set(run, "warnings", c->warnings); /* none: nothing */
    if (kind == JOB_RESTORE)
        add_restore_words(c, run);
    keeper_state_add_run(&k->state, run);
}

/* To those who follow: the job's last line, unless the run goes on later, since "done" would end
 * their following. */
static void publish_end(struct keeper *k, int exit_code, const struct err *error)
{
    json_t *event;
    if (k->current.goes_on) {
        event = json_pack(
            "{ss,ss,si}", "event", "again", "type", k->settings.physical_type, "exit", exit_code);
        if (error)
            error_phrase_put_as(event, "reason", error);
    } else if (k->current.last)
        event = json_incref(k->current.last);
    else {
        event = json_pack("{sb,sb,si}", "done", 1, "ok", exit_code == 0, "exit", exit_code);
        if (error)
            error_phrase_put(event, error);
    }
    json_object_set_new(event, "job", json_string(keeper_kind_name(k->current.kind)));
    keeper_publish(k, event);
}

static void on_job_end(void *ctx, int exit_code, int signal)
{
    struct keeper *k = ctx;
    struct err e = {0}, *error = &e;
    if (signal)
        (void)err_set(&e, EIO, "the job was ended by signal %d", signal);
    else if (!k->current.last && exit_code)
        (void)err_set(&e, EIO, "the job ended without a result; its log says why");
    else if (json_get_str(k->current.last, "error"))
        (void)error_phrase_take(&e, EIO, k->current.last);
    else
        error = NULL;
    enum keeper_kind kind = k->current.kind;
    log_event(exit_code == 0 ? LOG_INFO : LOG_WARNING, "job-end",
        LOG_S("kind", keeper_kind_name(kind)),
        LOG_S("run", *k->current.run ? k->current.run : NULL), LOG_I("exit", exit_code),
        LOG_S("result", exit_code_name(exit_code)), LOG_S("error", error ? error->text : NULL));
    keeper_audit_job(keeper_kind_name(kind), k->current.run, exit_code_name(exit_code),
        error ? error->text : NULL);
    /* a slip of the pen ("no data type nix") is no failed backup, and no backup at all is
     * no failed drill: nothing had begun */
    bool nothing = exit_code == EXIT_USAGE || json_get_true(k->current.last, "nothing");
    if ((is_asked_for(kind) && !nothing) || k->current.restore_begin)
        record(k, exit_code, error);
    k->current.on_ended(k, exit_code, signal);
    keeper_save(k);
    if (is_asked_for(kind))
        publish_end(k, exit_code, error);
    keeper_run_clear(&k->current);
    keeper_publish(k, keeper_state_event(k));
    k->current.on_gone(k);
}

void keeper_run_clear(struct keeper_current *c)
{
    json_t **const owned[] = {&c->phase, &c->last, &c->warnings, &c->restore_begin,
        &c->restore_done, &c->restore_difference};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        json_decref(*owned[i]);
        *owned[i] = NULL;
    }
    c->job = NULL;
    c->kind = JOB_NONE;
    c->blocked_since[0] = '\0';
}

/* Everything about the job that begins. */
static void begin(struct keeper *k, enum keeper_kind kind)
{
    k->current.kind = kind;
    k->current.due_ms = 0;
    k->current.cancelled = k->current.goes_on = false;
    k->current.method = "";
    k->current.run[0] = '\0';
    k->current.started_ms = clock_wall_ms();
}

/* Nobody waits for a proof: whatever is asked for comes first. It ends within seconds, and the job
 * that begins now waits for that (job/run_lock.h). */
static void give_way(struct keeper *k)
{
    log_event(LOG_INFO, "proof-makes-way");
    keeper_job_stop(k->current.job);
    keeper_job_leave(k->current.job);
    k->current.on_ended(k, EXIT_BUSY, 0);
    struct err e = {0};
    (void)err_set(&e, EBUSY, "the proof made way for another job");
    publish_end(k, EXIT_CANCELLED, &e);
    keeper_run_clear(&k->current);
}

/* A sentence each, since the page says it in the reader's language. */
static int goes_on(const struct keeper *k, struct err *e)
{
    switch (k->current.kind) {
    case JOB_BACKUP:
        return err_set(e, EBUSY, N_("a backup is going on"));
    case JOB_DRILL:
        return err_set(e, EBUSY, N_("a drill is going on"));
    case JOB_VERIFY:
        return err_set(e, EBUSY, N_("a verify is going on"));
    case JOB_RESTORE:
        return err_set(e, EBUSY, N_("a restore is going on"));
    case JOB_RECOVER:
        return err_set(e, EBUSY, N_("a look for a restore that was cut off is going on"));
    default:
        return err_set(e, EBUSY, N_("a %s is going on"), keeper_kind_name(k->current.kind));
    }
}

int keeper_run_busy(struct keeper *k, struct err *e)
{
    if (k->current.job)
        keeper_job_look(k->current.job); /* whoever saw it end may ask at once */
    if (k->current.job && k->current.kind == JOB_PROVE)
        give_way(k);
    return k->current.job ? goes_on(k, e) : 0;
}

int keeper_run(struct keeper *k, enum keeper_kind kind, struct monitor_request *q, struct err *e)
{
    if (k->current.job && kind == JOB_PROVE)
        return goes_on(k, e);
    int r = keeper_run_busy(k, e);
    if (r < 0)
        return r;
    struct keeper_job_events events = {.line = on_job_line, .end = on_job_end, .ctx = k};
    r = keeper_job_start(&k->ports.jobs, q, -1, &events, &k->current.job, e);
    if (r < 0)
        return r;
    begin(k, kind);
    log_event(LOG_INFO, "job-start", LOG_S("kind", keeper_kind_name(kind)),
        LOG_I("pid", keeper_job_pid(k->current.job)));
    keeper_publish(k, keeper_state_event(k));
    return 0;
}

json_t *keeper_run_asked(struct keeper *k, enum keeper_kind kind, struct monitor_request *q)
{
    struct err e = {0};
    int r = keeper_run(k, kind, q, &e);
    return r < 0 ? json_error_of(-r, &e) : json_pack("{sb}", "ok", 1);
}

void keeper_run_adopt(struct keeper *k, int trail, int pid)
{
    struct keeper_job_events events = {.line = on_job_line, .end = on_job_end, .ctx = k};
    keeper_job_adopt(&k->ports.jobs, trail, pid, &events, &k->current.job);
    begin(k, JOB_RESTORE);
    log_event(LOG_INFO, "job-taken-over", LOG_I("pid", pid));
}
