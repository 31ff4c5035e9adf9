/*
 * The map from client certificates to database users: what it allows, what it refuses to read.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "certs/client_map.h"
#include "tests/unit/certs/fixture.h"

static const char good[] = "# comment\n"
                           "\n"
                           "empfang-1 = elexis\n"
                           "  Labor Anna Müller\t=  elexis ,labor\r\n"
                           "buchhaltung=*\n"
                           "leer-am-ende = elexis";

static struct client_map *must_parse(const char *text)
{
    struct err e = {0};
    struct client_map *m = NULL;
    if (client_map_parse(text, strlen(text), "map", &m, &e) != 0)
        fail_msg("%s", e.text);
    return m;
}

static void answers(void **state)
{
    (void)state;
    struct client_map *m = must_parse(good);
    assert_int_equal(client_map_size(m), 4);
    assert_int_equal(client_map_check(m, "empfang-1", "elexis"), CLIENT_MAP_ALLOWED);
    assert_int_equal(client_map_check(m, "empfang-1", "labor"), CLIENT_MAP_OTHER_USER);
    assert_int_equal(client_map_check(m, "empfang-1", "Elexis"), CLIENT_MAP_OTHER_USER);
    assert_int_equal(client_map_check(m, "Empfang-1", "elexis"), CLIENT_MAP_UNKNOWN);
    assert_int_equal(client_map_check(m, "Labor Anna Müller", "labor"), CLIENT_MAP_ALLOWED);
    assert_int_equal(client_map_check(m, "Labor Anna Müller", "elexis"), CLIENT_MAP_ALLOWED);
    assert_int_equal(client_map_check(m, "buchhaltung", "root"), CLIENT_MAP_ALLOWED);
    assert_int_equal(client_map_check(m, "leer-am-ende", "elexis"), CLIENT_MAP_ALLOWED);
    assert_int_equal(client_map_check(m, "", "elexis"), CLIENT_MAP_UNKNOWN);
    client_map_free(m);
    m = must_parse("* = elexis\nchef = *\n");
    assert_int_equal(client_map_check(m, "wer-auch-immer", "elexis"), CLIENT_MAP_ALLOWED);
    assert_int_equal(client_map_check(m, "wer-auch-immer", "root"), CLIENT_MAP_OTHER_USER);
    assert_int_equal(client_map_check(m, "chef", "root"), CLIENT_MAP_ALLOWED);
    client_map_free(m);
    m = must_parse("");
    assert_int_equal(client_map_check(m, "a", "b"), CLIENT_MAP_UNKNOWN);
    client_map_free(m);
}

static void bad_lines(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"a = b\nempfang elexis\n", "map, line 2: \"=\" is missing"},
        {"= elexis\n", "line 1: the certificate's name is missing"},
        {"empfang =  \n", "line 1: the user is missing"},
        {"a = b,,c\n", "beside a comma"},
        {"a = b,\n", "beside a comma"},
        {"a = ,b\n", "beside a comma"},
        {"a = b c\n", "\"b c\" is not one user"},
        {"a = b\n\na = c\n", "line 3: \"a\" stands twice"},
        {"a\xff = b\n", "not UTF-8"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct err e = {0};
        struct client_map *m = NULL;
        assert_int_equal(
            client_map_parse(rows[i].text, strlen(rows[i].text), "map", &m, &e), -EINVAL);
        assert_null(m);
        assert_contains(e.text, rows[i].words);
    }
    struct err e = {0};
    struct client_map *m = NULL;
    assert_int_equal(client_map_parse("a\0b = c", 7, "map", &m, &e), -EINVAL);
}

static void truncated_everywhere(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof good; n++) {
        struct err e = {0};
        struct client_map *m = NULL;
        char *exact = xmalloc(n + 1);
        memcpy(exact, good, n);
        if (client_map_parse(exact, n, "map", &m, &e) == 0)
            client_map_free(m);
        else
            assert_contains(e.text, "map, line ");
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers), cmocka_unit_test(bad_lines),
        cmocka_unit_test(truncated_everywhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
