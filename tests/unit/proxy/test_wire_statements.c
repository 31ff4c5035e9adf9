#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "proxy/wire/statements.h"

static void remembers_readers(void **state)
{
    (void)state;
    struct statements s = {0};
    assert_false(statements_reads(&s, 1));
    statements_remove(&s, 1);
    assert_null(s.slots); /* no memory before the first */
    statements_add_reader(&s, 0);
    statements_add_reader(&s, 1);
    statements_add_reader(&s, 1);
    assert_true(statements_reads(&s, 0));
    assert_true(statements_reads(&s, 1));
    assert_false(statements_reads(&s, 2));
    statements_remove(&s, 1);
    assert_false(statements_reads(&s, 1));
    assert_true(statements_reads(&s, 0));
    statements_clear(&s);
    assert_false(statements_reads(&s, 0));
    assert_null(s.slots);
}

static void the_last_prepared_is_no_id(void **state)
{
    (void)state;
    struct statements s = {0};
    statements_add_reader(&s, UINT32_MAX);
    assert_false(statements_reads(&s, UINT32_MAX));
    statements_add_reader(&s, UINT32_MAX - 1);
    assert_true(statements_reads(&s, UINT32_MAX - 1));
    assert_false(statements_reads(&s, UINT32_MAX));
    statements_clear(&s);
}

/* Against a plain array, with ids that collide. */
static void holds_against_a_model(void **state)
{
    (void)state;
    enum { IDS = 512 };
    struct statements s = {0};
    bool model[IDS] = {0};
    unsigned seed = 1;
    for (int step = 0; step < 200000; step++) {
        seed = seed * 1103515245u + 12345u;
        uint32_t n = (seed >> 8) % IDS;
        uint32_t id = n * (step < 100000 ? 1u : 1u << 20); /* dense, then sparse */
        if (step == 100000) {
            statements_clear(&s);
            memset(model, 0, sizeof model);
        }
        if (seed >> 24 & 1)
            statements_add_reader(&s, id);
        else
            statements_remove(&s, id);
        model[n] = seed >> 24 & 1;
        if (step % 1000 == 0)
            for (uint32_t i = 0; i < IDS; i++)
                assert_int_equal(
                    statements_reads(&s, i * (step < 100000 ? 1u : 1u << 20)), model[i]);
    }
    statements_clear(&s);
}

static void memory_is_bounded(void **state)
{
    (void)state;
    struct statements s = {0};
    for (uint32_t id = 1; id < 4 * STATEMENTS_MAX; id++)
        statements_add_reader(&s, id);
    assert_int_equal(s.used, STATEMENTS_MAX);
    assert_true(s.cap <= 2 * STATEMENTS_MAX);
    assert_true(statements_reads(&s, STATEMENTS_MAX));
    assert_false(statements_reads(&s, STATEMENTS_MAX + 1)); /* unknown: a write */
    statements_remove(&s, 1);
    statements_add_reader(&s, 7777777);
    assert_true(statements_reads(&s, 7777777));
    statements_clear(&s);
}

static void prepare_and_close_all_day_stays_small(void **state)
{
    (void)state;
    struct statements s = {0};
    for (uint32_t id = 1; id < 1000000; id++) {
        statements_add_reader(&s, id);
        statements_remove(&s, id);
    }
    assert_true(s.cap <= 16);
    statements_clear(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(remembers_readers),
        cmocka_unit_test(the_last_prepared_is_no_id),
        cmocka_unit_test(holds_against_a_model),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(prepare_and_close_all_day_stays_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
