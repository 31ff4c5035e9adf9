#include "common/suggestion.h"
#include "unit.h"

static const char *best_of(const char *wanted, const char *const *candidates)
{
    struct suggestion s = {.wanted = wanted};

    for (; *candidates; candidates++)
        suggestion_offer(&s, *candidates);
    return s.best;
}

static void finds_what_was_meant(void **state)
{
    static const char *const words[] = {
        "status", "sessions", "host", "port", "proxy", "workers", "max_sessions_per_address", NULL};
    static const struct {
        const char *typed, *meant;
    } cases[] = {{"stauts", "status"}, {"Status", "status"}, {"session", "sessions"},
        {"hots", "host"}, {"hst", "host"}, {"hostx", "host"}, {"prot", "port"}, {"prxoy", "proxy"},
        {"wrkers", "workers"}, {"max_session_per_adress", "max_sessions_per_address"},
        {"zebra", NULL}, {"", NULL}, {"ho", NULL}, {"x", NULL}, {"statistics", NULL}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *got = best_of(cases[i].typed, words);
        if (!got != !cases[i].meant || (got && strcmp(got, cases[i].meant) != 0))
            fail_msg("\"%s\" gave %s", cases[i].typed, got ? got : "nothing");
    }
}

static void the_closest_wins(void **state)
{
    static const char *const words[] = {"keep_daily", "keep_weekly", "keep_yearly", "keep", NULL};

    (void)state;
    assert_string_equal(best_of("keep_yearl", words), "keep_yearly");
    assert_string_equal(best_of("keep_weakly", words), "keep_weekly");
    assert_string_equal(best_of("kep", words), "keep");
}

static void very_long_words(void **state)
{
    char long_word[500];
    const char *const words[] = {"status", long_word, NULL};

    (void)state;
    memset(long_word, 'x', sizeof long_word - 1);
    long_word[sizeof long_word - 1] = '\0';
    assert_null(best_of(long_word, words));
    long_word[40] = '\0';
    assert_string_equal(best_of(long_word, words), long_word); /* the longest that is compared */
    assert_string_equal(best_of("statu", words), "status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_meant),
        cmocka_unit_test(the_closest_wins),
        cmocka_unit_test(very_long_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
