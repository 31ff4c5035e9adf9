#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "common/log_limit.h"

static unsigned let_through(struct log_limit *l, uint64_t from_ms, unsigned tries)
{
    unsigned n = 0;
    for (unsigned i = 0; i < tries; i++)
        n += log_limit_may(l, from_ms + i);
    return n;
}

static void so_many_a_minute_and_no_more(void **state)
{
    (void)state;
    struct log_limit *l = log_limit_new(20);
    assert_int_equal(let_through(l, 1000, 20), 20);
    assert_int_equal(let_through(l, 2000, 100), 0);
    assert_int_equal(let_through(l, 1000 + LOG_LIMIT_WINDOW_MS - 1, 1), 0);
    assert_int_equal(let_through(l, 1000 + LOG_LIMIT_WINDOW_MS, 30), 20);
    log_limit_free(l);
}

static void what_was_kept_back_is_told_once_and_late(void **state)
{
    (void)state;
    struct log_limit *l = log_limit_new(3);
    assert_int_equal(log_limit_kept_back(l, 500), 0);
    assert_int_equal(let_through(l, 1000, 10), 3);
    assert_int_equal(log_limit_kept_back(l, 2000), 0);
    assert_int_equal(log_limit_kept_back(l, 1000 + LOG_LIMIT_WINDOW_MS), 7);
    assert_int_equal(log_limit_kept_back(l, 1000 + LOG_LIMIT_WINDOW_MS), 0);
    assert_int_equal(let_through(l, 200000, 5), 3);
    assert_int_equal(let_through(l, 300000, 4), 3);
    assert_int_equal(log_limit_kept_back(l, 400000), 3);
    log_limit_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_a_minute_and_no_more),
        cmocka_unit_test(what_was_kept_back_is_told_once_and_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
