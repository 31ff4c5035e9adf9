#include "backup/keeper/keeper.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "backup/archive/store.h"
#include "backup/job/hooks.h"
#include "backup/keeper/audit.h"
#include "backup/keeper/errand.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/json_lines.h"
#include "common/log.h"
#include "common/utf8.h"

/* How often the witnesses are asked: while a run waits, and otherwise, so that the quiet time is
 * known when the next one becomes due. */
#define ASK_WAITING_MS 1000
#define ASK_MS         5000
/* After a run that began and made way, and when another run has the lock. */
#define AGAIN_MS 10000
/* After a failure, and how often; a person who asked hears of the first one. */
#define AFTER_FAILURE_MS 120000
#define FAILURES_MAX     2
#define ARGS_MAX         80

void keeper_save(struct keeper *k)
{
    struct err e = {0};
    if (keeper_state_save(&k->state, &e) < 0)
        log_err(LOG_ERROR, "state-not-saved", &e);
}

void keeper_publish(struct keeper *k, json_t *event)
{
    if (k->ports.control)
        keeper_control_publish(k->ports.control, event);
    json_decref(event);
}

static const char *state_name(const struct keeper *k)
{
    return k->current.job ? "running" : k->state.pending.due_ms ? "waiting" : "idle";
}

json_t *keeper_state_event(struct keeper *k)
{
    json_t *event = json_pack("{ssss}", "event", "state", "state", state_name(k));
    if (k->plan.decided && k->state.pending.due_ms) {
        json_object_set_new(event, "reason", json_text(k->plan.decision.reason));
        json_object_set_new(event, "words", json_text(k->plan.decision.words));
        json_object_set_new(event, "words_de", json_text(k->plan.decision.words_de));
    }
    return event;
}

int64_t keeper_plan_next(const struct keeper *k, bool drill)
{
    int64_t next = 0;
    if (!(drill ? k->rules.has_drill : k->rules.has_backup) ||
        cron_next(drill ? &k->rules.drill : &k->rules.backup, &cron_zone_local,
            clock_wall_ms() / 1000, &next) < 0)
        return 0;
    return next * 1000;
}

/* The latest time of the schedule after *seen and not after now; 0 = none. *seen moves to now. A
 * clock that was set back does not make old runs due again. */
static int64_t due_since(const struct cron *c, int64_t *seen_ms, int64_t now_ms)
{
    int64_t from = *seen_ms / 1000, latest = 0, next = 0;
    if (*seen_ms == 0 || now_ms < *seen_ms) {
        *seen_ms = now_ms;
        return 0;
    }
    /* bounded: a schedule of every minute over a year off is half a million steps */
    if (now_ms / 1000 - from > 400 * 86400)
        from = now_ms / 1000 - 400 * 86400;
    while (cron_next(c, &cron_zone_local, from, &next) == 0 && next <= now_ms / 1000) {
        latest = next;
        from = next;
    }
    *seen_ms = now_ms;
    return latest * 1000;
}

/* Later than two ticks: the keeper did not run at that time. */
static bool was_missed(int64_t due_ms, int64_t now_ms)
{
    return now_ms - due_ms > 60000;
}

static void look_at_backup_schedule(struct keeper *k, int64_t now_ms)
{
    int64_t due = due_since(&k->rules.backup, &k->state.backup_seen_ms, now_ms);
    if (!due)
        return;
    bool missed = was_missed(due, now_ms);
    char stamp[CLOCK_ISO_LEN];
    if (missed && !config_bool(k->config, "backup", NULL, "catch_up")) {
        log_event(LOG_WARNING, "backup-missed", LOG_S("due", clock_iso(due, stamp)));
    } else if (k->state.pending.due_ms) {
        log_event(LOG_WARNING, "backup-due-again", LOG_S("due", clock_iso(due, stamp)),
            LOG_S("text", "one is waiting already; they become one"));
    } else {
        keeper_pending_set(&k->state.pending, due, now_ms);
        k->state.pending.missed = missed;
        log_event(
            LOG_INFO, "backup-due", LOG_S("due", clock_iso(due, stamp)), LOG_B("missed", missed));
        keeper_publish(k, keeper_state_event(k));
    }
    keeper_save(k);
}

/* By default a drill is due every week, in a practice without backups too. Only our own count. */
static bool has_backups(const struct keeper *k)
{
    struct trust trust = {0};
    struct store_list list = {0};
    bool any = false;
    if (trust_open(k->settings.state_dir, NULL, &trust, NULL) == 0 &&
        store_read(k->settings.folder, NULL, &trust, &list, NULL) == 0)
        for (size_t i = 0; i < list.count; i++)
            any |= standing_ours(list.items[i].standing);
    store_list_clear(&list);
    trust_close(&trust);
    return any;
}

static void look_at_drill_schedule(struct keeper *k, int64_t now_ms)
{
    if (due_since(&k->rules.drill, &k->state.drill_seen_ms, now_ms)) {
        k->state.drill_due = has_backups(k);
        if (k->state.drill_due)
            log_event(LOG_INFO, "drill-due");
        keeper_save(k);
    }
}

static int64_t mono_ms(void)
{
    return (int64_t)clock_mono_ms();
}

/* --- what jobs leave -------------------------------------------------------------------------- */

/* Settings of the server that a killed job left changed. */
static void start_put_back(struct keeper *k)
{
    static const char *const args[] = {"put-back", NULL};
    struct err e = {0};
    if (access(k->settings.journal, F_OK) < 0)
        return;
    if (keeper_run(k, JOB_PUT_BACK, args, &e) < 0)
        log_err(LOG_ERROR, "put-back-not-started", &e);
}

/* What the end of a backup means for the run that is due. */
static void settle_pending(struct keeper *k, int exit_code, int signal)
{
    struct keeper_pending *p = &k->state.pending;
    if (k->stopping || (signal && !k->current.cancelled)) {
        k->plan.not_before_mono_ms = mono_ms() + AGAIN_MS; /* it was cut off: it is still due */
    } else if (exit_code == EXIT_NOT_IDLE || exit_code == EXIT_BUSY) {
        p->yielded += exit_code == EXIT_NOT_IDLE;
        k->plan.not_before_mono_ms = mono_ms() + AGAIN_MS;
    } else if ((exit_code == EXIT_FAILED || exit_code == EXIT_INCONSISTENT) && !p->by_hand &&
               p->failed <
                   FAILURES_MAX) { /* the server restarts, a disk is away: worth another try */
        p->failed++;
        k->plan.not_before_mono_ms = mono_ms() + AFTER_FAILURE_MS;
    } else {
        keeper_pending_drop(p);
    }
}

void keeper_plan_ended(struct keeper *k, int exit_code, int signal)
{
    if (k->current.kind == JOB_BACKUP && k->current.scheduled)
        settle_pending(k, exit_code, signal);
    if (k->current.kind == JOB_DRILL && exit_code != EXIT_BUSY && !k->stopping)
        k->state.drill_due = false;
    k->plan.put_back_due |= signal && k->current.kind == JOB_BACKUP;
}

void keeper_plan_cancel(struct keeper *k)
{
    if (k->current.job) {
        k->current.cancelled = true;
        keeper_job_stop(k->current.job);
    } else if (k->state.pending.due_ms) {
        keeper_pending_drop(&k->state.pending);
        keeper_save(k);
        keeper_publish(k, json_pack("{sb,sb,si,ss,ss}", "done", 1, "ok", 0, "exit", EXIT_CANCELLED,
                              "error", "cancelled before it began", "job", "backup"));
    }
}

/* --- the run that is due ---------------------------------------------------------------------- */

static void start_pending(struct keeper *k, const char *method)
{
    const char *args[ARGS_MAX + 4] = {"backup"};
    size_t n = 1, i;
    json_t *type;
    if (*method)
        args[n++] = strcmp(method, "dump") == 0 ? "--dump" : "--lock";
    json_array_foreach (k->state.pending.types, i, type) {
        if (n < ARGS_MAX)
            args[n++] = json_string_value(type);
    }
    struct err e = {0};
    if (keeper_run(k, JOB_BACKUP, args, &e) < 0) {
        log_err(LOG_ERROR, "job-not-started", &e);
        k->plan.not_before_mono_ms = mono_ms() + AGAIN_MS;
        return;
    }
    k->current.scheduled = true;
    k->current.method = method;
}

/* The deadline has passed and the database was never idle: said loudly, since a backup that
 * silently does not happen is the old system's worst fault. */
static void skip_pending(struct keeper *k)
{
    char words[300];
    utf8_format(words, sizeof words, "the database was not idle before the deadline: %s",
        k->plan.decision.words);
    log_event(LOG_ERROR, "backup-skipped", LOG_S("reason", k->plan.decision.reason),
        LOG_S("text", words));
    keeper_audit_job("backup", NULL, hook_result_name(EXIT_NOT_IDLE), words);
    k->current.kind = JOB_BACKUP;
    k->current.scheduled = true;
    k->current.method = "";
    k->current.run[0] = '\0';
    k->current.started_ms = clock_wall_ms();
    keeper_record_run(k, EXIT_NOT_IDLE, words);
    k->current.kind = JOB_NONE;
    keeper_pending_drop(&k->state.pending);
    keeper_save(k);
    keeper_publish(k, json_pack("{sb,sb,si,ss,ss}", "done", 1, "ok", 0, "exit", EXIT_NOT_IDLE,
                          "error", words, "job", "backup"));
    const char *args[] = {"alarm", words, NULL};
    struct err e = {0};
    if (keeper_run(k, JOB_ALARM, args, &e) < 0)
        log_err(LOG_ERROR, "alarm-not-started", &e);
}

static void tell_decision(struct keeper *k, const struct idle_decision *before, bool decided)
{
    if (decided && strcmp(before->reason, k->plan.decision.reason) == 0)
        return;
    log_event(LOG_INFO, "backup-waits", LOG_S("reason", k->plan.decision.reason),
        LOG_S("text", k->plan.decision.words),
        LOG_S("proxy",
            *k->ports.heard.witnesses.proxy_words ? k->ports.heard.witnesses.proxy_words : NULL),
        LOG_S("server",
            *k->ports.heard.witnesses.server_words ? k->ports.heard.witnesses.server_words : NULL));
    keeper_publish(k, keeper_state_event(k));
}

static void decide(struct keeper *k)
{
    const struct keeper_pending *p = &k->state.pending;
    int64_t now = mono_ms(), waited = clock_wall_ms() - p->asked_ms;
    struct idle_times t = {.now_ms = now, .due_ms = now - (waited > 0 ? waited : 0)};
    t.deadline_ms = p->by_hand ? INT64_MAX : t.due_ms + k->rules.deadline_ms;
    struct idle_decision before = k->plan.decision;
    bool decided = k->plan.decided;
    k->plan.decision = idle_decide(&k->rules.idle, &t, &k->ports.heard.witnesses.proxy,
        &k->ports.heard.witnesses.server, &k->plan.watch);
    k->plan.decided = true;
    switch (k->plan.decision.action) {
    case IDLE_RUN:
        start_pending(k, "");
        break;
    case IDLE_DUMP:
        start_pending(k, "dump");
        break;
    case IDLE_LOCK:
        start_pending(k, "lock");
        break;
    case IDLE_SKIP:
        skip_pending(k);
        break;
    case IDLE_WAIT:
    case IDLE_NOT_DUE:
        tell_decision(k, &before, decided);
        break;
    }
}

void keeper_plan_witnesses(void *ctx, const struct keeper_witnesses *w)
{
    struct keeper *k = ctx;
    if (!k->ports.heard.database_since_ms ||
        k->ports.heard.witnesses.server_down != w->server_down ||
        k->ports.heard.witnesses.server.known != w->server.known)
        k->ports.heard.database_since_ms = clock_wall_ms();
    k->ports.heard.witnesses = *w;
    idle_watch_update(&k->plan.watch, &w->proxy, &w->server, mono_ms());
    if (k->state.pending.due_ms && !k->current.job && !k->stopping &&
        mono_ms() >= k->plan.not_before_mono_ms)
        decide(k);
}

void keeper_plan_start(struct keeper *k)
{
    int64_t now = clock_wall_ms();
    if (!k->state.backup_seen_ms)
        k->state.backup_seen_ms = now;
    if (!k->state.drill_seen_ms)
        k->state.drill_seen_ms = now;
    if (k->state.pending.due_ms) /* the deadline counts from when somebody is there to wait */
        k->state.pending.asked_ms = now;
    keeper_save(k);
    k->plan.put_back_due = true; /* what a job left that was killed together with the keeper */
    keeper_restore_look(k);
}

void keeper_plan_tick(struct keeper *k)
{
    if (k->stopping)
        return;
    int64_t now = clock_wall_ms();
    if (k->rules.has_backup)
        look_at_backup_schedule(k, now);
    if (k->rules.has_drill)
        look_at_drill_schedule(k, now);
    keeper_restore_look(k);
    keeper_errands_tick(k, false);
    if (k->plan.put_back_due && !k->current.job) {
        k->plan.put_back_due = false;
        start_put_back(k);
    }
    if (k->state.drill_due && !k->current.job && !k->state.pending.due_ms &&
        mono_ms() >= k->plan.not_before_mono_ms) {
        static const char *const args[] = {"drill", "latest", NULL};
        struct err e = {0};
        k->plan.not_before_mono_ms = mono_ms() + AGAIN_MS;
        if (keeper_run(k, JOB_DRILL, args, &e) < 0)
            log_err(LOG_ERROR, "job-not-started", &e);
    }
    int64_t pause = k->state.pending.due_ms ? ASK_WAITING_MS : ASK_MS;
    if (!k->current.job && mono_ms() - k->plan.asked_mono_ms >= pause) {
        k->plan.asked_mono_ms = mono_ms();
        keeper_gate_ask(k->ports.gate, &k->settings);
    }
}
