/*
 * elexgate-keeper: backups that run by themselves when the database is idle. See keeper.h.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "backup/keeper/errand.h"
#include "backup/keeper/audit.h"
#include "backup/keeper/notify.h"
#include "backup/keeper/renew.h"
#include "backup/keeper/opened.h"
#include "backup/keeper/stream.h"
#include "backup/keeper/people.h"
#include "common/loop.h"
#include "common/clock.h"
#include "common/config_intent.h"
#include "common/exit_codes.h"
#include "common/json_get.h"
#include "common/log.h"
#include "common/phrase.h"
#include "common/log_ring.h"
#include "common/program.h"
#include "common/systemd.h"
#include "common/utf8.h"

#define TICK_MS 500

static const char usage[] =
    "usage: elexgate-keeper [--config FILE] [--help] [--version]\n"
    "\n"
    "Starts backups when they are due and the database is idle. Signals: HUP reloads the\n"
    "configuration, TERM ends it (a running job ends first). See elexgate-keeper(8).\n";

/* --- settings --------------------------------------------------------------------------------- */

struct loaded {
    struct config *config;
    struct backup_settings settings;
    struct plan_rules rules;
};

/* All but the schedules. */
static void take_rules(const struct config *c, struct plan_rules *out)
{
    const char *mode = config_str(c, "backup", NULL, "idle");
    const char *policy = config_str(c, "backup", NULL, "after_deadline");
    out->idle = (struct idle_settings){
        .mode = strcmp(mode, "quiet") == 0 ? IDLE_QUIET : IDLE_NO_CLIENTS,
        .policy = strcmp(policy, "skip") == 0   ? IDLE_POLICY_SKIP
                  : strcmp(policy, "dump") == 0 ? IDLE_POLICY_DUMP
                                                : IDLE_POLICY_LOCK,
        .minutes_ms = config_int(c, "backup", NULL, "idle_for"),
    };
    out->zone = &cron_zone_local;
    out->catch_up = config_bool(c, "backup", NULL, "catch_up");
    out->deadline_ms = config_int(c, "backup", NULL, "deadline");
    const char *prove = config_str(c, "binlog", NULL, "prove");
    out->prove = config_bool(c, "binlog", NULL, "archive") && strcmp(prove, "no") != 0;
    out->physical = config_bool(c, "binlog", NULL, "archive") &&
                    strcmp(config_str(c, "backup", NULL, "method"), "dump") != 0;
    out->prove_hourly = out->prove && strcmp(prove, "hourly") == 0;
}

/* All of *out but the config itself. */
static int digest(const struct config *c, struct loaded *out, struct err *e)
{
    struct loaded l = {0};
    int r = backup_settings_of(c, &l.settings, e);
    if (r == 0)
        r = backup_schedule_load(c, "backup", &l.rules.has_backup, &l.rules.backup, e);
    if (r == 0)
        r = backup_schedule_load(c, "drill", &l.rules.has_drill, &l.rules.drill, e);
    if (r < 0) {
        backup_settings_clear(&l.settings);
        return r;
    }
    take_rules(c, &l.rules);
    *out = l;
    return 0;
}

/* At the start. */
static int load(const char *path, struct loaded *out, struct err *e)
{
    struct config *c = NULL;
    int r = config_load(path, &c, e);
    if (r == 0 && (r = digest(c, out, e)) < 0)
        config_free(c);
    if (r == 0)
        out->config = c;
    return r;
}

/* Later, when the file may be one that only the monitor can read. */
static int load_again(const struct keeper *k, struct loaded *out, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    size_t len;
    bool whole;
    struct config *c = NULL;
    int r = keeper_monitor_text(k->ports.monitor, MONITOR_CONFIG, &text, &len, &whole, e);
    if (r == 0)
        r = config_parse(text, len, config_path(k->config), &c, e);
    if (r == 0 && whole)
        config_intent_set_whole(c);
    if (r == 0 && (r = digest(c, out, e)) < 0)
        config_free(c);
    if (r == 0)
        out->config = c;
    return r;
}

static void adopt(struct keeper *k, const struct loaded *l)
{
    const struct config *c = l->config;
    k->config = l->config;
    k->settings = l->settings;
    k->rules = l->rules;
    program_log_level(c);
    if (k->ports.control)
        keeper_control_users(k->ports.control, c);
}

struct changes {
    json_t *changed, *restart;
};

static void note_change(void *ctx, const struct option *o, const char *name, const char *old_value,
    const char *new_value)
{
    struct changes *changes = ctx;
    (void)old_value;
    (void)new_value;
    char text[200];
    utf8_format(
        text, sizeof text, "[%s%s%s] %s", o->section, name ? " " : "", name ? name : "", o->key);
    json_array_append_new(o->reloadable ? changes->changed : changes->restart, json_string(text));
}

static bool schedule_differs(const struct config *a, const struct config *b, const char *section)
{
    const char *before = config_str(a, section, NULL, "schedule");
    const char *after = config_str(b, section, NULL, "schedule");
    return strcmp(before ? before : "", after ? after : "") != 0;
}

int keeper_reload(struct keeper *k, bool force, json_t **answer, struct err *e)
{
    struct loaded l;
    int r = load_again(k, &l, e);
    if (r == 0 && !force && (r = config_intent_check(k->config, l.config, e)) < 0) {
        backup_settings_clear(&l.settings);
        config_free(l.config);
    }
    if (r < 0) {
        log_err(LOG_ERROR, "reload-failed", e, LOG_S("meaning", "the old settings stay in force"));
        return r;
    }
    struct changes changes = {json_array(), json_array()};
    config_diff(k->config, l.config, note_change, &changes);
    /* A time that had passed before there was this schedule is none that was missed. */
    if (schedule_differs(k->config, l.config, "backup"))
        plan_schedule_changed(&k->plan, false, clock_wall_ms());
    if (schedule_differs(k->config, l.config, "drill"))
        plan_schedule_changed(&k->plan, true, clock_wall_ms());
    struct config *old = k->config;
    struct backup_settings old_settings = k->settings;
    adopt(k, &l);
    keeper_monitor_do(k->ports.monitor, MONITOR_RELOAD);
    keeper_gate_again(k->ports.gate);
    keeper_notify_again(k->ports.notify);
    backup_settings_clear(&old_settings);
    config_free(old);
    log_event(LOG_INFO, "reloaded", LOG_U("changed", json_array_size(changes.changed)),
        LOG_U("restart_needed", json_array_size(changes.restart)));
    _cleanup_json_ json_t *result = json_pack(
        "{sbsoso}", "ok", 1, "changed", changes.changed, "restart_needed", changes.restart);
    if (answer)
        *answer = json_incref(result);
    return 0;
}

/* --- the program ------------------------------------------------------------------------------ */

/* The socket's file lies in a folder where we may remove nothing. */
static void close_control(struct keeper *k)
{
    if (!k->ports.control)
        return;
    keeper_control_close(k->ports.control);
    k->ports.control = NULL;
    keeper_monitor_do(k->ports.monitor, MONITOR_CLOSED);
}

/* Once nobody waits for a job's end any more: a message that is being sent has its moment. */
static void close_monitor(struct keeper *k)
{
    if (k->over && !k->ports.jobs.started)
        keeper_monitor_close(k->ports.monitor);
}

/* Called again when a running job has ended. */
static void keeper_stop(struct keeper *k)
{
    if (!k->stopping) {
        k->stopping = true;
        log_event(LOG_INFO, "stopping", LOG_B("job", k->current.job != NULL));
        systemd_tell("STOPPING=1");
    }
    keeper_errands_tick(k, true);
    if (k->current.job && keeper_kind_lasts(k->current.kind)) {
        log_event(LOG_INFO, "restore-goes-on", LOG_I("pid", keeper_job_pid(k->current.job)));
        keeper_job_leave(k->current.job);
        k->current.job = NULL;
    }
    if (k->current.job) {
        keeper_job_stop(k->current.job);
        return;
    }
    if (!k->ports.gate)
        return;
    keeper_renew_stop(k);
    keeper_stream_stop(k);
    keeper_opened_stop(k);
    keeper_notify_stop(k->ports.notify);
    close_control(k);
    keeper_gate_drop(k->ports.gate);
    k->ports.gate = NULL;
    k->over = true;
    close_monitor(k);
    uv_close((uv_handle_t *)&k->ports.tick, NULL);
    for (size_t i = 0; i < 3; i++)
        uv_close((uv_handle_t *)&k->ports.signals[i], NULL);
}

static void on_signal(uv_signal_t *s, int number)
{
    struct keeper *k = s->data;
    if (number == SIGHUP) {
        struct err e = {0};
        if (keeper_reload(k, false, NULL, &e) < 0) /* told; the old settings serve on, */
            keeper_monitor_do(k->ports.monitor, MONITOR_RELOAD); /* but a log may be rotated */
        return;
    }
    keeper_stop(k);
}

static void on_tick(uv_timer_t *t)
{
    struct keeper *k = t->data;
    systemd_tell("WATCHDOG=1");
    keeper_drive_tick(k);
    keeper_renew_tick(k);
    keeper_stream_tick(k);
    keeper_opened_tick(k);
    keeper_people_tick(k);
    keeper_notify_tick(k->ports.notify);
}

static void on_gone(struct keeper *k)
{
    if (k->stopping)
        keeper_stop(k);
}

static int open_state(struct keeper *k, struct err *e)
{
    int r = keeper_state_open("keeper.json", &k->state, e);
    if (r == 1)
        log_err(LOG_ERROR, "state-damaged", e, LOG_S("folder", k->place.folder));
    log_ring_keep("recent.log");
    if (r < 0)
        return err_prefix(e, r, "%s", k->place.folder);
    k->ports.people = keeper_people_open(k->ports.monitor);
    return 0;
}

static void on_job_ended(void *ctx, const struct monitor_event *event)
{
    struct keeper *k = ctx;
    keeper_job_ended(&k->ports.jobs, event);
    close_monitor(k);
}

/* Whoever supervises us starts both anew. */
static void on_monitor_lost(void *ctx)
{
    const struct keeper *k = ctx;
    log_event(LOG_ERROR, "monitor-lost", LOG_B("job", k->current.job != NULL));
    exit(EXIT_FAILED);
}

/* All that a user without rights could not do; nothing of it reads what others have written. */
static int begin_as_root(struct keeper *k, struct err *e)
{
    int r = keeper_place_find(k->config, &k->place, e);
    if (r == 0)
        r = keeper_monitor_start(k->config_path, &k->ports.monitor, e);
    if (r == 0)
        r = keeper_place_enter(k->config, &k->place, e);
    if (r == 0)
        r = keeper_control_open(&k->loop, k->config, keeper_command, k, &k->ports.control, e);
    if (r == 0)
        r = keeper_place_become(&k->place, e);
    if (r == 0)
        program_shut(false);
    if (r == 0)
        keeper_audit_begin(k->ports.monitor);
    return r;
}

static int start(struct keeper *k, struct err *e)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    k->started_mono_ms = (int64_t)clock_mono_ms();
    int r = begin_as_root(k, e);
    if (r == 0)
        r = open_state(k, e);
    if (r < 0)
        return r;
    k->ports.jobs = (struct keeper_jobs){.loop = &k->loop, .monitor = k->ports.monitor};
    keeper_monitor_listen(k->ports.monitor, &k->loop, on_job_ended, on_monitor_lost, k);
    k->ports.gate = keeper_gate_new(&k->ports.jobs, keeper_drive_witnesses, k);
    uv_timer_init(&k->loop, &k->ports.tick);
    k->ports.tick.data = k;
    for (size_t i = 0; i < 3; i++) {
        uv_signal_init(&k->loop, &k->ports.signals[i]);
        k->ports.signals[i].data = k;
        uv_signal_start(&k->ports.signals[i], on_signal, numbers[i]);
    }
    k->ports.notify = keeper_notify_new(k, keeper_health);
    k->current.on_gone = on_gone;
    keeper_drive_start(k);
    uv_timer_start(&k->ports.tick, on_tick, 0, TICK_MS);
    return 0;
}

static void log_ready(const struct keeper *k)
{
    char stamp[CLOCK_ISO_LEN];
    int64_t next = plan_next_due(&k->rules, false, clock_wall_ms());
    _cleanup_json_ json_t *said = k->rules.has_backup ? cron_phrase(&k->rules.backup)
                                                      : phrase_of("never by itself");
    _cleanup_free_ char *words = phrase_words(LANG_EN, said);
    log_event(LOG_INFO, "ready", LOG_S("version", ELEXGATE_VERSION), LOG_S("schedule", words),
        LOG_S("next", next ? clock_iso(next, stamp) : NULL));
    systemd_tell("READY=1");
}

static int run(struct keeper *k)
{
    struct err e = {0};
    struct loaded l;
    if (load(k->config_path, &l, &e) < 0) {
        fprintf(stderr, "elexgate-keeper: %s\n", e.text);
        return EXIT_FAILED;
    }
    program_log("elexgate-keeper", l.config);
    log_ring_start();
    CHECK(loop_init(&k->loop) == 0);
    int code = EXIT_GOOD;
    adopt(k, &l);
    k->notify_good = notify_check(k->config, &k->notify_trouble); /* as long as we may look */
    if (start(k, &e) < 0) {
        log_err(LOG_ERROR, "not-started", &e);
        code = EXIT_FAILED;
    } else {
        log_ready(k);
        uv_run(&k->loop, UV_RUN_DEFAULT);
        log_event(LOG_INFO, "stopped");
    }
    if (code == EXIT_FAILED) {
        close_control(k);
        uv_run(&k->loop, UV_RUN_NOWAIT);
    }
    int r = uv_loop_close(&k->loop);
    ASSERT(r == 0);
    (void)r;
    keeper_monitor_free(k->ports.monitor);
    keeper_place_clear(&k->place);
    keeper_notify_free(k->ports.notify);
    keeper_people_free(k->ports.people);
    keeper_state_clear(&k->state);
    keeper_run_clear(&k->current);
    backup_settings_clear(&k->settings);
    config_free(k->config);
    log_ring_stop();
    return code;
}

int main(int argc, char **argv)
{
    static struct keeper k;
    const struct program program = {"elexgate-keeper", usage, &k.config_path};
    int code = program_begin(&program, argc, argv);
    if (code >= 0)
        return code;
    umask(0077);
    return run(&k);
}
