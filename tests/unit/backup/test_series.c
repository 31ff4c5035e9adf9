/* Which series of a server reads which files. */
#include "tests/unit/common/unit.h"

#include <string.h>

#include "backup/rules/series.h"
#include "common/phrase.h"

static void compared(void **state)
{
    static const struct {
        const char *files, *server;
        enum series_fit fit;
    } cases[] = {
        {"10.11.19-MariaDB-0+deb12u1", "10.11.6-MariaDB", SERIES_SAME},
        {"10.11.19-MariaDB-0+deb12u1", "11.8.9-MariaDB-0+deb13u1 from Debian", SERIES_OLDER},
        {"11.8.9-MariaDB", "10.11.19-MariaDB", SERIES_NEWER},
        {"10.6.1", "10.11.1", SERIES_OLDER}, /* numbers, not text */
        {"11.4.2-MariaDB", "11.8.0-MariaDB", SERIES_OLDER},
        {"5.5.5-10.11.19-MariaDB", "10.11.6-MariaDB", SERIES_SAME},
        {"13.0.1-MariaDB", "12.3.1-MariaDB", SERIES_NEWER},
        {NULL, "10.11.19", SERIES_UNKNOWN},
        {"", "10.11.19", SERIES_UNKNOWN},
        {"10.11.19", "later", SERIES_UNKNOWN},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(series_compare(cases[i].files, cases[i].server), cases[i].fit);
}

static void allowed(void **state)
{
    (void)state;
    assert_true(series_may(SERIES_SAME, "no"));
    assert_true(series_may(SERIES_OLDER, "ask"));
    assert_false(series_may(SERIES_OLDER, "no"));
    assert_false(series_may(SERIES_NEWER, "ask"));
    assert_false(series_may(SERIES_UNKNOWN, "ask"));
}

static char *words_of(enum lang lang, enum series_fit fit, const char *across, const char *files)
{
    json_t *said = series_phrase(fit, across, files, "11.8.9-MariaDB");
    char *words = phrase_words(lang, said);
    json_decref(said);
    return words;
}

static void told(void **state)
{
    (void)state;
    for (int fit = SERIES_OLDER; fit <= SERIES_UNKNOWN; fit++)
        for (int no = 0; no < 2; no++) {
            const char *across = no ? "no" : "ask", *files = "10.11.19-MariaDB-0+deb12u1";
            bool refused = !series_may((enum series_fit)fit, across);
            for (enum lang lang = LANG_EN; lang < LANG_COUNT; lang++) {
                char *words = words_of(lang, (enum series_fit)fit, across, files);
                assert_true(strstr(words, "MariaDB 10.11.19") && strstr(words, "11.8.9"));
                assert_int_equal(strstr(words, "--into") != NULL, refused);
                free(words);
            }
        }
    char *words = words_of(LANG_EN, SERIES_UNKNOWN, "ask", NULL);
    assert_non_null(strstr(words, "MariaDB ?"));
    free(words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compared),
        cmocka_unit_test(allowed),
        cmocka_unit_test(told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
