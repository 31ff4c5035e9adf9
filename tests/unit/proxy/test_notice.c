/* What clients are told, in several languages and few bytes. */
#include <stdio.h>
#include <string.h>

#include "../common/unit.h"
#include "common/phrase.h"
#include "common/utf8.h"
#include "proxy/worker.h"

static const struct tongues both = {{LANG_DE, LANG_EN}, 2},
                            all = {{LANG_FR, LANG_IT, LANG_DE, LANG_EN}, 4};

static void in_each_language(void **state)
{
    (void)state;
    struct notice *n = notice_make(&both, phrase("Too many connections."));
    assert_string_equal(n->text, "Zu viele Verbindungen. / Too many connections.");
    notice_unref(n);
    n = notice_make(&all, phrase("Too many connections."));
    assert_string_equal(n->text,
        "Trop de connexions. / Troppe connessioni. / Zu viele Verbindungen. / Too many connections.");
    notice_unref(n);
    n = notice_make(&both, phrase("%s", "Umzug nach 14 Uhr, über Mittag"));
    assert_string_equal(n->text, "Umzug nach 14 Uhr, über Mittag");
    assert_string_equal(n->ascii, "Umzug nach 14 Uhr, ueber Mittag");
    notice_unref(n);
}

/* A language is there whole or not at all; only the first one may be cut, between characters. */
static void whole_languages(void **state)
{
    (void)state;
    for (size_t len = 0; len < 300; len++) {
        char typed[2 * 300 + 1] = "";
        for (size_t i = 0; i < len; i++)
            memcpy(typed + 2 * i, "ü", 3);
        json_t *p = phrase("%s (expected until %s)", typed, "14:30");
        char *words = notice_words(&both, p), *de = phrase_words(LANG_DE, p),
             *en = phrase_words(LANG_EN, p), *whole = NULL;
        size_t room = 511;
        assert_true(asprintf(&whole, "%s / %s", de, en) > 0);
        assert_int_equal(utf8_check(words, strlen(words)), strlen(words));
        if (strlen(whole) <= room)
            assert_string_equal(words, whole);
        else if (strlen(de) <= room)
            assert_string_equal(words, de);
        else {
            assert_in_range(strlen(words), room - 3, room);
            assert_memory_equal(words, de, strlen(words));
        }
        free(words);
        free(whole);
        free(de);
        free(en);
        json_decref(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_each_language),
        cmocka_unit_test(whole_languages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
