#include "backup/keeper/plan.h"

#include <string.h>
#include "common/exit_codes.h"

#define SECOND_MS 1000
#define MINUTE_MS (60 * SECOND_MS)
#define DAY_S     86400

/* How often the witnesses are asked: while a run waits, and otherwise, so that the quiet time is
 * known when the next one becomes due. */
#define ASK_WAITING_MS SECOND_MS
#define ASK_MS         (5 * SECOND_MS)
/* After a run that began and made way, and when another run has the lock. */
#define AGAIN_MS (10 * SECOND_MS)
/* After a failure, and how often; a person who asked hears of the first one. */
#define AFTER_FAILURE_MS (2 * MINUTE_MS)
#define FAILURES_MAX     2
/* Later than that, and the keeper did not run at the time. */
#define MISSED_MS MINUTE_MS
/* What was due longer ago is not looked for: every minute over a year is half a million steps. */
#define LOOK_BACK_S (400 * DAY_S)
/* A restore's journal: one that could not be settled, and one whose old data may expire. */
#define SETTLE_MS MINUTE_MS
#define EXPIRE_MS (60 * MINUTE_MS)
/* A proof that could not be tried, and how often; the running server's, and after somebody wrote.
 */
#define PROVE_AGAIN_MS (10 * MINUTE_MS)
#define PROVE_MAX      3
#define LIVE_MS        (60 * MINUTE_MS)
#define LIVE_AGAIN_MS  (5 * MINUTE_MS)
/* A chain that breaks each time, as by writes that the server does not log, makes no endless row of
 * backups due. */
#define CHAIN_DUE_MS (INT64_C(20) * 60 * MINUTE_MS)
/* The base of the archived log: after a run that failed or was skipped, and after one that did not
 * become it. */
#define BASE_AGAIN_MS (60 * MINUTE_MS)
#define BASE_SEEN_MS  MINUTE_MS
/* A plan counts the rows of every table; nothing that is asked for takes longer. */
#define ERRAND_MS (10 * MINUTE_MS)

void plan_pending_drop(struct plan_pending *p)
{
    json_decref(p->types);
    memset(p, 0, sizeof *p);
}

void plan_pending_set(struct plan_pending *p, int64_t due_ms, int64_t now_ms)
{
    plan_pending_drop(p);
    p->due_ms = due_ms;
    p->asked_ms = now_ms;
    p->types = json_array();
}

/* --- schedules -------------------------------------------------------------------------------- */

/* The latest time of the schedule after *seen and not after now; 0 = none. *seen moves to now, also
 * back: a clock that was set back makes no old runs due again, and the next ones in their time. */
static int64_t due_since(
    const struct plan_rules *rules, bool drill, int64_t *seen_ms, int64_t now_ms)
{
    const struct cron *c = drill ? &rules->drill : &rules->backup;
    int64_t from = *seen_ms / 1000, latest = 0, next = 0;
    *seen_ms = now_ms;
    if (now_ms / 1000 - from > LOOK_BACK_S)
        from = now_ms / 1000 - LOOK_BACK_S;
    while (cron_next(c, rules->zone, from, &next) == 0 && next <= now_ms / 1000) {
        latest = next;
        from = next;
    }
    return latest * 1000;
}

static struct plan_action look_at_backup_schedule(
    struct plan *p, const struct plan_rules *rules, const struct plan_facts *f)
{
    struct plan_memory *m = p->memory;
    struct plan_action a = {.due_ms = due_since(rules, false, &m->backup_seen_ms, f->wall_ms)};
    if (!a.due_ms)
        return a;
    a.missed = f->wall_ms - a.due_ms > MISSED_MS;
    if (a.missed && !rules->catch_up) {
        a.what = PLAN_TELL_MISSED;
    } else if (m->pending.due_ms) {
        a.what = PLAN_TELL_DUE_AGAIN;
    } else {
        plan_pending_set(&m->pending, a.due_ms, f->wall_ms);
        m->pending.missed = a.missed;
        p->waits_mono_ms = f->mono_ms;
        a.what = PLAN_TELL_DUE;
    }
    return a;
}

static bool look_at_drill_schedule(
    struct plan_memory *m, const struct plan_rules *rules, const struct plan_facts *f)
{
    bool due = due_since(rules, true, &m->drill_seen_ms, f->wall_ms) != 0;
    m->drill_due |= due;
    return due;
}

int64_t plan_next_due(const struct plan_rules *rules, bool drill, int64_t wall_ms)
{
    int64_t next = 0;
    if (!(drill ? rules->has_drill : rules->has_backup) ||
        cron_next(drill ? &rules->drill : &rules->backup, rules->zone, wall_ms / 1000, &next) < 0)
        return 0;
    return next * 1000;
}

void plan_schedule_changed(struct plan *p, bool drill, int64_t wall_ms)
{
    *(drill ? &p->memory->drill_seen_ms : &p->memory->backup_seen_ms) = wall_ms;
}

/* --- the base of the archived binary log --------------------------------------------------------
 */

/* Its try came to nothing: once more in an hour, whatever the schedule says. */
static void base_again(struct plan_memory *m, int64_t wall_ms)
{
    if (m->base_due_ms)
        m->base_due_ms = wall_ms - CHAIN_DUE_MS + BASE_AGAIN_MS;
}

/* Without a backup in its newest timeline what is archived leads nowhere: one is due at once. Once
 * a timeline, and again only after a while: should that one not become the base, or should it go,
 * too, or a statement that cannot be run again come behind each: anybody can write one every hour,
 * and each backup lets an older one go. */
static bool base_due(struct plan *p, const struct plan_rules *rules, const struct plan_facts *f)
{
    struct plan_memory *m = p->memory;
    bool stopped = f->base == PLAN_BASE_STOPPED, missing = stopped || f->base == PLAN_BASE_MISSING;
    int64_t since = f->wall_ms - m->base_due_ms,
            pause = p->base_was && !stopped ? BASE_AGAIN_MS : CHAIN_DUE_MS;
    p->base_was |= f->base == PLAN_BASE_THERE;
    if (!missing || !rules->physical || m->pending.due_ms || f->busy ||
        (f->timeline == p->made_timeline && f->mono_ms < p->base_not_before_mono_ms) ||
        (m->base_due_ms && m->base_timeline == f->timeline && since >= 0 && since < pause))
        return false;
    p->base_was = false;
    m->base_due_ms = f->wall_ms;
    m->base_timeline = f->timeline;
    p->waits_mono_ms = f->mono_ms;
    plan_pending_set(&m->pending, f->wall_ms, f->wall_ms);
    return true;
}

/* --- the run that waits ----------------------------------------------------------------------- */

static struct plan_action decide(
    struct plan *p, const struct plan_rules *rules, const struct plan_facts *f)
{
    struct plan_pending *waiting = &p->memory->pending;
    struct idle_times t = {.now_ms = f->mono_ms, .due_ms = p->waits_mono_ms};
    t.deadline_ms = waiting->by_hand ? INT64_MAX : t.due_ms + rules->deadline_ms;
    struct plan_action a = {.what = PLAN_BACKUP, .due_ms = waiting->due_ms, .method = ""};
    const char *before = p->decided ? p->decision.reason : "";
    p->decision = idle_decide(&rules->idle, &t, &p->proxy, &p->server, &p->watch);
    p->decided = true;
    switch (p->decision.action) {
    case IDLE_RUN:
        break;
    case IDLE_DUMP:
        a.method = "dump";
        break;
    case IDLE_LOCK:
        a.method = "lock";
        break;
    case IDLE_SKIP:
        plan_pending_drop(waiting);
        base_again(p->memory, f->wall_ms);
        a.what = PLAN_SKIP;
        return a;
    case IDLE_WAIT:
    case IDLE_NOT_DUE:
        a.what = strcmp(before, p->decision.reason) != 0 ? PLAN_TELL_WAITS : PLAN_NOTHING;
        return a;
    }
    p->not_before_mono_ms = f->mono_ms + AGAIN_MS; /* should it not start; its end says more */
    return a;
}

void plan_heard(struct plan *p, const struct idle_proxy *proxy, const struct idle_server *server,
    int64_t mono_ms)
{
    idle_watch_update(&p->watch, proxy, server, mono_ms);
    p->proxy = *proxy;
    p->server = *server;
    p->heard = true;
}

/* What the end of a backup means for the run that waits. */
static void settle_pending(struct plan *p, const struct plan_end *end, const struct plan_facts *f)
{
    int64_t mono_ms = f->mono_ms;
    struct plan_pending *waiting = &p->memory->pending;
    bool failed = end->exit_code == EXIT_FAILED || end->exit_code == EXIT_INCONSISTENT;
    if (end->stopping || (end->signal && !end->cancelled)) {
        p->not_before_mono_ms = mono_ms + AGAIN_MS; /* it was cut off: it is still due */
    } else if (end->exit_code == EXIT_NOT_IDLE || end->exit_code == EXIT_BUSY) {
        waiting->yielded += end->exit_code == EXIT_NOT_IDLE;
        p->not_before_mono_ms = mono_ms + AGAIN_MS;
    } else if (failed && !waiting->by_hand && waiting->failed < FAILURES_MAX) {
        /* the server restarts, a disk is away: worth another try */
        waiting->failed++;
        p->not_before_mono_ms = mono_ms + AFTER_FAILURE_MS;
    } else {
        plan_pending_drop(waiting);
        p->not_before_mono_ms = 0;
        /* any account can have both, a log that cannot be replayed and a backup that is no good */
        if (failed && (end->exit_code == EXIT_FAILED || f->base != PLAN_BASE_STOPPED))
            base_again(p->memory, f->wall_ms);
    }
}

/* A chain that is broken: from a fresh backup on there is one again. */
static void settle_proof(struct plan *p, const struct plan_end *end, const struct plan_facts *f)
{
    struct plan_memory *m = p->memory;
    int64_t since = f->wall_ms - m->chain_due_ms;
    bool tried = end->exit_code == EXIT_GOOD || end->exit_code == EXIT_INCONSISTENT;
    if (end->stopping)
        return;
    bool made_way = end->exit_code == EXIT_CANCELLED && !end->cancelled;
    if (end->exit_code == EXIT_NOT_IDLE || end->exit_code == EXIT_BUSY || made_way) {
        p->live_mono_ms = f->mono_ms - LIVE_MS + LIVE_AGAIN_MS;
    } else if (!tried && !end->cancelled && end->exit_code != EXIT_USAGE &&
               ++p->prove_failed < PROVE_MAX) {
        p->prove_not_before_mono_ms = f->mono_ms + PROVE_AGAIN_MS;
    } else {
        m->prove_due = false;
        p->prove_failed = 0;
    }
    if (end->exit_code != EXIT_INCONSISTENT || m->pending.due_ms ||
        (m->chain_due_ms && since >= 0 && since < CHAIN_DUE_MS))
        return;
    m->chain_due_ms = f->wall_ms;
    p->waits_mono_ms = f->mono_ms;
    plan_pending_set(&m->pending, f->wall_ms, f->wall_ms);
}

void plan_ended(struct plan *p, const struct plan_end *end, const struct plan_facts *f)
{
    if (end->job == PLAN_BACKUP && end->scheduled)
        settle_pending(p, end, f);
    if (end->job == PLAN_BACKUP &&
        (end->exit_code == EXIT_GOOD || end->exit_code == EXIT_INCOMPLETE)) {
        p->memory->prove_due = true;
        p->base_not_before_mono_ms = f->mono_ms + BASE_SEEN_MS;
        p->made_timeline = f->timeline;
        p->prove_failed = 0;
        p->prove_not_before_mono_ms = 0;
    }
    if (end->job == PLAN_PROVE)
        settle_proof(p, end, f);
    p->put_back_due |= end->job == PLAN_BACKUP && end->signal;
    if (end->job == PLAN_DRILL && end->exit_code != EXIT_BUSY && !end->stopping)
        p->memory->drill_due = false;
    if (end->restore && end->told && end->exit_code == EXIT_GOOD && p->looked) {
        p->settled_s = f->journal_s; /* by its own word: nobody's undo is refused for a look */
        p->settled_mono_ms = f->mono_ms;
    } else if (end->restore && !end->told) {
        p->settled_mono_ms = 0; /* cut off: nobody may wait outside for longer than needed */
    }
}

bool plan_ask_for(struct plan *p, json_t *types, const struct plan_facts *f)
{
    struct plan_pending *waiting = &p->memory->pending;
    if (waiting->due_ms)
        return false;
    plan_pending_set(waiting, f->wall_ms, f->wall_ms);
    waiting->by_hand = true;
    json_array_extend(waiting->types, types);
    p->not_before_mono_ms = 0;
    return true;
}

/* --- all of it -------------------------------------------------------------------------------- */

void plan_start(struct plan *p, struct plan_memory *memory, const struct plan_facts *f)
{
    *p = (struct plan){.memory = memory, .waits_mono_ms = f->mono_ms, .live_mono_ms = f->mono_ms};
    if (!memory->backup_seen_ms)
        memory->backup_seen_ms = f->wall_ms;
    if (!memory->drill_seen_ms)
        memory->drill_seen_ms = f->wall_ms;
    if (memory->pending.due_ms)
        memory->pending.asked_ms = f->wall_ms;
    p->put_back_due = true; /* what a job left that was killed together with the keeper */
}

/* A restore that was cut off is settled, so that clients do not stay outside; data that were kept
 * long enough are deleted. */
static bool recover_due(struct plan *p, const struct plan_facts *f)
{
    int64_t pause = f->journal_s == p->settled_s ? EXPIRE_MS : SETTLE_MS;
    p->looked = true;
    if (!f->journal_s || (p->settled_mono_ms && f->mono_ms - p->settled_mono_ms < pause))
        return false;
    p->settled_mono_ms = f->mono_ms;
    return true;
}

static bool drill_starts(struct plan *p, const struct plan_facts *f)
{
    if (!p->memory->drill_due || p->memory->pending.due_ms || f->mono_ms < p->not_before_mono_ms)
        return false;
    p->not_before_mono_ms = f->mono_ms + AGAIN_MS;
    return true;
}

static bool proof_starts(struct plan *p, const struct plan_rules *rules, const struct plan_facts *f)
{
    if (!rules->prove)
        p->memory->prove_due = false;
    if (!p->memory->prove_due || p->memory->pending.due_ms || f->mono_ms < p->not_before_mono_ms ||
        f->mono_ms < p->prove_not_before_mono_ms)
        return false;
    p->not_before_mono_ms = f->mono_ms + AGAIN_MS;
    return true;
}

/* By what the witnesses just said, as a backup may begin. */
static bool live_proof_starts(
    struct plan *p, const struct plan_rules *rules, const struct plan_facts *f)
{
    if (!rules->prove_hourly || p->memory->prove_due || p->memory->pending.due_ms ||
        f->mono_ms - p->live_mono_ms < LIVE_MS || p->server.write_counters == p->live_counters)
        return false;
    struct idle_times t = {.now_ms = f->mono_ms, .due_ms = f->mono_ms, .deadline_ms = INT64_MAX};
    if (idle_decide(&rules->idle, &t, &p->proxy, &p->server, &p->watch).action != IDLE_RUN)
        return false;
    p->live_mono_ms = f->mono_ms;
    p->live_counters = p->server.write_counters;
    return true;
}

static bool asks(struct plan *p, const struct plan_facts *f)
{
    int64_t pause = p->memory->pending.due_ms ? ASK_WAITING_MS : ASK_MS;
    if (p->asked_mono_ms && f->mono_ms - p->asked_mono_ms < pause)
        return false;
    p->asked_mono_ms = f->mono_ms;
    return true;
}

struct plan_action plan_next(
    struct plan *p, const struct plan_rules *rules, const struct plan_facts *f)
{
    struct plan_action a = {0};
    bool heard = p->heard;
    if (rules->has_backup && (a = look_at_backup_schedule(p, rules, f)).what)
        return a;
    if (rules->has_drill && look_at_drill_schedule(p->memory, rules, f))
        return (struct plan_action){.what = PLAN_TELL_DRILL_DUE};
    if (base_due(p, rules, f))
        return (struct plan_action){.what = PLAN_TELL_BASE_DUE, .due_ms = f->wall_ms};
    p->heard = false;
    if (f->busy)
        return (struct plan_action){.what = PLAN_NOTHING};
    if (recover_due(p, f))
        return (struct plan_action){.what = PLAN_RECOVER};
    if (p->put_back_due) {
        p->put_back_due = false;
        return (struct plan_action){.what = PLAN_PUT_BACK};
    }
    if (heard && p->memory->pending.due_ms && f->mono_ms >= p->not_before_mono_ms &&
        (a = decide(p, rules, f)).what)
        return a;
    if (drill_starts(p, f))
        return (struct plan_action){.what = PLAN_DRILL};
    if (proof_starts(p, rules, f))
        return (struct plan_action){.what = PLAN_PROVE};
    if (heard && live_proof_starts(p, rules, f))
        return (struct plan_action){.what = PLAN_PROVE_LIVE};
    return (struct plan_action){.what = asks(p, f) ? PLAN_ASK : PLAN_NOTHING};
}

const char *plan_state_name(const struct plan *p, bool busy)
{
    return busy ? "running" : p->memory->pending.due_ms ? "waiting" : "idle";
}

bool plan_errand_over(int64_t started_mono_ms, int64_t mono_ms)
{
    return mono_ms - started_mono_ms > ERRAND_MS;
}
