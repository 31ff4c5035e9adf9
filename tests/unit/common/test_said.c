#include "common/said.h"

#include <stdio.h>
#include "common/error_phrase.h"
#include "common/utf8.h"
#include "unit.h"

/* What a patient's data would be, in any text that a server or a program may quote. */
#define DATA "Muster Anna 756.1234.5678.97 HIV pos"

static void words_of_a_number(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 70000; n++) {
        struct err buf = {0};
        const char *words = said_words(n);
        assert_true(!words || strcmp(lang_text(LANG_DE, words), words) != 0);
        assert_null(strstr((said_of_theirs(n, "23000", &buf), buf.text), "Muster"));
    }
    struct err buf = {0};
    assert_string_equal((said_of_theirs(1062, "23000", &buf), buf.text),
        "a value occurs twice where it may occur once (error 1062, 23000)");
    char *german = error_phrase_words(LANG_DE, &buf);
    assert_string_equal(
        german, "ein Wert kommt zweimal vor, wo er nur einmal vorkommen darf (Fehler 1062, 23000)");
    free(german);
    assert_string_equal((said_of_theirs(65000, DATA, &buf), buf.text),
        "the server refuses a statement (error 65000)");
}

/* Of ours: what may quote values is never repeated, what names tables is. */
static void errors_of_our_statements(void **state)
{
    static const unsigned quoting[] = {1048, 1062, 1064, 1067, 1136, 1264, 1265, 1292, 1300, 1364,
        1366, 1406, 1411, 1451, 1452, 1526, 1586, 1644, 1690, 1054, 4025, 4078, 1231, 1105, 1366,
        3140, 0, 65535};
    struct err buf = {0};
    (void)state;
    for (size_t i = 0; i < sizeof quoting / sizeof quoting[0]; i++)
        assert_null(strstr(
            (said_of_ours(quoting[i], "Duplicate entry '" DATA "'", &buf), buf.text), "Muster"));
    assert_string_equal(
        (said_of_ours(1146, "Table 'elexis.KONTAKT' doesn't exist", &buf), buf.text),
        "Table 'elexis.KONTAKT' doesn't exist (error 1146)");
}

static void what_programs_write(void **state)
{
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"", "it said nothing"},
        {"--------------\nINSERT INTO U VALUES ('" DATA "')\n--------------\n\n"
         "ERROR 1062 (23000) at line 2250: Duplicate entry '" DATA "' for key 'PRIMARY'\n",
            "a value occurs twice where it may occur once (error 1062, 23000) at line 2250"},
        {"ERROR 1064 (42000) at line 3: You have an error in your SQL syntax; near '" DATA
         "' at line 1",
            "the server does not understand a statement (syntax error) (error 1064, 42000) at line 3"},
        {"ERROR at line 7: Unknown command '\\M'.", "the client refuses a statement at line 7"},
        {"ERROR 1644 (45000) at line 3: " DATA "\nERROR " DATA,
            "a trigger or routine of the database refused (SIGNAL) (error 1644, 45000) at line 3"},
        {"ERROR 2002 (HY000): Can't connect to local server through socket 'x' (2)",
            "the server cannot be reached (error 2002, HY000)"},
        {"mariadb-dump: Got error: 1045: \"Access denied for user 'x'@'y'\" when trying to connect",
            "the login was refused (error 1045)"},
        {"mariadb-dump: Couldn't execute 'SHOW FIELDS FROM `" DATA "`': " DATA " (1356)",
            "a view leads to something that is not there (error 1356)"},
        {"mysqldump: Error 1969: Query execution was interrupted when dumping table `T` at row: 37",
            "the statement took longer than allowed (error 1969) at row 37"},
        {"mariadb-dump: unknown option '--nonsense'\n", "unknown option '--nonsense'"},
        {"mariadb-dump: Error: '" DATA "'\n", "what it said is not repeated here"},
        {DATA "\n" DATA, "what it said is not repeated here"},
    };
    struct err buf = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal((said_of_program(cases[i].text, &buf), buf.text), cases[i].said);
}

static void checks_and_logs(void **state)
{
    struct err buf = {0};
    (void)state;
    assert_string_equal((said_of_check("Table is marked as crashed", &buf), buf.text),
        "Table is marked as crashed");
    assert_string_equal(
        (said_of_check("Found a misplaced row in part 1 should be in part 0:\n " DATA, &buf),
            buf.text),
        "CHECK TABLE finds it damaged");
    assert_string_equal(
        (said_of_log("2026 0 [ERROR] InnoDB: Record in index x: TUPLE {[36]" DATA "}\n"
                     "2026 0 [ERROR] InnoDB: Unable to lock ./ibdata1 error: 11\nx",
             &buf),
            buf.text),
        "InnoDB: Unable to lock ./ibdata1 error: 11");
    assert_string_equal((said_of_log("2026 0 [ERROR] " DATA, &buf), buf.text),
        "what its log says is not repeated here");
    assert_string_equal(
        (said_of_log("2026 0 [Note] " DATA, &buf), buf.text), "its log names no error");
}

/* Whatever comes, it ends within the buffer and is UTF-8. */
static void long_and_broken_text(void **state)
{
    char text[2000];
    struct err buf = {0};
    (void)state;
    for (size_t n = 0; n < 400; n++) {
        snprintf(text, sizeof text, "unknown option '%*s", (int)n, "");
        for (size_t i = 16; i + 1 < n + 16; i += 2)
            memcpy(text + i, "\xC3\xA4", 2);
        said_of_program(text, &buf);
        assert_true(utf8_check(buf.text, strlen(buf.text)) == strlen(buf.text));
        assert_true(strlen((said_of_ours(1146, text, &buf), buf.text)) < sizeof buf.text);
        assert_true(utf8_check(buf.text, strlen(buf.text)) == strlen(buf.text));
        text[17] = '\xFF';
        said_of_ours(1146, text, &buf);
        assert_true(utf8_check(buf.text, strlen(buf.text)) == strlen(buf.text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(words_of_a_number),
        cmocka_unit_test(errors_of_our_statements), cmocka_unit_test(what_programs_write),
        cmocka_unit_test(checks_and_logs), cmocka_unit_test(long_and_broken_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
