#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "proxy/wire/session_state.h"

static void every_state_can_be_closed_and_none_left_again(void **state)
{
    (void)state;
    for (enum session_state s = SESSION_CONNECTING; s < SESSION_CLOSED; s++) {
        assert_true(session_state_may(s, SESSION_CLOSED));
        assert_false(session_state_may(SESSION_CLOSED, s));
    }
}

/* No way past TLS or login, and none back from being ended. */
static void nothing_is_skipped(void **state)
{
    (void)state;
    assert_false(session_state_may(SESSION_FIRST, SESSION_RELAY));
    assert_false(session_state_may(SESSION_TLS, SESSION_RELAY));
    assert_false(session_state_may(SESSION_GREETING, SESSION_LOGIN));
    assert_false(session_state_may(SESSION_CONNECTING, SESSION_FIRST));
    assert_false(session_state_may(SESSION_ENDING, SESSION_RELAY));
    assert_false(session_state_may(SESSION_CLOSING, SESSION_RELAY));
    assert_true(session_state_may(SESSION_GREETING, SESSION_CONNECTING)); /* a restarting server */
}

static void names(void **state)
{
    (void)state;
    for (enum session_state s = SESSION_CONNECTING; s < SESSION_STATES; s++)
        assert_non_null(session_state_name(s));
    assert_string_equal(session_state_name(SESSION_STATES), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_can_be_closed_and_none_left_again),
        cmocka_unit_test(nothing_is_skipped),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
