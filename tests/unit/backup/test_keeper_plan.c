/* What the keeper does next: facts and a clock in, one action out. The clock is the table's own. */
#include "tests/unit/common/unit.h"

#include <stdio.h>

#include "backup/keeper/plan.h"
#include "common/exit_codes.h"

#define SEC  INT64_C(1000)
#define MIN  (60 * SEC)
#define HOUR (60 * MIN)
#define DAY  (24 * HOUR)
#define YEAR (365 * DAY)
/* Monday, 2026-03-02 02:00 UTC; the schedule is due at 03:15. */
#define NIGHT INT64_C(1772416800000)
#define DUE   (NIGHT + 75 * MIN)
#define BOOT  (5 * HOUR) /* of the clock that nobody sets */

static unsigned long looked; /* how often the zone was asked: what a search through time costs */

static int64_t no_offset(const void *ctx, int64_t utc)
{
    (void)ctx, (void)utc;
    looked++;
    return 0;
}
static const struct cron_zone zone = {no_offset, NULL};

/* A keeper and its two clocks. */
struct world {
    struct plan plan;
    struct plan_memory memory;
    struct plan_rules rules;
    struct plan_facts now;
    struct idle_proxy proxy;
    struct idle_server server;
};

static const struct idle_proxy quiet = {.known = true, .write_ms = HOUR, .statement_ms = HOUR};
static const struct idle_proxy writes = {.known = true, .write_in_flight = 1, .in_flight = 1};
static const struct idle_server still = {.known = true, .write_counters = 5};
static const struct idle_server away = {.known = false};

static void schedule(struct world *w, const char *backup, const char *drill)
{
    w->rules.has_backup = backup != NULL;
    w->rules.has_drill = drill != NULL;
    assert_int_equal(backup ? cron_parse(backup, &w->rules.backup, NULL) : 0, 0);
    assert_int_equal(drill ? cron_parse(drill, &w->rules.drill, NULL) : 0, 0);
}

/* Monday at two: a backup every night at a quarter past three, idle after a minute's quiet. */
static struct world at_night(void)
{
    struct world w = {.proxy = quiet, .server = still};
    w.rules = (struct plan_rules){.zone = &zone,
        .catch_up = true,
        .idle = {IDLE_QUIET, IDLE_POLICY_SKIP, MIN},
        .deadline_ms = 2 * HOUR};
    w.now = (struct plan_facts){.wall_ms = NIGHT, .mono_ms = BOOT};
    schedule(&w, "15 3 * * *", NULL);
    return w;
}

static void pass(struct world *w, int64_t ms)
{
    w->now.wall_ms += ms;
    w->now.mono_ms += ms;
}

static struct plan_action next(struct world *w)
{
    w->plan.memory = &w->memory; /* the world may have been copied */
    return plan_next(&w->plan, &w->rules, &w->now);
}

static void start(struct world *w)
{
    plan_start(&w->plan, &w->memory, &w->now);
    assert_int_equal(next(w).what, PLAN_PUT_BACK); /* once, whatever a killed job left */
    assert_int_equal(next(w).what, PLAN_ASK);
    assert_int_equal(next(w).what, PLAN_NOTHING);
}

/* The witnesses answer, and the clocks go on in steps of a second until something is to be done
 * that is more than asking them again. */
static struct plan_action live(struct world *w, int64_t ms)
{
    struct plan_action a = {0};
    for (int64_t end = w->now.mono_ms + ms; w->now.mono_ms <= end; pass(w, SEC)) {
        plan_heard(&w->plan, &w->proxy, &w->server, w->now.mono_ms);
        do {
            a = next(w);
            if (a.what != PLAN_NOTHING && a.what != PLAN_ASK && a.what != PLAN_TELL_WAITS)
                return a;
        } while (a.what != PLAN_NOTHING);
    }
    return a;
}

static void assert_lives(struct world *w, int64_t ms, enum plan_do what)
{
    struct plan_action a = live(w, ms);
    if (a.what != what)
        fail_msg("%d after %lld s, wanted %d", a.what, (long long)ms / SEC, what);
}

/* The backup of this night has begun. */
static struct world backup_begun(void)
{
    struct world w = at_night();
    start(&w);
    pass(&w, DUE - NIGHT);
    assert_lives(&w, 0, PLAN_TELL_DUE);
    assert_lives(&w, 2 * MIN, PLAN_BACKUP);
    return w;
}

static void ends(struct world *w, struct plan_end end)
{
    w->plan.memory = &w->memory;
    end.job = end.job ? end.job : PLAN_BACKUP;
    plan_ended(&w->plan, &end, &w->now);
}

static void done(struct world *w)
{
    plan_pending_drop(&w->memory.pending);
}

/* --- schedules --- */

static void test_a_run_comes_at_its_time_once(void **state)
{
    (void)state;
    struct world w = at_night();
    start(&w);
    assert_lives(&w, DUE - NIGHT - 2 * SEC, PLAN_NOTHING);
    pass(&w, 2 * SEC);
    struct plan_action a = live(&w, 0);
    assert_int_equal(a.what, PLAN_TELL_DUE);
    assert_int_equal(a.due_ms, DUE);
    assert_false(a.missed);
    assert_int_equal(w.memory.pending.due_ms, DUE);
    assert_string_equal(plan_state_name(&w.plan, false), "waiting");
    assert_string_equal(plan_state_name(&w.plan, true), "running");
    a = live(&w, 2 * MIN);
    assert_int_equal(a.what, PLAN_BACKUP);
    assert_string_equal(a.method, "");
    ends(&w, (struct plan_end){.scheduled = true});
    assert_int_equal(w.memory.pending.due_ms, 0);
    assert_string_equal(plan_state_name(&w.plan, false), "idle");
    assert_lives(&w, 3 * HOUR, PLAN_NOTHING);
    assert_int_equal(plan_next_due(&w.rules, false, w.now.wall_ms), DUE + DAY);
    assert_int_equal(plan_next_due(&w.rules, true, w.now.wall_ms), 0);
}

/* How long the keeper was away over a time that was due, and what becomes of it. */
static void test_what_was_missed(void **state)
{
    static const struct {
        int64_t late_ms;
        bool catch_up;
        enum plan_do what;
        bool missed;
    } rows[] = {
        {0, true, PLAN_TELL_DUE, false},
        {MIN, true, PLAN_TELL_DUE, false},
        {MIN + SEC, true, PLAN_TELL_DUE, true},
        {47 * HOUR, true, PLAN_TELL_DUE, true},
        {MIN, false, PLAN_TELL_DUE, false}, /* two ticks late is not missed */
        {MIN + SEC, false, PLAN_TELL_MISSED, true},
        {23 * HOUR, false, PLAN_TELL_MISSED, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w = at_night();
        w.rules.catch_up = rows[i].catch_up;
        start(&w);
        w.now.wall_ms = DUE + rows[i].late_ms;
        struct plan_action a = live(&w, 0);
        if (a.what != rows[i].what || a.missed != rows[i].missed)
            fail_msg("row %zu: %d", i, a.what);
        assert_int_equal(a.due_ms, rows[i].late_ms > DAY ? DUE + DAY : DUE);
        assert_int_equal(w.memory.pending.due_ms, a.what == PLAN_TELL_DUE ? a.due_ms : 0);
        assert_int_equal(w.memory.pending.missed, a.what == PLAN_TELL_DUE && rows[i].missed);
        done(&w);
    }
}

static void test_three_days_off_are_one_run(void **state)
{
    (void)state;
    struct world w = at_night();
    w.memory.backup_seen_ms = NIGHT - 3 * DAY;
    plan_start(&w.plan, &w.memory, &w.now);
    struct plan_action a = next(&w);
    assert_int_equal(a.what, PLAN_TELL_DUE);
    assert_int_equal(a.due_ms, DUE - DAY);
    assert_lives(&w, 0, PLAN_PUT_BACK);
    assert_lives(&w, 2 * MIN, PLAN_BACKUP);
    ends(&w, (struct plan_end){.scheduled = true});
    assert_lives(&w, HOUR, PLAN_NOTHING);
}

static void test_the_first_start_has_missed_nothing(void **state)
{
    (void)state;
    struct world w = at_night();
    w.now.wall_ms = DUE + HOUR;
    start(&w);
    assert_int_equal(w.memory.backup_seen_ms, DUE + HOUR);
    assert_int_equal(w.memory.drill_seen_ms, DUE + HOUR);
}

static void test_one_that_is_due_while_one_waits_becomes_one(void **state)
{
    (void)state;
    struct world w = at_night();
    w.proxy = writes;
    w.rules.deadline_ms = 3 * DAY;
    start(&w);
    pass(&w, DUE - NIGHT);
    assert_lives(&w, 0, PLAN_TELL_DUE);
    pass(&w, DAY);
    assert_lives(&w, 0, PLAN_TELL_DUE_AGAIN);
    assert_int_equal(w.memory.pending.due_ms, DUE);
    done(&w);
}

static void test_a_clock_set_back_makes_nothing_due_again(void **state)
{
    (void)state;
    struct world w = backup_begun();
    ends(&w, (struct plan_end){.scheduled = true});
    w.now.wall_ms -= 2 * DAY;
    int64_t back = w.now.wall_ms;
    assert_lives(&w, 0, PLAN_NOTHING);
    assert_int_equal(w.memory.backup_seen_ms, back);
    pass(&w, DAY); /* and it does not stand still until the old time comes again */
    struct plan_action a = live(&w, 0);
    assert_int_equal(a.what, PLAN_TELL_DUE);
    assert_int_equal(a.due_ms, DUE - DAY);
    done(&w);
}

static void test_a_clock_set_forward_is_a_run_that_was_missed(void **state)
{
    (void)state;
    struct world w = at_night();
    start(&w);
    w.now.wall_ms += 3 * DAY;
    struct plan_action a = live(&w, 0);
    assert_int_equal(a.what, PLAN_TELL_DUE);
    assert_true(a.missed);
    done(&w);
}

/* A clock that jumps while a run waits neither skips it nor lets it wait for ever. */
static void test_the_deadline_is_of_the_clock_that_nobody_sets(void **state)
{
    static const int64_t jumps[] = {-30 * DAY, -HOUR, HOUR, 12 * HOUR};
    (void)state;
    for (size_t i = 0; i < sizeof jumps / sizeof jumps[0]; i++) {
        struct world w = at_night();
        w.proxy = writes;
        start(&w);
        pass(&w, DUE - NIGHT);
        assert_lives(&w, 0, PLAN_TELL_DUE);
        schedule(&w, NULL, NULL); /* which may come again by the new time */
        w.now.wall_ms += jumps[i];
        assert_lives(&w, 2 * HOUR - 2 * SEC, PLAN_NOTHING);
        assert_lives(&w, 4 * SEC, PLAN_SKIP);
    }
}

/* A keeper that wakes after decades (a dead clock battery) does not count them minute by minute. */
static void test_the_search_for_what_was_due_is_bounded(void **state)
{
    (void)state;
    struct world w = at_night();
    schedule(&w, "0 * * * *", NULL);
    w.memory.backup_seen_ms = DAY; /* 1970 */
    plan_start(&w.plan, &w.memory, &w.now);
    looked = 0;
    assert_int_equal(next(&w).what, PLAN_TELL_DUE);
    unsigned long decades = looked;
    done(&w);
    w.memory.backup_seen_ms = NIGHT - 400 * DAY;
    looked = 0;
    assert_int_equal(next(&w).what, PLAN_TELL_DUE);
    assert_true(looked > 0 && decades <= looked + 100);
    assert_int_equal(w.memory.pending.due_ms, NIGHT);
    done(&w);
}

static void test_a_new_schedule_has_missed_nothing(void **state)
{
    (void)state;
    struct world w = at_night();
    schedule(&w, NULL, NULL);
    start(&w);
    pass(&w, 2 * DAY);
    assert_lives(&w, 0, PLAN_NOTHING);
    schedule(&w, "15 3 * * *", "0 5 * * 1");
    plan_schedule_changed(&w.plan, false, w.now.wall_ms);
    plan_schedule_changed(&w.plan, true, w.now.wall_ms);
    assert_lives(&w, MIN, PLAN_NOTHING);
    assert_false(w.memory.drill_due);
}

/* --- waiting and the deadline --- */

static void test_after_the_deadline(void **state)
{
    static const struct {
        enum idle_policy policy;
        bool server;
        enum plan_do what;
        const char *method;
    } rows[] = {
        {IDLE_POLICY_SKIP, true, PLAN_SKIP, NULL},
        {IDLE_POLICY_DUMP, true, PLAN_BACKUP, "dump"},
        {IDLE_POLICY_LOCK, true, PLAN_BACKUP, "lock"},
        {IDLE_POLICY_DUMP, false, PLAN_SKIP, NULL}, /* without the server neither can be had */
        {IDLE_POLICY_LOCK, false, PLAN_SKIP, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w = at_night();
        w.rules.idle.policy = rows[i].policy;
        w.proxy = writes;
        w.server = rows[i].server ? still : away;
        start(&w);
        pass(&w, DUE - NIGHT);
        assert_lives(&w, 0, PLAN_TELL_DUE);
        assert_lives(&w, 2 * HOUR - 2 * SEC, PLAN_NOTHING);
        struct plan_action a = live(&w, 4 * SEC);
        if (a.what != rows[i].what || (rows[i].method && strcmp(a.method, rows[i].method) != 0))
            fail_msg("row %zu: %d %s", i, a.what, a.method);
        assert_int_equal(a.due_ms, DUE);
        if (a.what == PLAN_SKIP) { /* once, and not before the next night */
            assert_int_equal(w.memory.pending.due_ms, 0);
            assert_lives(&w, HOUR, PLAN_NOTHING);
        }
        done(&w);
    }
}

static void test_who_asks_by_hand_waits_as_long_as_it_takes(void **state)
{
    (void)state;
    struct world w = at_night();
    json_t *types = json_pack("[s]", "elexisdb");
    w.proxy = writes;
    start(&w);
    w.plan.not_before_mono_ms = w.now.mono_ms + HOUR; /* a pause of before does not hold it up */
    assert_true(plan_ask_for(&w.plan, types, &w.now));
    assert_false(plan_ask_for(&w.plan, NULL, &w.now));
    assert_string_equal(json_string_value(json_array_get(w.memory.pending.types, 0)), "elexisdb");
    schedule(&w, NULL, NULL);
    assert_lives(&w, 5 * HOUR, PLAN_NOTHING);
    w.proxy = quiet;
    assert_lives(&w, 2 * MIN, PLAN_BACKUP);
    ends(&w, (struct plan_end){.scheduled = true, .exit_code = EXIT_FAILED});
    assert_int_equal(w.memory.pending.due_ms, 0); /* told of the first failure */
    json_decref(types);
}

static void test_why_it_waits_is_told_when_it_changes(void **state)
{
    (void)state;
    struct world w = at_night();
    start(&w);
    pass(&w, DUE - NIGHT);
    assert_int_equal(next(&w).what, PLAN_TELL_DUE);
    plan_heard(&w.plan, &writes, &still, w.now.mono_ms);
    assert_int_equal(next(&w).what, PLAN_TELL_WAITS);
    assert_string_equal(w.plan.decision.reason, "writing");
    plan_heard(&w.plan, &writes, &still, w.now.mono_ms);
    assert_int_equal(next(&w).what, PLAN_ASK);
    plan_heard(&w.plan, &quiet, &away, w.now.mono_ms);
    assert_int_equal(next(&w).what, PLAN_TELL_WAITS);
    assert_string_equal(w.plan.decision.reason, "server-unknown");
    done(&w);
}

/* An answer is used once: what was idle a second ago may not be now. */
static void test_nothing_is_decided_without_a_fresh_answer(void **state)
{
    (void)state;
    struct world w = at_night();
    start(&w);
    assert_lives(&w, 2 * MIN, PLAN_NOTHING); /* quiet, and known to be */
    pass(&w, DUE - NIGHT);
    assert_int_equal(next(&w).what, PLAN_TELL_DUE);
    assert_int_equal(next(&w).what, PLAN_ASK);
    pass(&w, HOUR);
    assert_int_equal(next(&w).what, PLAN_ASK);
    w.now.busy = true; /* what was heard while a job ran is stale at its end */
    plan_heard(&w.plan, &quiet, &still, w.now.mono_ms);
    assert_int_equal(next(&w).what, PLAN_NOTHING);
    w.now.busy = false;
    assert_int_equal(next(&w).what, PLAN_NOTHING);
    plan_heard(&w.plan, &quiet, &still, w.now.mono_ms);
    assert_int_equal(next(&w).what, PLAN_BACKUP);
    done(&w);
}

static void test_how_often_the_witnesses_are_asked(void **state)
{
    (void)state;
    struct world w = at_night();
    start(&w);
    pass(&w, 5 * SEC - 1);
    assert_int_equal(next(&w).what, PLAN_NOTHING);
    pass(&w, 1);
    assert_int_equal(next(&w).what, PLAN_ASK);
    assert_true(plan_ask_for(&w.plan, NULL, &w.now)); /* while somebody waits, each second */
    pass(&w, SEC - 1);
    assert_int_equal(next(&w).what, PLAN_NOTHING);
    pass(&w, 1);
    assert_int_equal(next(&w).what, PLAN_ASK);
    done(&w);
}

/* --- how a backup ended --- */

static void test_what_the_end_means(void **state)
{
    static const struct {
        const char *name;
        struct plan_end end;
        int64_t again_ms; /* -1: the run is over */
        bool yielded, failed;
    } rows[] = {
        {"good", {.exit_code = EXIT_GOOD}, -1},
        {"made way", {.exit_code = EXIT_NOT_IDLE}, 10 * SEC, .yielded = true},
        {"another one ran", {.exit_code = EXIT_BUSY}, 10 * SEC},
        {"failed", {.exit_code = EXIT_FAILED}, 2 * MIN, .failed = true},
        {"damaged", {.exit_code = EXIT_INCONSISTENT}, 2 * MIN, .failed = true},
        {"no space", {.exit_code = EXIT_NO_SPACE}, -1},
        {"refused", {.exit_code = EXIT_REFUSED}, -1},
        {"not all of it", {.exit_code = EXIT_INCOMPLETE}, -1},
        {"killed", {.exit_code = EXIT_FAILED, .signal = 9}, 10 * SEC},
        {"cancelled", {.exit_code = EXIT_CANCELLED, .cancelled = true}, -1},
        {"cancelled and killed", {.exit_code = EXIT_CANCELLED, .cancelled = true, .signal = 15},
            -1},
        {"the keeper ends", {.exit_code = EXIT_CANCELLED, .stopping = true}, 10 * SEC},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w = backup_begun();
        struct plan_end end = rows[i].end;
        end.scheduled = true;
        pass(&w, MIN); /* it took a while */
        ends(&w, end);
        if (end.signal)
            assert_int_equal(next(&w).what, PLAN_PUT_BACK);
        if ((w.memory.pending.due_ms == 0) != (rows[i].again_ms < 0) ||
            w.memory.pending.yielded != rows[i].yielded ||
            w.memory.pending.failed != rows[i].failed)
            fail_msg("%s: due %lld", rows[i].name, (long long)w.memory.pending.due_ms);
        if (rows[i].again_ms > 0) { /* it is tried again, and not before its pause is over */
            assert_lives(&w, rows[i].again_ms - SEC, PLAN_NOTHING);
            assert_lives(&w, 2 * SEC, PLAN_BACKUP);
        }
        done(&w);
    }
}

static void test_a_failed_run_is_tried_three_times(void **state)
{
    (void)state;
    struct world w = backup_begun();
    for (int i = 0; i < 2; i++) {
        ends(&w, (struct plan_end){.scheduled = true, .exit_code = EXIT_FAILED});
        assert_lives(&w, 3 * MIN, PLAN_BACKUP);
    }
    ends(&w, (struct plan_end){.scheduled = true, .exit_code = EXIT_FAILED});
    assert_int_equal(w.memory.pending.due_ms, 0);
    assert_lives(&w, HOUR, PLAN_NOTHING);
}

static void test_another_backup_says_nothing_of_the_one_that_waits(void **state)
{
    (void)state;
    struct world w = at_night();
    w.proxy = writes;
    start(&w);
    assert_true(plan_ask_for(&w.plan, NULL, &w.now));
    ends(&w, (struct plan_end){.exit_code = EXIT_GOOD}); /* elexgate backup --now */
    assert_int_not_equal(w.memory.pending.due_ms, 0);
    ends(&w, (struct plan_end){.exit_code = EXIT_FAILED, .signal = 9});
    assert_int_equal(next(&w).what, PLAN_PUT_BACK); /* but it may have left something */
    done(&w);
}

/* One that cannot be started is not tried in a busy loop. */
static void test_one_that_does_not_start_is_tried_after_a_pause(void **state)
{
    (void)state;
    struct world w = backup_begun();
    assert_lives(&w, 9 * SEC, PLAN_NOTHING);
    assert_lives(&w, 2 * SEC, PLAN_BACKUP);
    done(&w);
}

static void test_what_waits_begins_anew_with_the_keeper(void **state)
{
    (void)state;
    struct world w = at_night();
    w.proxy = writes;
    plan_pending_set(&w.memory.pending, NIGHT - DAY, NIGHT - DAY);
    w.memory.backup_seen_ms = NIGHT;
    plan_start(&w.plan, &w.memory, &w.now);
    assert_int_equal(w.memory.pending.asked_ms, NIGHT);
    schedule(&w, NULL, NULL);
    assert_lives(&w, 0, PLAN_PUT_BACK);
    assert_lives(&w, 2 * HOUR - 2 * SEC, PLAN_NOTHING);
    assert_lives(&w, 4 * SEC, PLAN_SKIP);
}

/* --- drills --- */

static void test_a_drill_comes_by_its_schedule(void **state)
{
    (void)state;
    struct world w = at_night();
    schedule(&w, "0 4 * * *", NULL); /* is not the drill's */
    schedule(&w, NULL, "15 3 * * 1");
    start(&w);
    pass(&w, DUE - NIGHT);
    assert_lives(&w, 0, PLAN_TELL_DRILL_DUE);
    assert_lives(&w, 0, PLAN_DRILL);
    assert_lives(&w, 9 * SEC, PLAN_NOTHING);
    ends(&w, (struct plan_end){.job = PLAN_DRILL, .exit_code = EXIT_BUSY});
    assert_lives(&w, 2 * SEC, PLAN_DRILL); /* another run had the lock */
    ends(&w, (struct plan_end){.job = PLAN_DRILL, .exit_code = EXIT_CANCELLED, .stopping = true});
    assert_true(w.memory.drill_due); /* the keeper ended */
    ends(&w, (struct plan_end){.job = PLAN_DRILL, .exit_code = EXIT_FAILED});
    assert_false(w.memory.drill_due); /* a failure is told, and not tried again by itself */
    assert_lives(&w, HOUR, PLAN_NOTHING);
    assert_int_equal(plan_next_due(&w.rules, true, w.now.wall_ms), DUE + 7 * DAY);
}

static void test_a_missed_drill_is_made_up_for_and_backups_go_first(void **state)
{
    (void)state;
    struct world w = at_night();
    schedule(&w, "15 3 * * *", "0 5 * * 0");
    w.memory.drill_seen_ms = NIGHT - 3 * DAY;
    w.memory.backup_seen_ms = NIGHT - DAY;
    plan_start(&w.plan, &w.memory, &w.now);
    assert_lives(&w, 0, PLAN_TELL_DUE);
    assert_lives(&w, 0, PLAN_TELL_DRILL_DUE);
    assert_lives(&w, 0, PLAN_PUT_BACK);
    assert_lives(&w, 2 * MIN, PLAN_BACKUP);
    assert_lives(&w, SEC, PLAN_NOTHING);
    w.now.busy = true;
    assert_lives(&w, HOUR, PLAN_NOTHING);
    w.now.busy = false;
    ends(&w, (struct plan_end){.scheduled = true});
    assert_lives(&w, SEC, PLAN_DRILL);
}

/* --- the chain of the binary log --- */

static struct world with_log(bool hourly)
{
    struct world w = at_night();
    schedule(&w, NULL, NULL);
    w.rules.prove = true;
    w.rules.prove_hourly = hourly;
    start(&w);
    return w;
}

static void test_the_chain_is_proven_after_each_backup(void **state)
{
    (void)state;
    struct world w = with_log(false);
    assert_lives(&w, 3 * HOUR, PLAN_NOTHING); /* nothing is new */
    ends(&w, (struct plan_end){.exit_code = EXIT_NOT_IDLE, .scheduled = true});
    assert_lives(&w, HOUR, PLAN_NOTHING);
    ends(&w, (struct plan_end){.exit_code = EXIT_INCOMPLETE});
    assert_true(w.memory.prove_due);
    w.proxy = writes; /* it costs nobody anything */
    assert_lives(&w, MIN, PLAN_PROVE);
    ends(&w, (struct plan_end){.job = PLAN_PROVE, .exit_code = EXIT_CANCELLED, .stopping = true});
    assert_lives(&w, MIN, PLAN_PROVE); /* the keeper ended */
    ends(&w, (struct plan_end){.job = PLAN_PROVE, .exit_code = EXIT_BUSY});
    assert_lives(&w, MIN, PLAN_PROVE); /* another run had the lock */
    ends(&w, (struct plan_end){.job = PLAN_PROVE, .exit_code = EXIT_CANCELLED});
    assert_lives(&w, MIN, PLAN_PROVE); /* it made way */
    ends(&w, (struct plan_end){.job = PLAN_PROVE});
    assert_lives(&w, DAY, PLAN_NOTHING);
    assert_false(w.memory.pending.due_ms);
    w.rules.prove = false;
    ends(&w, (struct plan_end){.exit_code = EXIT_GOOD});
    assert_lives(&w, HOUR, PLAN_NOTHING);
}

static void test_a_proof_that_could_not_be_tried_is_tried_thrice(void **state)
{
    (void)state;
    struct world w = with_log(false);
    ends(&w, (struct plan_end){.exit_code = EXIT_GOOD});
    for (int i = 0; i < 3; i++) {
        assert_lives(&w, i ? 11 * MIN : MIN, PLAN_PROVE);
        ends(&w, (struct plan_end){.job = PLAN_PROVE, .exit_code = EXIT_REFUSED});
        assert_lives(&w, 9 * MIN, PLAN_NOTHING);
    }
    assert_lives(&w, DAY, PLAN_NOTHING);
    assert_false(w.memory.pending.due_ms);
}

/* What failed before a new backup is of the old chain: the new one has its three tries, at once. */
static void test_a_new_backup_has_its_own_tries(void **state)
{
    (void)state;
    struct world w = with_log(false);
    ends(&w, (struct plan_end){.exit_code = EXIT_GOOD});
    for (int i = 0; i < 2; i++) {
        assert_lives(&w, i ? 11 * MIN : MIN, PLAN_PROVE);
        ends(&w, (struct plan_end){.job = PLAN_PROVE, .exit_code = EXIT_REFUSED});
    }
    ends(&w, (struct plan_end){.exit_code = EXIT_GOOD});
    for (int i = 0; i < 3; i++) {
        assert_lives(&w, i ? 11 * MIN : MIN, PLAN_PROVE);
        ends(&w, (struct plan_end){.job = PLAN_PROVE, .exit_code = EXIT_REFUSED});
    }
    assert_lives(&w, DAY, PLAN_NOTHING);
}

static void test_a_broken_chain_makes_a_backup_due_once_a_day(void **state)
{
    (void)state;
    struct world w = with_log(false);
    struct plan_end broken = {.job = PLAN_PROVE, .exit_code = EXIT_INCONSISTENT};
    ends(&w, (struct plan_end){.exit_code = EXIT_GOOD});
    assert_lives(&w, MIN, PLAN_PROVE);
    ends(&w, broken);
    assert_int_equal(w.memory.pending.due_ms, w.now.wall_ms);
    assert_int_equal(json_array_size(w.memory.pending.types), 0);
    assert_lives(&w, 2 * MIN, PLAN_BACKUP);
    ends(&w, (struct plan_end){.scheduled = true});
    assert_lives(&w, MIN, PLAN_PROVE);
    ends(&w, broken); /* breaks each time */
    assert_lives(&w, 19 * HOUR, PLAN_NOTHING);
    pass(&w, 2 * HOUR);
    ends(&w, broken);
    assert_lives(&w, 2 * MIN, PLAN_BACKUP);
    done(&w);
}

/* --- the base of what is archived --- */

/* Nothing is scheduled: what is done is done for the base. */
static struct world with_base(enum plan_base base, uint32_t timeline)
{
    struct world w = at_night();
    schedule(&w, NULL, NULL);
    w.rules.physical = true;
    start(&w);
    w.now.base = base;
    w.now.timeline = timeline;
    return w;
}

static void test_a_missing_base_makes_a_backup_due(void **state)
{
    static const struct {
        enum plan_base base;
        bool physical, busy, waits;
        enum plan_do what;
    } rows[] = {
        {PLAN_BASE_UNKNOWN, true, false, false, PLAN_NOTHING},
        {PLAN_BASE_THERE, true, false, false, PLAN_NOTHING},
        {PLAN_BASE_MISSING, true, false, false, PLAN_TELL_BASE_DUE},
        {PLAN_BASE_MISSING, false, false, false, PLAN_NOTHING}, /* a dump is none */
        {PLAN_BASE_MISSING, true, true, false, PLAN_NOTHING},   /* it may be the one that runs */
        {PLAN_BASE_MISSING, true, false, true, PLAN_BACKUP},    /* or the one that waits */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w = with_base(rows[i].base, 2);
        w.rules.physical = rows[i].physical;
        w.now.busy = rows[i].busy;
        if (rows[i].waits)
            plan_pending_set(&w.memory.pending, w.now.wall_ms, w.now.wall_ms);
        struct plan_action a = live(&w, 2 * MIN);
        if (a.what != rows[i].what)
            fail_msg("row %zu: %d", i, a.what);
        if (a.what == PLAN_TELL_BASE_DUE) { /* all of it, and as soon as nobody writes */
            assert_int_equal(w.memory.pending.due_ms, a.due_ms);
            assert_int_equal(json_array_size(w.memory.pending.types), 0);
            assert_lives(&w, 2 * MIN, PLAN_BACKUP);
        }
        done(&w);
    }
}

/* Timelines, backups that come to nothing, and a server whose log is never to be run again. */
static void test_a_missing_base_is_not_made_without_end(void **state)
{
    (void)state;
    struct world w = with_base(PLAN_BASE_MISSING, 2);
    assert_lives(&w, 0, PLAN_TELL_BASE_DUE);
    assert_lives(&w, 2 * MIN, PLAN_BACKUP);
    ends(&w, (struct plan_end){.scheduled = true});
    assert_lives(&w, 19 * HOUR, PLAN_NOTHING); /* it did not become one */
    w.now.timeline = 3;                        /* an undo: at once */
    assert_lives(&w, 0, PLAN_TELL_BASE_DUE);
    assert_lives(&w, 2 * MIN, PLAN_BACKUP);
    ends(&w, (struct plan_end){.scheduled = true});
    assert_lives(&w, 30 * SEC, PLAN_NOTHING); /* the stream has not seen it yet */
    w.now.base = PLAN_BASE_THERE;
    assert_lives(&w, 10 * MIN, PLAN_NOTHING);
    w.now.base = PLAN_BASE_MISSING; /* gone, or of no use any more */
    assert_lives(&w, 45 * MIN, PLAN_NOTHING);
    w.now.base = PLAN_BASE_STOPPED; /* any account can have that every hour */
    assert_lives(&w, 3 * HOUR, PLAN_NOTHING);
    w.now.base = PLAN_BASE_MISSING;
    assert_lives(&w, 10 * MIN, PLAN_TELL_BASE_DUE);
    for (int i = 0; i < 3; i++) {
        pass(&w, 3 * MIN);
        assert_lives(&w, 2 * MIN, PLAN_BACKUP);
        ends(&w, (struct plan_end){.scheduled = true, .exit_code = EXIT_FAILED});
    }
    assert_lives(&w, 59 * MIN, PLAN_NOTHING);
    assert_lives(&w, 2 * MIN, PLAN_TELL_BASE_DUE);
    w.proxy = writes; /* until the deadline */
    assert_lives(&w, 3 * HOUR, PLAN_SKIP);
    assert_lives(&w, 59 * MIN, PLAN_NOTHING);
    assert_lives(&w, 2 * MIN, PLAN_TELL_BASE_DUE);
    done(&w);
}

/* A log that cannot be replayed, and backups that are no good: still one in 20 hours. */
static void test_a_stopped_base_and_a_bad_backup(void **state)
{
    (void)state;
    struct world w = with_base(PLAN_BASE_STOPPED, 2);
    assert_lives(&w, 0, PLAN_TELL_BASE_DUE);
    for (int i = 0; i < 3; i++) {
        pass(&w, 3 * MIN);
        assert_lives(&w, 2 * MIN, PLAN_BACKUP);
        ends(&w, (struct plan_end){.scheduled = true, .exit_code = EXIT_INCONSISTENT});
    }
    assert_lives(&w, 19 * HOUR, PLAN_NOTHING);
    done(&w);
}

/* What the stream says while the keeper runs, and whether a backup is due within a minute of the
 * last one, and an hour later. */
static void test_what_takes_the_base_away(void **state)
{
    static const struct {
        const char *what;
        enum plan_base was, base;
        uint32_t timeline_was, timeline;
        bool at_once, later;
    } rows[] = {
        {"[binlog] archive was switched on", PLAN_BASE_UNKNOWN, PLAN_BASE_MISSING, 0, 1, true,
            true},
        {"switched off", PLAN_BASE_THERE, PLAN_BASE_UNKNOWN, 1, 0, false, false},
        {"switched on anew, and the server's log had gone on", PLAN_BASE_UNKNOWN, PLAN_BASE_MISSING,
            0, 2, true, true},
        {"switched on anew, nothing is missing", PLAN_BASE_UNKNOWN, PLAN_BASE_THERE, 0, 1, false,
            false},
        {"RESET MASTER", PLAN_BASE_THERE, PLAN_BASE_MISSING, 1, 2, true, true},
        {"the base is damaged or gone", PLAN_BASE_THERE, PLAN_BASE_MISSING, 1, 1, false, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w = with_base(rows[i].was, rows[i].timeline_was);
        ends(&w, (struct plan_end){.exit_code = EXIT_GOOD});
        w.memory.prove_due = false;
        assert_lives(&w, 10 * SEC, PLAN_NOTHING);
        w.now.base = rows[i].base;
        w.now.timeline = rows[i].timeline;
        struct plan_action a = live(&w, 10 * SEC);
        if ((a.what == PLAN_TELL_BASE_DUE) != rows[i].at_once)
            fail_msg("%s: %d at once", rows[i].what, a.what);
        if (!rows[i].at_once) {
            a = live(&w, HOUR);
            if ((a.what == PLAN_TELL_BASE_DUE) != rows[i].later)
                fail_msg("%s: %d later", rows[i].what, a.what);
        }
        done(&w);
    }
}

static void test_the_running_server_is_compared_when_nobody_writes(void **state)
{
    (void)state;
    struct world w = with_log(true);
    assert_lives(&w, 59 * MIN, PLAN_NOTHING);
    w.proxy = writes;
    assert_lives(&w, HOUR, PLAN_NOTHING);
    w.proxy = quiet;
    assert_lives(&w, 2 * MIN, PLAN_PROVE_LIVE);
    ends(&w, (struct plan_end){.job = PLAN_PROVE, .exit_code = EXIT_NOT_IDLE}); /* somebody came */
    w.server.write_counters++;
    assert_lives(&w, 4 * MIN, PLAN_NOTHING);
    assert_lives(&w, 3 * MIN, PLAN_PROVE_LIVE);
    ends(&w, (struct plan_end){.job = PLAN_PROVE});
    assert_lives(&w, DAY, PLAN_NOTHING); /* nothing was written since */
    w.server.write_counters++;
    assert_lives(&w, 2 * MIN, PLAN_PROVE_LIVE);
    w.rules.prove_hourly = false;
    w.server.write_counters++;
    assert_lives(&w, DAY, PLAN_NOTHING);
}

/* --- restores --- */

static void test_a_restore_that_was_cut_off_is_settled(void **state)
{
    (void)state;
    struct world w = at_night();
    schedule(&w, NULL, NULL);
    w.now.journal_s = 77;
    w.now.busy = true;
    plan_start(&w.plan, &w.memory, &w.now);
    assert_lives(&w, MIN, PLAN_NOTHING); /* not beside a job */
    w.now.busy = false;
    assert_lives(&w, 0, PLAN_RECOVER);
    ends(&w, (struct plan_end){
                 .job = PLAN_RECOVER, .restore = true, .told = true, .exit_code = EXIT_FAILED});
    assert_lives(&w, 0, PLAN_PUT_BACK);
    assert_lives(&w, MIN - 2 * SEC, PLAN_NOTHING); /* not settled: each minute */
    assert_lives(&w, 2 * SEC, PLAN_RECOVER);
    ends(&w, (struct plan_end){.job = PLAN_RECOVER, .restore = true, .told = true});
    assert_lives(&w, HOUR - 2 * SEC, PLAN_NOTHING); /* settled: each hour, for the old data */
    assert_lives(&w, 2 * SEC, PLAN_RECOVER);
    ends(&w, (struct plan_end){.job = PLAN_RECOVER, .restore = true, .told = true});
    w.now.journal_s = 78; /* another restore */
    assert_lives(&w, MIN, PLAN_RECOVER);
    ends(&w, (struct plan_end){
                 .restore = true, .job = PLAN_RECOVER, .signal = 9, .exit_code = EXIT_FAILED});
    assert_lives(&w, 0, PLAN_RECOVER); /* cut off: at once */
    w.now.journal_s = 0;
    assert_lives(&w, 2 * HOUR, PLAN_NOTHING);
}

/* Whoever wants it undone at once is not refused because the keeper looks at what it knows. */
static void test_a_good_restore_is_not_looked_at_for_an_hour(void **state)
{
    (void)state;
    struct world w = at_night();
    schedule(&w, NULL, NULL);
    plan_start(&w.plan, &w.memory, &w.now);
    assert_lives(&w, 0, PLAN_PUT_BACK);
    assert_lives(&w, MIN, PLAN_NOTHING);
    w.now.journal_s = 77;
    plan_ended(
        &w.plan, &(struct plan_end){.restore = true, .told = true, .exit_code = EXIT_GOOD}, &w.now);
    assert_lives(&w, HOUR - 2 * SEC, PLAN_NOTHING);
    assert_lives(&w, 2 * SEC, PLAN_RECOVER);
}

static void test_a_restore_that_ends_without_a_word_is_settled_at_once(void **state)
{
    (void)state;
    for (int told = 0; told < 2; told++) {
        struct world w = at_night();
        schedule(&w, NULL, NULL);
        w.now.journal_s = 77;
        plan_start(&w.plan, &w.memory, &w.now);
        assert_lives(&w, 0, PLAN_RECOVER);
        assert_lives(&w, 0, PLAN_PUT_BACK);
        plan_ended(&w.plan,
            &(struct plan_end){.restore = true, .told = told, .exit_code = EXIT_FAILED}, &w.now);
        assert_lives(&w, SEC, told ? PLAN_NOTHING : PLAN_RECOVER);
    }
}

/* --- errands --- */

static void test_an_errand_has_its_time(void **state)
{
    (void)state;
    assert_in_range(PLAN_ERRANDS_MAX, 4, 32);
    assert_false(plan_errand_over(BOOT, BOOT + 10 * MIN));
    assert_true(plan_errand_over(BOOT, BOOT + 10 * MIN + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_comes_at_its_time_once),
        cmocka_unit_test(test_what_was_missed),
        cmocka_unit_test(test_three_days_off_are_one_run),
        cmocka_unit_test(test_the_first_start_has_missed_nothing),
        cmocka_unit_test(test_one_that_is_due_while_one_waits_becomes_one),
        cmocka_unit_test(test_a_clock_set_back_makes_nothing_due_again),
        cmocka_unit_test(test_a_clock_set_forward_is_a_run_that_was_missed),
        cmocka_unit_test(test_the_deadline_is_of_the_clock_that_nobody_sets),
        cmocka_unit_test(test_the_search_for_what_was_due_is_bounded),
        cmocka_unit_test(test_a_new_schedule_has_missed_nothing),
        cmocka_unit_test(test_after_the_deadline),
        cmocka_unit_test(test_who_asks_by_hand_waits_as_long_as_it_takes),
        cmocka_unit_test(test_why_it_waits_is_told_when_it_changes),
        cmocka_unit_test(test_nothing_is_decided_without_a_fresh_answer),
        cmocka_unit_test(test_how_often_the_witnesses_are_asked),
        cmocka_unit_test(test_what_the_end_means),
        cmocka_unit_test(test_a_failed_run_is_tried_three_times),
        cmocka_unit_test(test_another_backup_says_nothing_of_the_one_that_waits),
        cmocka_unit_test(test_one_that_does_not_start_is_tried_after_a_pause),
        cmocka_unit_test(test_what_waits_begins_anew_with_the_keeper),
        cmocka_unit_test(test_a_drill_comes_by_its_schedule),
        cmocka_unit_test(test_a_missed_drill_is_made_up_for_and_backups_go_first),
        cmocka_unit_test(test_the_chain_is_proven_after_each_backup),
        cmocka_unit_test(test_a_proof_that_could_not_be_tried_is_tried_thrice),
        cmocka_unit_test(test_a_new_backup_has_its_own_tries),
        cmocka_unit_test(test_a_broken_chain_makes_a_backup_due_once_a_day),
        cmocka_unit_test(test_a_missing_base_makes_a_backup_due),
        cmocka_unit_test(test_a_missing_base_is_not_made_without_end),
        cmocka_unit_test(test_a_stopped_base_and_a_bad_backup),
        cmocka_unit_test(test_what_takes_the_base_away),
        cmocka_unit_test(test_the_running_server_is_compared_when_nobody_writes),
        cmocka_unit_test(test_a_restore_that_was_cut_off_is_settled),
        cmocka_unit_test(test_a_good_restore_is_not_looked_at_for_an_hour),
        cmocka_unit_test(test_a_restore_that_ends_without_a_word_is_settled_at_once),
        cmocka_unit_test(test_an_errand_has_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
