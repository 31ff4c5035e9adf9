
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "backup/keeper/audit.h"
#include "backup/keeper/errand.h"
#include "backup/keeper/notify.h"
#include "backup/keeper/opened.h"
#include "backup/keeper/people.h"
#include "backup/keeper/stream.h"
#include "backup/keeper/tell.h"
#include "backup/rules/archive_name.h"
#include "common/clock.h"
#include "common/error_phrase.h"
#include "common/json_lines.h"
#include "common/phrase.h"
#include "common/log_line.h"
#include "common/log_ring.h"
#include "common/utf8.h"
#include "common/json_get.h"

static json_t *time_or_null(int64_t ms)
{
    char stamp[CLOCK_ISO_LEN];
    return ms ? json_string(clock_iso(ms, stamp)) : json_null();
}

static json_t *schedule_object(const struct keeper *k)
{
    int64_t now = clock_wall_ms();
    json_t *o = json_pack("{so?so?so?so?}", "backup",
        json_string(config_str(k->config, "backup", NULL, "schedule") ?: ""), "next",
        time_or_null(plan_next_due(&k->rules, false, now)), "drill",
        json_string(config_str(k->config, "drill", NULL, "schedule") ?: ""), "drill_next",
        time_or_null(plan_next_due(&k->rules, true, now)));
    if (k->rules.has_backup)
        phrase_put(o, "words", cron_phrase(&k->rules.backup));
    return o;
}

static json_t *pending_object(const struct keeper *k)
{
    const struct plan_pending *p = &k->state.plan.pending;
    if (!p->due_ms)
        return json_null();
    json_t *o = json_pack("{sososbsbsisO}", "due", time_or_null(p->due_ms), "deadline",
        p->by_hand ? json_null() : time_or_null(p->asked_ms + k->rules.deadline_ms), "missed",
        p->missed, "by_hand", p->by_hand, "yielded", (int)p->yielded, "types", p->types);
    keeper_tell_decision(k, o);
    return o;
}

static json_t *job_object(const struct keeper *k)
{
    static const char *const of_restore[] = {"action", "which", "dry_run", "way", NULL};
    static const char *const of_phase[] = {
        "type", "phase", "bytes", "total", "bytes_out", "files", "bytes_s", "eta_ms", NULL};
    if (!k->current.job)
        return json_null();
    json_t *o = json_pack("{sssisossss}", "kind", keeper_kind_name(k->current.kind), "pid",
        keeper_job_pid(k->current.job), "started", time_or_null(k->current.started_ms), "run",
        k->current.run, "method", k->current.method);
    if (*k->current.blocked_since)
        json_object_set_new(o, "blocked_since", json_string(k->current.blocked_since));
    json_take(o, k->current.restore_begin, of_restore);
    if (k->current.restore_begin)
        json_object_set_new(o, "sql", json_boolean(json_get_true(k->current.restore_begin, "sql")));
    json_take(o, k->current.phase, of_phase);
    return o;
}

static json_t *or_null(json_t *o)
{
    return o ? json_incref(o) : json_null();
}

static json_t *witness_object(const struct keeper *k)
{
    const struct keeper_witnesses *w = &k->ports.heard.witnesses;
    int64_t now = (int64_t)clock_mono_ms();
    json_t *o = json_pack("{sbsb}", "proxy", w->proxy.known, "server", w->server.known);
    if (w->proxy_words.code)
        error_phrase_put_as(o, "proxy_words", &w->proxy_words);
    if (w->server_words.code)
        error_phrase_put_as(o, "server_words", &w->server_words);
    if (k->plan.watch.server_seen)
        json_object_set_new(o, "server_quiet_ms", json_integer(now - k->plan.watch.server_since));
    return o;
}

/* down: nobody answers; refusing: it runs, and does not let the keeper in. */
static json_t *database_object(const struct keeper *k)
{
    const char *state = !k->ports.heard.database_since_ms       ? "unknown"
                        : k->ports.heard.witnesses.server.known ? "up"
                        : k->ports.heard.witnesses.server_down  ? "down"
                                                                : "refusing";
    json_t *o = json_pack(
        "{ssso}", "state", state, "since", time_or_null(k->ports.heard.database_since_ms));
    if (k->ports.heard.witnesses.cause_known)
        error_phrase_put_as(o, "cause", &k->ports.heard.witnesses.server_words);
    return o;
}

static json_t *status(struct keeper *k, struct control_client *c, json_t *request)
{
    (void)c, (void)request;
    const json_t *room = keeper_gate_seen(k->ports.gate, "free");
    json_t *o = json_pack("{sbsssssisIsosososososososososo}", "ok", 1, "program", "elexgate-keeper",
        "version", ELEXGATE_VERSION, "pid", (int)getpid(), "uptime_ms",
        (json_int_t)((int64_t)clock_mono_ms() - k->started_mono_ms), "schedule", schedule_object(k),
        "pending", pending_object(k), "job", job_object(k), "last_backup",
        or_null(keeper_state_newest(&k->state, "backup", false)), "last_good_backup",
        or_null(keeper_state_newest(&k->state, "backup", true)), "last_drill",
        or_null(keeper_state_drill(&k->state)), "last_chain",
        or_null(keeper_state_newest(&k->state, "prove", false)), "last_restore",
        or_null(keeper_state_newest(&k->state, "restore", false)), "witnesses", witness_object(k),
        "folder", json_text(k->settings.folder));
    CHECK(o);
    json_object_set_new(o, "state", json_string(plan_state_name(&k->plan, k->current.job != NULL)));
    json_object_set_new(o, "database", database_object(k));
    json_object_set_new(o, "audit", keeper_audit_status(k));
    struct monitor_state monitor;
    keeper_monitor_state(k->ports.monitor, &monitor);
    json_object_set_new(o, "jobs_bound", json_boolean(!monitor.unbound));
    json_object_set_new(o, "binlog", keeper_stream_status(k));
    json_object_set_new(o, "opened", keeper_opened_status(k));
    json_object_set_new(o, "notify", keeper_notify_status(k->ports.notify));
    struct health health;
    keeper_health(k, &health);
    json_object_set_new(o, "findings", health_json(&health, k->rules.zone));
    if (room)
        json_object_set_new(o, "free", json_integer(json_integer_value(room)));
    return o;
}

static bool good_types(const json_t *types)
{
    size_t i;
    json_t *type;
    json_array_foreach (types, i, type) {
        const char *name = json_string_value(type);
        if (!name || !archive_type_valid(name))
            return false;
    }
    return json_array_size(types) <= MONITOR_TYPES_MAX;
}

static json_t *run_when_idle(struct keeper *k, const json_t *request, json_t *types)
{
    struct plan_facts facts = keeper_facts(k);
    if (!plan_ask_for(&k->plan, types, &facts))
        return json_error(EBUSY, "a backup is waiting for the database to become idle already");
    struct plan_pending *p = &k->state.plan.pending;
    utf8_copy(p->label, sizeof p->label, json_get_text(request, "label"));
    p->protect = json_get_true(request, "protect");
    keeper_save(k);
    keeper_publish(k, keeper_state_event(k));
    return json_pack("{sbsb}", "ok", 1, "queued", 1);
}

static json_t *run_now(struct keeper *k, const json_t *request, const char *method, json_t *types)
{
    struct monitor_request q = keeper_job_of(MONITOR_BACKUP);
    size_t i;
    json_t *type;
    keeper_job_flag(&q, true, MONITOR_NOW);
    keeper_job_flag(&q, json_get_true(request, "dry_run"), MONITOR_DRY_RUN);
    keeper_job_flag(&q, json_get_true(request, "accept_smaller"), MONITOR_ACCEPT_SMALLER);
    keeper_job_label(&q, json_get_str(request, "label"));
    keeper_job_flag(&q, json_get_true(request, "protect"), MONITOR_PROTECT);
    keeper_job_flag(&q, method && strcmp(method, "dump") == 0, MONITOR_DUMP);
    keeper_job_flag(&q, method && strcmp(method, "dump") != 0, MONITOR_LOCK);
    json_array_foreach (types, i, type)
        keeper_job_type(&q, json_string_value(type));
    if (k->state.plan.pending.yielded && !k->current.job && json_array_size(types) == 0)
        plan_pending_drop(&k->state.plan.pending); /* what waits in vain is what this one makes */
    return keeper_run_asked(k, JOB_BACKUP, &q);
}

static bool is_text_or_nothing(const json_t *v)
{
    return !v || json_is_null(v) || json_is_string(v);
}

static json_t *drill(struct keeper *k, struct control_client *c, json_t *request)
{
    (void)c;
    const json_t *w = json_object_get(request, "which"), *t = json_object_get(request, "type");
    const char *which = json_string_value(w), *type = json_string_value(t);
    if (!is_text_or_nothing(w) ||
        (which && strcmp(which, "latest") != 0 && !run_suffix_valid(which)))
        return json_error(EINVAL, "no such backup: %s; a run, such as 2026-11-22-0315",
            UTF8_SHORT(which ? which : "(not a text)", 60));
    if (!is_text_or_nothing(t) || (type && !archive_type_valid(type)))
        return json_error(
            EINVAL, "no such data type: %s", UTF8_SHORT(type ? type : "(not a text)", 60));
    struct monitor_request q = keeper_job_of(MONITOR_DRILL);
    keeper_job_which(&q, which ? which : "latest");
    keeper_job_type(&q, type);
    return keeper_run_asked(k, JOB_DRILL, &q);
}

static json_t *prove(struct keeper *k, struct control_client *c, json_t *request)
{
    (void)c;
    struct monitor_request q = keeper_job_of(MONITOR_PROVE);
    keeper_job_flag(&q, json_get_true(request, "live"), MONITOR_LIVE);
    return keeper_run_asked(k, JOB_PROVE, &q);
}

static json_t *run(struct keeper *k, struct control_client *c, json_t *request)
{
    (void)c;
    json_t *types = json_object_get(request, "types");
    const char *mode = json_get_str(request, "mode");
    if (types && !(json_is_array(types) && good_types(types)))
        return json_error(EINVAL, "types must be a list of names of data types");
    const json_t *m = json_object_get(request, "method");
    const char *method = json_string_value(m);
    bool now = mode && strcmp(mode, "now") == 0;
    json_t *wrong = keeper_wrong_label(request);
    if (wrong)
        return wrong;
    if (m && (!now || !method || (strcmp(method, "dump") != 0 && strcmp(method, "lock") != 0)))
        return json_error(EINVAL, "method must be dump or lock, and goes with mode now");
    if (!mode || strcmp(mode, "when-idle") == 0)
        return run_when_idle(k, request, types);
    if (now)
        return run_now(k, request, method, types);
    return json_error(EINVAL, "mode must be now or when-idle");
}

static json_t *cancel(struct keeper *k, struct control_client *c, json_t *request)
{
    (void)c, (void)request;
    if (!k->current.job && !k->state.plan.pending.due_ms)
        return json_error(ENOENT, "nothing runs and nothing waits");
    bool running = k->current.job != NULL;
    keeper_drive_cancel(k);
    return json_pack("{sbss}", "ok", 1, "cancelled", running ? "running" : "waiting");
}

static json_t *reload(struct keeper *k, struct control_client *c, json_t *request)
{
    (void)c;
    struct err e = {0};
    json_t *answer = NULL;
    int r = keeper_reload(k, json_get_true(request, "force"), &answer, &e);
    return r < 0 ? json_error_of(-r, &e) : answer;
}

static json_t *log_level(struct keeper *k, struct control_client *c, json_t *request)
{
    (void)k, (void)c;
    enum log_level level;
    const char *name = json_get_str(request, "level");
    if (!name || !log_level_parse(name, &level))
        return json_error(EINVAL, "level must be error, warning, info or debug");
    log_set_level(level);
    return json_pack("{sbss}", "ok", 1, "level", name);
}

static json_t *audit(struct keeper *k, struct control_client *c, json_t *request)
{
    if (!json_get_str(request, "action") || !json_is_object(json_object_get(request, "as")))
        return json_error(EINVAL, "\"as\" and \"action\" must be given");
    enum rights_level level = keeper_people_level(
        k->ports.people, rights_level(control_client_page(c), request), request);
    keeper_audit_console(control_client_uid(c), request, rights_level_name(level));
    return json_pack("{sb}", "ok", 1);
}

static json_t *its_answer(struct keeper *k, void *ctx, json_t *event, json_t *last)
{
    (void)k, (void)ctx, (void)last;
    return json_incref(json_object_get(event, "answer"));
}

static json_t *cert_answer(struct keeper *k, void *ctx, json_t *event, json_t *last)
{
    log_event(LOG_INFO, "cert");
    return its_answer(k, ctx, event, last);
}

static json_t *log_lines(struct keeper *k, struct control_client *c, json_t *request)
{
    (void)k, (void)c;
    return log_ring_answer("elexgate-keeper", request);
}

static json_t *runs(struct keeper *k, struct control_client *c, json_t *request)
{
    (void)c, (void)request;
    return json_pack("{sbsO}", "ok", 1, "runs", k->state.runs);
}

static json_t *watch(struct keeper *k, struct control_client *c, json_t *request)
{
    (void)request;
    control_answer(c, keeper_state_event(k));
    keeper_control_follow(c, NULL);
    return NULL;
}

static const struct {
    const char *name;
    keeper_command_fn *run;
    const char *job;        /* the kind of job that it starts, which "follow":true follows */
    enum monitor_kind page; /* without run: the job that is told the request as it is */
    keeper_errand_fn *answer;
} commands[] = {
    {"status", status},
    {"run", run, "backup"},
    {"drill", drill, "drill"},
    {"prove", prove, "prove"},
    {"cancel", cancel},
    {"runs", runs},
    {"watch", watch},
    {"reload", reload},
    {"log-level", log_level},
    {"log", log_lines},
    {"archives", keeper_archives},
    {"timeline", keeper_timeline},
    {"verify", keeper_verify, "verify"},
    {"restore", keeper_restore, "restore"},
    {"open-backup", keeper_open_backup},
    {"close-backup", keeper_close_backup},
    {"delete", keeper_delete},
    {"mark", keeper_mark},
    {"info", keeper_info},
    {"config-get", keeper_config_get},
    {"config-set", .page = MONITOR_PAGE_CONFIG, .answer = keeper_config_set_answer},
    {"retention-preview", .page = MONITOR_PAGE_RETENTION, .answer = its_answer},
    {"schedule-preview", keeper_schedule_preview},
    {"cert", .page = MONITOR_PAGE_CERT, .answer = cert_answer},
    {"account", keeper_account},
    {"audit", audit},
    {"audit-log", .page = MONITOR_PAGE_AUDIT, .answer = its_answer},
};

static json_t *unknown(const char *cmd)
{
    char known[400] = "";
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        strncat(known, " ", sizeof known - strlen(known) - 1);
        strncat(known, commands[i].name, sizeof known - strlen(known) - 1);
    }
    return json_error(ENOSYS, "unknown command \"%s\"; known:%s", UTF8_SHORT(cmd, 40), known);
}

/* One that may be done: whoever asks has the right, and has confirmed it where that is needed. */
static void run_command(
    struct keeper *k, struct control_client *c, json_t *request, const struct right *right)
{
    bool follow = json_get_true(request, "follow");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(right->cmd, commands[i].name) != 0)
            continue;
        const struct keeper_errand_options o = {.request = request, .answer = commands[i].answer};
        json_t *answer = commands[i].run ? commands[i].run(k, c, request)
                                         : keeper_told_errand(k, c, request, commands[i].page, &o);
        if (!answer) /* it comes later, and so does its line in the audit log */
            return;
        bool started = !json_is_false(json_object_get(answer, "ok"));
        keeper_audit_request(control_client_uid(c), request, answer);
        control_answer(c, answer);
        if (started && follow && commands[i].job)
            keeper_control_follow(c, commands[i].job);
        return;
    }
}

void keeper_command(void *ctx, struct control_client *c, json_t *request)
{
    struct keeper *k = ctx;
    const char *cmd = json_get_text(request, "cmd");
    enum rights_level level = keeper_people_level(
        k->ports.people, rights_level(control_client_page(c), request), request);
    struct right right;
    struct err e = {0};
    int r = rights_check(RIGHTS_KEEPER, level, request, &right, &e);
    if (r == -ENOSYS) {
        control_answer(c, unknown(cmd));
    } else if (r < 0) {
        json_t *answer = json_error_of(-r, &e);
        keeper_audit_request(control_client_uid(c), request, answer);
        control_answer(c, answer);
    } else if (right.confirm && level < RIGHTS_MACHINE) {
        keeper_people_confirm(k, c, request, &right, run_command);
    } else {
        run_command(k, c, request, &right);
    }
}
