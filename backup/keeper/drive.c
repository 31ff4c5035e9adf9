#include "backup/keeper/keeper.h"

#include <string.h>
#include "backup/keeper/audit.h"
#include "backup/keeper/errand.h"
#include "backup/keeper/stream.h"
#include "backup/keeper/tell.h"
#include "common/clock.h"
#include "common/error_phrase.h"
#include "common/exit_codes.h"
#include "common/json_get.h"
#include "common/log.h"
#include "common/utf8.h"

struct plan_facts keeper_facts(const struct keeper *k)
{
    return (struct plan_facts){.wall_ms = clock_wall_ms(),
        .mono_ms = (int64_t)clock_mono_ms(),
        .busy = k->current.job != NULL,
        .journal_s = keeper_restore_journal_time(k),
        .base = keeper_stream_base(k),
        .timeline = (uint32_t)json_get_int(k->ports.stream.base, "timeline")};
}

/* --- what is done ----------------------------------------------------------------------------- */

static bool begin(struct keeper *k, enum keeper_kind kind, struct monitor_request *q)
{
    struct err e = {0};
    if (keeper_run(k, kind, q, &e) == 0)
        return true;
    log_err(LOG_ERROR, "job-not-started", &e, LOG_S("kind", keeper_kind_name(kind)));
    return false;
}

static void recover(struct keeper *k)
{
    struct monitor_request q = keeper_job_of(MONITOR_RESTORE);
    utf8_copy(q.text, sizeof q.text, "{\"action\":\"recover\",\"expire\":true}");
    begin(k, JOB_RECOVER, &q);
}

static void drill(struct keeper *k)
{
    struct monitor_request q = keeper_job_of(MONITOR_DRILL);
    keeper_job_which(&q, "latest");
    keeper_job_flag(&q, true, MONITOR_IF_ANY);
    begin(k, JOB_DRILL, &q);
}

static void prove(struct keeper *k, bool live)
{
    struct monitor_request q = keeper_job_of(MONITOR_PROVE);
    keeper_job_flag(&q, live, MONITOR_LIVE);
    begin(k, JOB_PROVE, &q);
}

static void start_pending(struct keeper *k, const char *method)
{
    struct monitor_request q = keeper_job_of(MONITOR_BACKUP);
    size_t i;
    json_t *type;
    keeper_job_flag(&q, strcmp(method, "dump") == 0, MONITOR_DUMP);
    keeper_job_flag(&q, strcmp(method, "lock") == 0, MONITOR_LOCK);
    json_array_foreach (k->state.plan.pending.types, i, type)
        keeper_job_type(&q, json_string_value(type));
    if (*k->state.plan.pending.label)
        keeper_job_label(&q, k->state.plan.pending.label);
    keeper_job_flag(&q, k->state.plan.pending.protect, MONITOR_PROTECT);
    if (!begin(k, JOB_BACKUP, &q))
        return;
    k->current.due_ms = k->state.plan.pending.due_ms;
    k->current.method = method;
}

/* The deadline has passed and the database was never idle: said loudly, since a backup that
 * silently does not happen is the old system's worst fault. */
static void skip(struct keeper *k, int64_t due_ms)
{
    struct err words = {0};
    (void)err_set(
        &words, EBUSY, "the database was not idle before the deadline: %s", k->plan.decision.words);
    log_event(LOG_ERROR, "backup-skipped", LOG_S("reason", k->plan.decision.reason),
        LOG_S("text", words.text));
    keeper_audit_job("backup", NULL, exit_code_name(EXIT_NOT_IDLE), words.text);
    keeper_record_skipped(k, due_ms, &words);
    keeper_save(k);
    json_t *event = json_pack(
        "{sb,sb,si,ss}", "done", 1, "ok", 0, "exit", EXIT_NOT_IDLE, "job", "backup");
    error_phrase_put(event, &words);
    keeper_publish(k, event);
    struct monitor_request q = keeper_job_of(MONITOR_ALARM);
    utf8_copy(q.text, sizeof q.text, words.text);
    begin(k, JOB_ALARM, &q);
}

static void put_back(struct keeper *k)
{
    struct monitor_request q = keeper_job_of(MONITOR_PUT_BACK);
    struct monitor_state s;
    keeper_monitor_state(k->ports.monitor, &s);
    if (s.settings_left)
        begin(k, JOB_PUT_BACK, &q);
}

static void tell_waits(struct keeper *k)
{
    const struct keeper_witnesses *w = &k->ports.heard.witnesses;
    log_event(LOG_INFO, "backup-waits", LOG_S("reason", k->plan.decision.reason),
        LOG_S("text", k->plan.decision.words),
        LOG_S("proxy", w->proxy_words.code ? w->proxy_words.text : NULL),
        LOG_S("server", w->server_words.code ? w->server_words.text : NULL));
    keeper_publish(k, keeper_state_event(k));
}

static void tell_due(struct keeper *k, const struct plan_action *a)
{
    char stamp[CLOCK_ISO_LEN];
    if (a->what == PLAN_TELL_MISSED) {
        log_event(LOG_WARNING, "backup-missed", LOG_S("due", clock_iso(a->due_ms, stamp)));
    } else if (a->what == PLAN_TELL_DUE_AGAIN) {
        log_event(LOG_WARNING, "backup-due-again", LOG_S("due", clock_iso(a->due_ms, stamp)),
            LOG_S("text", "one is waiting already; they become one"));
    } else if (a->what == PLAN_TELL_BASE_DUE) {
        log_event(LOG_WARNING, "backup-due", LOG_S("due", clock_iso(a->due_ms, stamp)),
            LOG_S("text",
                "nothing leads to the newest moments in the binary log: from a fresh physical backup on they can be brought back"));
        keeper_publish(k, keeper_state_event(k));
    } else {
        log_event(LOG_INFO, "backup-due", LOG_S("due", clock_iso(a->due_ms, stamp)),
            LOG_B("missed", a->missed));
        keeper_publish(k, keeper_state_event(k));
    }
    keeper_save(k);
}

static void act(struct keeper *k, const struct plan_action *a)
{
    switch (a->what) {
    case PLAN_NOTHING:
        break;
    case PLAN_TELL_DUE:
    case PLAN_TELL_MISSED:
    case PLAN_TELL_DUE_AGAIN:
    case PLAN_TELL_BASE_DUE:
        tell_due(k, a);
        break;
    case PLAN_TELL_DRILL_DUE:
        log_event(LOG_INFO, "drill-due");
        keeper_save(k);
        break;
    case PLAN_TELL_WAITS:
        tell_waits(k);
        break;
    case PLAN_RECOVER:
        recover(k);
        break;
    case PLAN_PUT_BACK:
        put_back(k);
        break;
    case PLAN_BACKUP:
        start_pending(k, a->method);
        break;
    case PLAN_SKIP:
        skip(k, a->due_ms);
        break;
    case PLAN_DRILL:
        drill(k);
        break;
    case PLAN_PROVE:
    case PLAN_PROVE_LIVE:
        prove(k, a->what == PLAN_PROVE_LIVE);
        break;
    case PLAN_ASK:
        keeper_gate_ask(k->ports.gate);
        break;
    }
}

static void drive(struct keeper *k)
{
    struct plan_action a;
    do {
        struct plan_facts facts = keeper_facts(k);
        a = plan_next(&k->plan, &k->rules, &facts);
        act(k, &a);
    } while (a.what != PLAN_NOTHING && !k->stopping);
}

/* --- what happens ----------------------------------------------------------------------------- */

static void on_ended(struct keeper *k, int exit_code, int signal)
{
    struct plan_end end = {.scheduled = k->current.due_ms != 0,
        .cancelled = k->current.cancelled,
        .stopping = k->stopping,
        .restore = keeper_kind_lasts(k->current.kind),
        .told = k->current.last != NULL,
        .exit_code = exit_code,
        .signal = signal};
    end.job = k->current.kind == JOB_BACKUP    ? PLAN_BACKUP
              : k->current.kind == JOB_DRILL   ? PLAN_DRILL
              : k->current.kind == JOB_PROVE   ? PLAN_PROVE
              : k->current.kind == JOB_RECOVER ? PLAN_RECOVER
                                               : PLAN_NOTHING;
    struct plan_facts facts = keeper_facts(k);
    int64_t due_ms = k->state.plan.chain_due_ms;
    plan_ended(&k->plan, &end, &facts);
    if (k->state.plan.chain_due_ms != due_ms)
        log_event(LOG_WARNING, "backup-due",
            LOG_S(
                "text", "the chain of the binary log is broken: from a fresh backup on it holds"));
    if (end.restore)
        keeper_restore_ended(k);
    k->current.goes_on = end.scheduled && k->state.plan.pending.due_ms;
}

void keeper_drive_witnesses(void *ctx, const struct keeper_witnesses *w)
{
    struct keeper *k = ctx;
    struct keeper_heard *h = &k->ports.heard;
    if (!h->database_since_ms || h->witnesses.server_down != w->server_down ||
        h->witnesses.server.known != w->server.known)
        h->database_since_ms = clock_wall_ms();
    if (!h->proxy_since_ms || h->witnesses.proxy.known != w->proxy.known)
        h->proxy_since_ms = clock_wall_ms();
    h->witnesses = *w;
    plan_heard(&k->plan, &w->proxy, &w->server, (int64_t)clock_mono_ms());
    if (!k->stopping)
        drive(k);
}

void keeper_drive_cancel(struct keeper *k)
{
    if (k->current.job) {
        k->current.cancelled = true;
        keeper_job_stop(k->current.job);
    } else if (k->state.plan.pending.due_ms) {
        plan_pending_drop(&k->state.plan.pending);
        keeper_save(k);
        json_t *event = json_pack(
            "{sb,sb,si,ss}", "done", 1, "ok", 0, "exit", EXIT_CANCELLED, "job", "backup");
        phrase_put(event, "error", phrase("cancelled before it began"));
        keeper_publish(k, event);
    }
}

void keeper_drive_start(struct keeper *k)
{
    struct plan_facts facts = keeper_facts(k);
    plan_start(&k->plan, &k->state.plan, &facts);
    k->current.on_line = keeper_restore_line;
    k->current.on_ended = on_ended;
    keeper_save(k);
    keeper_restore_take_over(k);
}

void keeper_drive_tick(struct keeper *k)
{
    if (k->stopping)
        return;
    keeper_restore_take_over(k);
    keeper_errands_tick(k, false);
    drive(k);
}
