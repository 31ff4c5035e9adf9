#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "proxy/backend/backend_choice.h"

/* '?' unknown, 'd' down, 'r' read-only (neither is usable), 'a' alive, 'w' writable */
static int choose(const char *states, int active, int preferred)
{
    struct backend_health list[8];
    size_t n = 0;
    for (const char *s = states; *s; s++)
        list[n++] = (struct backend_health){
            .known = *s != '?', .usable = *s == 'a' || *s == 'w', .writable = *s == 'w'};
    return backend_choose(list, n, active, preferred);
}

static void the_first_choice_waits_until_all_are_known(void **state)
{
    (void)state;
    assert_int_equal(choose("w?", -1, -1), -1);
    assert_int_equal(choose("wd", -1, -1), 0);
    assert_int_equal(choose("dw", -1, -1), 1);
    assert_int_equal(choose("rr", -1, -1), -1);
    assert_int_equal(choose("ww", -1, -1), 0);
}

static void the_one_from_before_the_restart_is_taken_again(void **state)
{
    (void)state;
    assert_int_equal(choose("ww", -1, 1), 1);
    assert_int_equal(choose("wd", -1, 1), 0);
    assert_int_equal(choose("wa", -1, 1), 1);
}

static void it_sticks(void **state)
{
    (void)state;
    assert_int_equal(choose("ww", 1, 0), 1);
    assert_int_equal(choose("wa", 1, 0), 1);
    assert_int_equal(choose("w?w", 2, -1), 2);
}

static void it_leaves_a_failed_one_for_a_writable_one_only(void **state)
{
    (void)state;
    assert_int_equal(choose("dw", 0, -1), 1);
    assert_int_equal(choose("rw", 0, -1), 1);
    assert_int_equal(choose("daw", 0, -1), 2);
    assert_int_equal(choose("da", 0, -1), 1);
    assert_int_equal(choose("dr", 0, -1), 0);
    assert_int_equal(choose("dd", 0, -1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_choice_waits_until_all_are_known),
        cmocka_unit_test(the_one_from_before_the_restart_is_taken_again),
        cmocka_unit_test(it_sticks),
        cmocka_unit_test(it_leaves_a_failed_one_for_a_writable_one_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
