#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/lang.h"
#include "unit.h"

/* Every sentence is found, whatever its place in the order. */
static void every_entry_is_found(void **state)
{
    (void)state;
    assert_true(lang_entry_count > 100);
    for (unsigned i = 0; i < lang_entry_count; i++) {
        const struct lang_entry *e = &lang_entries[i];
        for (enum lang lang = LANG_DE; lang < LANG_COUNT; lang++) {
            const char *wanted = e->in[lang - LANG_DE][0];
            assert_string_equal(lang_text(lang, e->english), wanted ? wanted : e->english);
        }
        assert_string_equal(lang_text(LANG_EN, e->english), e->english);
    }
}

static void unknown_sentences_stay(void **state)
{
    (void)state;
    assert_string_equal(lang_text(LANG_DE, "no sentence of ours"), "no sentence of ours");
    assert_string_equal(lang_text(LANG_COUNT, "Done."), "Done.");
    assert_string_equal(lang_text(LANG_DE, "Done."), "Fertig.");
}

/* What is in no file has the English forms; the rule is the language's. */
static void one_and_many(void **state)
{
    static const char one[] = "one thing that no file has", many[] = "%d things";
    (void)state;
    assert_string_equal(lang_text_n(LANG_EN, one, many, 0), many);
    assert_string_equal(lang_text_n(LANG_EN, one, many, 1), one);
    assert_string_equal(lang_text_n(LANG_DE, one, many, 2), many);
    assert_string_equal(lang_text_n(LANG_FR, one, many, 0), one);
    assert_string_equal(lang_text_n(LANG_FR, one, many, 2), many);
    assert_string_equal(lang_text_n(LANG_IT, one, many, 0), many);
}

static void languages_by_name(void **state)
{
    static const struct {
        const char *name;
        enum lang lang;
    } rows[] = {{"de", LANG_DE}, {"de_CH.UTF-8", LANG_DE}, {"de-CH,de;q=0.9", LANG_DE},
        {"DE", LANG_DE}, {"fr_CH", LANG_FR}, {"it.UTF-8", LANG_IT}, {"en_US", LANG_EN},
        {"C", LANG_COUNT}, {"C.UTF-8", LANG_COUNT}, {"den", LANG_COUNT}, {"d", LANG_COUNT},
        {"", LANG_COUNT}, {NULL, LANG_COUNT}, {"deu", LANG_COUNT}, {"es_ES", LANG_COUNT}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (lang_parse(rows[i].name) != rows[i].lang)
            fail_msg("\"%s\"", rows[i].name ? rows[i].name : "NULL");
    for (enum lang lang = LANG_EN; lang < LANG_COUNT; lang++)
        assert_int_equal(lang_parse(lang_code(lang)), lang);
}

static void the_first_variable_that_says_something(void **state)
{
    (void)state;
    unsetenv("LC_ALL");
    setenv("LC_MESSAGES", "", 1);
    setenv("LANG", "it_CH.UTF-8", 1);
    assert_int_equal(lang_of_locale(), LANG_IT);
    setenv("LC_MESSAGES", "fr_CH", 1);
    assert_int_equal(lang_of_locale(), LANG_FR);
    setenv("LC_ALL", "C.UTF-8", 1);
    assert_int_equal(lang_of_locale(), LANG_EN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_entry_is_found),
        cmocka_unit_test(unknown_sentences_stay),
        cmocka_unit_test(one_and_many),
        cmocka_unit_test(languages_by_name),
        cmocka_unit_test(the_first_variable_that_says_something),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
