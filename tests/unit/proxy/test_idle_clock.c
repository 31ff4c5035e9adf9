#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "proxy/idle_clock.h"

static void adds_up_the_workers(void **state)
{
    (void)state;
    struct idle_slot a = {.last_write_ms = 1000,
                         .last_statement_ms = 1500,
                         .sessions = 2,
                         .in_flight = 1},
                     b = {.last_write_ms = 1200,
                         .last_statement_ms = 1300,
                         .sessions = 3,
                         .transactions = 1,
                         .pending = 4};
    struct idle_slot *slots[] = {&a, &b};
    struct idle_report r = idle_clock_report(slots, 2, 2000, 100);
    assert_int_equal(r.sessions, 5);
    assert_int_equal(r.pending, 4);
    assert_int_equal(r.transactions, 1);
    assert_int_equal(r.write_ms, 800);   /* the later of both */
    assert_int_equal(r.statement_ms, 0); /* one is in flight */
    a.in_flight = 0;
    r = idle_clock_report(slots, 2, 2000, 100);
    assert_int_equal(r.statement_ms, 500);
}

static void a_write_in_flight_is_now(void **state)
{
    (void)state;
    struct idle_slot a = {.last_write_ms = 1000, .write_in_flight = 1, .in_flight = 1};
    struct idle_slot *slots[] = {&a};
    assert_int_equal(idle_clock_report(slots, 1, 9000, 0).write_ms, 0);
}

/* Nothing seen yet counts from the start, so that a fresh proxy never looks long idle. */
static void starts_with_the_process(void **state)
{
    (void)state;
    struct idle_slot a = {0};
    struct idle_slot *slots[] = {&a};
    struct idle_report r = idle_clock_report(slots, 1, 5000, 4000);
    assert_int_equal(r.write_ms, 1000);
    assert_int_equal(r.statement_ms, 1000);
}

static void another_workers_clock_may_be_ahead(void **state)
{
    (void)state;
    struct idle_slot a = {.last_write_ms = 5001, .last_statement_ms = 5001};
    struct idle_slot *slots[] = {&a};
    assert_int_equal(idle_clock_report(slots, 1, 5000, 0).write_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_up_the_workers),
        cmocka_unit_test(a_write_in_flight_is_now),
        cmocka_unit_test(starts_with_the_process),
        cmocka_unit_test(another_workers_clock_may_be_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
