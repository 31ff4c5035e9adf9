/* The decision whether a due backup may run: one row a situation. */
#include "tests/unit/common/unit.h"

#include <stdio.h>

#include "backup/rules/idle_rule.h"
#include "common/lang.h"

#define MIN INT64_C(60000)
#define NOW (1000 * MIN)

/* A quiet night: ten workstations polling, the last write an hour ago. */
static const struct idle_proxy quiet = {
    .known = true, .write_ms = 60 * MIN, .statement_ms = 2000, .sessions = 70};
static const struct idle_server still = {.known = true, .write_counters = 5};
static const struct idle_watch watched = {
    .server_seen = true, .server_since = NOW - 60 * MIN, .last_counters = 5};

struct situation {
    struct idle_settings s;
    struct idle_times t;
    struct idle_proxy p;
    struct idle_server v;
    struct idle_watch w;
};

static struct situation night(void)
{
    return (struct situation){{IDLE_QUIET, IDLE_POLICY_SKIP, 10 * MIN},
        {NOW, NOW - MIN, NOW + 60 * MIN}, quiet, still, watched};
}

static void assert_decides(const struct situation *x, enum idle_action action, const char *reason)
{
    struct idle_decision d = idle_decide(&x->s, &x->t, &x->p, &x->v, &x->w);
    if (d.action != action || strcmp(d.reason, reason) != 0)
        fail_msg("%d (%s), wanted %d (%s)", d.action, d.reason, action, reason);
    assert_true(*d.words && strcmp(lang_text(LANG_DE, d.words), d.words) != 0);
    if (action == IDLE_WAIT || action == IDLE_NOT_DUE)
        assert_true(d.again_ms >= 1000 && x->t.now_ms + d.again_ms <= x->t.deadline_ms);
}

static void test_quiet_night(void **state)
{
    (void)state;
    struct situation x = night();
    assert_decides(&x, IDLE_RUN, "idle");
    x.t.due_ms = NOW + 5000;
    assert_decides(&x, IDLE_NOT_DUE, "not-due");
}

static void test_unknown_is_never_idle(void **state)
{
    (void)state;
    struct situation x = night();
    x.p = (struct idle_proxy){.known = false};
    assert_decides(&x, IDLE_WAIT, "proxy-unknown");
    x = night();
    x.v.known = false;
    assert_decides(&x, IDLE_WAIT, "server-unknown");
    x = night();
    x.w = (struct idle_watch){0}; /* nobody has looked at the server yet */
    assert_decides(&x, IDLE_WAIT, "server-unknown");
}

static void test_obstacles(void **state)
{
    (void)state;
    struct situation x = night();
    x.p.write_in_flight = x.p.in_flight = 1;
    assert_decides(&x, IDLE_WAIT, "writing");
    x = night();
    x.p.transactions = 1;
    assert_decides(&x, IDLE_WAIT, "transaction");
    x = night();
    x.v.transactions = 1;
    assert_decides(&x, IDLE_WAIT, "server-transaction");
    x = night();
    x.p.in_flight = 1;
    assert_decides(&x, IDLE_WAIT, "in-flight");
    x = night();
    x.p.write_ms = 10 * MIN - 1;
    assert_decides(&x, IDLE_WAIT, "recent-write");
    x.p.write_ms = 10 * MIN;
    assert_decides(&x, IDLE_RUN, "idle");
    x = night();
    x.w.server_since = NOW - 10 * MIN + 1; /* another program writes past the proxy */
    assert_decides(&x, IDLE_WAIT, "server-write");
}

static void test_shortest_quiet(void **state)
{
    (void)state;
    struct situation x = night();
    x.s.minutes_ms = 0;
    x.p.write_ms = 14999;
    assert_decides(&x, IDLE_WAIT, "recent-write");
    x.p.write_ms = 15000;
    assert_decides(&x, IDLE_RUN, "idle");
}

static void test_no_clients(void **state)
{
    (void)state;
    struct situation x = night();
    x.s.mode = IDLE_NO_CLIENTS;
    assert_decides(&x, IDLE_WAIT, "sessions");
    x.p.sessions = 0;
    assert_decides(&x, IDLE_WAIT, "recent-session"); /* not seen empty yet */
    x.w.no_sessions = true;
    x.w.no_sessions_since = NOW - 9 * MIN;
    assert_decides(&x, IDLE_WAIT, "recent-session");
    x.w.no_sessions_since = NOW - 10 * MIN;
    assert_decides(&x, IDLE_RUN, "idle");
}

static void test_deadline(void **state)
{
    (void)state;
    static const struct {
        enum idle_policy policy;
        enum idle_action action;
    } cases[] = {{IDLE_POLICY_SKIP, IDLE_SKIP}, {IDLE_POLICY_DUMP, IDLE_DUMP},
        {IDLE_POLICY_LOCK, IDLE_LOCK}};
    for (int i = 0; i < 3; i++) {
        struct situation x = night();
        x.s.policy = cases[i].policy;
        x.t.deadline_ms = NOW;
        assert_decides(&x, IDLE_RUN, "idle"); /* idle at the last moment is still idle */
        x.p.write_ms = 0;
        assert_decides(&x, cases[i].action, "recent-write");
        x.p.known = false;
        assert_decides(&x, cases[i].action, "proxy-unknown");
        x.v.known = false; /* neither a dump nor a lock without a server */
        x.p = quiet;
        assert_decides(&x, IDLE_SKIP, "server-unknown");
    }
}

static void test_watch(void **state)
{
    (void)state;
    struct idle_watch w = {0};
    struct idle_proxy p = quiet;
    struct idle_server v = still;
    idle_watch_update(&w, &p, &v, 1000);
    assert_true(w.server_seen && w.server_since == 1000 && !w.no_sessions);
    idle_watch_update(&w, &p, &v, 2000);
    assert_int_equal(w.server_since, 1000);
    v.write_counters++;
    idle_watch_update(&w, &p, &v, 3000);
    assert_int_equal(w.server_since, 3000);
    v.transactions = 1; /* an open transaction has not been quiet */
    idle_watch_update(&w, &p, &v, 4000);
    assert_int_equal(w.server_since, 4000);
    v.transactions = 0;
    p.sessions = 0;
    idle_watch_update(&w, &p, &v, 5000);
    idle_watch_update(&w, &p, &v, 6000);
    assert_true(w.no_sessions && w.no_sessions_since == 5000 && w.server_since == 4000);
    /* a server that could not be asked in between may have been written to and restarted */
    v.known = false;
    idle_watch_update(&w, &p, &v, 7000);
    assert_false(w.server_seen);
    v.known = true;
    idle_watch_update(&w, &p, &v, 8000);
    assert_int_equal(w.server_since, 8000);
    p.known = false;
    idle_watch_update(&w, &p, &v, 9000);
    assert_false(w.no_sessions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quiet_night),
        cmocka_unit_test(test_unknown_is_never_idle),
        cmocka_unit_test(test_obstacles),
        cmocka_unit_test(test_shortest_quiet),
        cmocka_unit_test(test_no_clients),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_watch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
