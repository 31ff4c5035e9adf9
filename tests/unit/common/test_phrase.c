/* Sentences that travel: what printf makes, kept apart and put together again; and what is not
 * ours. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error_phrase.h"
#include "common/json_get.h"
#include "common/phrase.h"
#include "unit.h"

static void assert_words_of(json_t *p, const char *wanted)
{
    char *words = phrase_words(LANG_EN, p);
    assert_string_equal(words, wanted);
    free(words);
    json_decref(p);
}

/* The words are those of printf, whatever the conversion. */
static void as_printf_writes(void **state)
{
    (void)state;
#define SAME(...)                                                                                  \
    do {                                                                                           \
        char *wanted = xasprintf(__VA_ARGS__);                                                     \
        assert_words_of(phrase(__VA_ARGS__), wanted);                                              \
        free(wanted);                                                                              \
    } while (0)
    SAME("no argument");
    SAME("100 %% of %s", "it");
    SAME("%d %i %u %x %X %o", -1, 2, 3u, 0xabu, 0xABu, 8u);
    SAME("%ld %lu %lld %llu", -4L, 5ul, -6LL, 7ull);
    SAME("%zu %zd %jd", (size_t)8, (ssize_t)-9, (intmax_t)10);
    SAME("%" PRId64 " and %" PRIu64, INT64_MIN, UINT64_MAX);
    SAME("%hhu %hd", (unsigned char)200, (short)-3);
    SAME("%02d:%02d %+d", 3, 4, 5);
    SAME("%.*s|%-5s|%5s|%.2s", 3, "abcdef", "ab", "cd", "xyz");
    SAME("%*d|%c|%.1f", 4, 7, 'c', 2.25);
#undef SAME
}

static void each_language_has_its_order(void **state)
{
    (void)state;
    json_t *p = json_loads("[\"%2$s before %1$s, %%, %3$s\",\"one\",\"two\"]", 0, NULL);
    assert_words_of(p, "two before one, %, ?");
}

static void parts_and_phrases_within(void **state)
{
    (void)state;
    json_t *outer = phrase("it failed: %s, %d times", "x", 2);
    phrase_set(outer, 0, phrase("disk %s is full", "sda"));
    assert_words_of(outer, "it failed: disk sda is full, 2 times");
    assert_words_of(json_pack("[o, o]", phrase("a %d", 1), phrase("b")), "a 1: b");
}

/* An error and a list of phrases as arguments of a sentence: each takes its words where the whole
 * is read, also from a file of before, and none of what only looks like one. */
static void carried_within(void **state)
{
    struct err why = {0}, whole = {0}, back = {0};
    (void)state;
    (void)err_set(&why, ENOSPC, "ended with %d", 3);
    (void)err_set(&whole, EIO, "the import %s", err_words(&why));
    assert_string_equal(whole.text, "the import ended with 3");
    json_t *file = json_object();
    error_phrase_put_as(file, "words", &whole);
    assert_string_equal(json_get_text(file, "words"), whole.text);
    (void)error_phrase_take_from(&back, EIO, file, "words");
    char *german = error_phrase_words(LANG_DE, &back);
    assert_string_equal(german, "das Einlesen endete mit 3");
    free(german);
    json_decref(file);
    /* the sentence that is nothing but the other one is that one */
    (void)err_set(&back, EIO, "%s", err_words(&whole));
    assert_string_equal(back.phrase, whole.phrase);
    json_t *list = phrase_list(
        json_pack("[o, o]", phrase("cancelled before it began"), phrase("x")));
    char *carried = phrase_carried(list);
    json_decref(list);
    (void)err_set(&back, EIO, "%s or %s", carried, "y");
    free(carried);
    assert_string_equal(back.text, "cancelled before it began, x or y");
    german = error_phrase_words(LANG_DE, &back);
    assert_string_equal(german, "abgebrochen, bevor sie begann, x oder y");
    free(german);
    (void)err_set(&back, EIO, "%s", "\x1a[\"cut");
    assert_string_equal(back.text, "[\"cut");
}

/* What each language writes in its way, and what only looks like it. */
/* A part of a sentence that the catalogue has is read in the reader's language, too; a name is not.
 */
static void parts_of_the_catalogue(void **state)
{
    (void)state;
    json_t *p = json_loads("[\"%s: %s\",\"Cancel\",\"is cut off\"]", 0, NULL);
    char *words = phrase_words(LANG_DE, p);
    assert_string_equal(words, "Cancel: ist abgeschnitten");
    free(words);
    json_decref(p);
}

static void moments_and_numbers(void **state)
{
    static const char *const rows[][4] = {{"local", "2026-03-02 14:05", "02.03.2026 14:05"},
        {"local", "2026-03-02", "02.03.2026"}, {"local", "today", "today"},
        {"local", "2026-3-2", "2026-3-2"}, {"8100000", "8.1 MB", "8,1 MB", "8,1 Mo"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *p = phrase("%s!", "");
        phrase_set(p, 0,
            *rows[i][0] == 'l' ? phrase_local(rows[i][1])
                               : phrase_bytes(strtoull(rows[i][0], NULL, 10)));
        for (enum lang lang = LANG_EN; lang < LANG_COUNT; lang++) {
            char *words = phrase_words(lang, p),
                 *wanted = xasprintf("%s!", rows[i][lang == LANG_EN                 ? 1
                                                    : lang == LANG_FR && rows[i][3] ? 3
                                                                                    : 2]);
            assert_string_equal(words, wanted);
            free(words);
            free(wanted);
        }
        json_decref(p);
    }
}

/* A file or a peer can write what it wants. */
static void hostile(void **state)
{
    static const char *const rows[][2] = {{"[]", ""}, {"{}", ""}, {"\"x\"", ""}, {"[1]", ""},
        {"[\"%s%s%s%n%s\",\"a\"]", "a??%n?"}, {"[\"%\",\"a\"]", "%"}, {"[\"%5\"]", "%5"},
        {"[\"%999999$s\"]", "%999999$s"}, {"[\"%1$s%0$s\",\"a\"]", "aa"}, {"[\"%s\",{}]", "?"},
        {"[\"%s\",\"%s%n\"]", "%s%n"}, {"[\"%ls\",\"a\"]", "a"},
        {"[\"%s\",[\"%s\",[\"%s\",[\"%s\",[\"%s\",[\"%s\",[\"%s\",[\"%s\",\"deep\"]]]]]]]]", ""}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *p = json_loads(rows[i][0], JSON_DECODE_ANY, NULL);
        char *words = phrase_words(LANG_DE, p);
        if (strcmp(words, rows[i][1]) != 0)
            fail_msg("%s: %s", rows[i][0], words);
        free(words);
        json_decref(p);
    }
    /* not longer than anybody reads: an argument is there as often as the key names it */
    json_t *big = json_array(), *o = json_object();
    char key[4001], long_one[2000];
    for (size_t i = 0; i < 2000; i++)
        memcpy(key + 2 * i, "%s", 3);
    memset(long_one, 'x', sizeof long_one - 1);
    long_one[sizeof long_one - 1] = '\0';
    (void)json_array_append_new(big, json_string(key));
    for (int i = 0; i < 2000; i++)
        (void)json_array_append_new(big, json_string(long_one));
    char *words = phrase_words(LANG_EN, big);
    assert_true(strlen(words) <= 8000);
    free(words);
    json_decref(big);
    json_decref(o);
    /* one argument, named a hundred times at each depth, that says nothing: 10^12 steps */
    json_t *wide = json_array();
    for (int depth = 0; depth < 6; depth++) {
        key[0] = '\0';
        for (size_t i = 0; i < 100; i++)
            memcpy(key + 4 * i, "%1$s", 5);
        wide = json_pack("[s, o]", key, wide);
    }
    words = phrase_words(LANG_EN, wide);
    assert_string_equal(words, "");
    free(words);
    json_decref(wide);
}

static void members(void **state)
{
    (void)state;
    json_t *o = json_object(), *copy = json_object();
    phrase_put(o, "text", phrase("only %s", "this"));
    phrase_put(o, "none", NULL);
    assert_string_equal(json_get_text(o, "text"), "only this");
    assert_int_equal(json_object_size(o), 2);
    phrase_copy(copy, "error", o, "text");
    phrase_copy(copy, "error", NULL, "text");
    char *words = phrase_in(LANG_DE, copy, "error");
    assert_string_equal(words, "only this");
    free(words);
    (void)json_object_set_new(copy, "error_phrase", json_string("no array"));
    words = phrase_in(LANG_DE, copy, "error");
    assert_string_equal(words, "only this");
    free(words);
    words = phrase_in(LANG_DE, copy, "missing");
    assert_string_equal(words, "");
    free(words);
    json_decref(o);
    json_decref(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_printf_writes),
        cmocka_unit_test(each_language_has_its_order),
        cmocka_unit_test(parts_and_phrases_within),
        cmocka_unit_test(carried_within),
        cmocka_unit_test(parts_of_the_catalogue),
        cmocka_unit_test(moments_and_numbers),
        cmocka_unit_test(hostile),
        cmocka_unit_test(members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
