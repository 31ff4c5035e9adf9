/* Which statements call a function that is not the server's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "proxy/wire/calls.h"

static const struct {
    const char *text;
    bool calls;
} cases[] = {
    {"SELECT 1", false},
    {"SELECT f(1)", true},
    {"SELECT f (1)", true},
    {"SELECT f/* x */(1)", true},
    {"SELECT f -- x\n(1)", true},
    {"SELECT f # x\n(1)", true},
    {"SELECT /* x */ (1)", false},
    {"SELECT db.f(1)", true},
    {"SELECT db.count(1)", true},
    {"SELECT db . `count` (1)", true},
    {"SELECT `f`(1)", true},
    {"SELECT \"f\"(1)", true},
    {"SELECT count(*), max(a), Abs(-1) FROM t", false},
    {"SELECT CONCAT('f(1)', \"g(1)\")", false},
    {"SELECT 'it''s f(1)'", false},
    {"SELECT 'a\\nf(1)'", false},
    {"SELECT 'it\\'s'", true}, /* unclear under NO_BACKSLASH_ESCAPES */
    {"SELECT `a``(b` FROM t", false},
    {"SELECT 1 -- f(1)", false},
    {"SELECT 1 --f(1)", true}, /* two minus signs */
    {"SELECT 1 # f(1)", false},
    {"SELECT 1 /* f(1) */ - (2)", false},
    {"SELECT /*! f(1) */ 1", true},
    {"SELECT /*M!100500 1 */", true},
    {"SELECT a FROM t WHERE a IN (1,2) AND (b OR NOT (c)) AND EXISTS (SELECT 1)", false},
    {"SELECT t.a, (1) FROM t", false},
    {"SELECT NEXT VALUE FOR s", true},
    {"SELECT next  /**/ values FOR s", true},
    {"SELECT next FROM t", false},
    {"SELECT nextval(s)", true},
    {"SELECT a_name_that_is_longer_than_any_in_the_table(1)", true},
    {"SELECT COUNTx(1)", true},
    {"SELECT @a:=f(1)", true},
    {"SELECT DATE_FORMAT(TIMESTAMPDIFF(DAY, a, b), '%') , YEARWEEK(a), ABS(1)", false},
};

static bool calls(const char *text, size_t piece)
{
    struct calls c;
    size_t n = strlen(text);
    bool found = false;
    calls_start(&c);
    for (size_t at = 0; at < n; at += piece)
        found = calls_feed(&c, (const uint8_t *)text + at, n - at < piece ? n - at : piece);
    return found;
}

static void statements_are_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t piece = 1; piece <= strlen(cases[i].text); piece++)
            if (calls(cases[i].text, piece) != cases[i].calls)
                fail_msg("in pieces of %zu: %s", piece, cases[i].text);
}

/* A name that stands out of order in the table would not be found. */
static void the_servers_own_functions_are_known(void **state)
{
    (void)state;
    static const char *const names[] = {"abs", "avg", "cast", "coalesce", "concat_ws", "convert",
        "curdate", "date_add", "exists", "from_unixtime", "group_concat", "if", "ifnull", "in",
        "json_value", "last_insert_id", "left", "length", "lower", "max", "mod", "nullif", "now",
        "or", "rand", "replace", "round", "row_count", "select", "sha1", "str_to_date", "substr",
        "substring_index", "timestampdiff", "time_format", "trim", "unix_timestamp", "upper",
        "using", "values", "version", "where", "xor", "year", "yearweek"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char text[64];
        strcat(strcat(strcpy(text, "SELECT "), names[i]), "(1)");
        if (calls(text, 1))
            fail_msg("%s", text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements_are_judged),
        cmocka_unit_test(the_servers_own_functions_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
