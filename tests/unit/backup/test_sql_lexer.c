/* Statements as the server and the client both cut them; what they would cut differently is
 * refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../common/unit.h"
#include "backup/rules/sql_lexer.h"
#include "common/error.h"

#define SETS "\x1e" /* between the statements of an expectation */

/* The statements, or the words of the refusal with its line; malloc'ed. piece: bytes a time. */
static char *cut(const char *text, size_t len, size_t piece)
{
    struct sql_lexer *l = sql_lexer_new(true, 1 << 20);
    struct sql_statement s;
    char *out = xstrdup("");
    size_t fed = 0;
    for (;;) {
        int r = sql_lexer_next(l, &s);
        char *longer = NULL;
        if (r > 0) {
            const char *from = s.text;
            size_t n = s.len;
            for (; n > 0 && strchr(" \t\r\n", *from); n--)
                from++;
            while (n > 0 && strchr(" \t\r\n", from[n - 1]))
                n--;
            longer = xasprintf("%s%s%.*s", out, *out ? SETS : "", (int)n, from);
        } else if (r < 0)
            longer = xasprintf("refused %llu: %s", (unsigned long long)sql_lexer_line(l),
                sql_refusal_words(sql_lexer_refused(l)));
        if (longer) {
            free(out);
            out = longer;
        }
        if (r < 0 || (r == 0 && fed > len))
            break;
        if (r > 0)
            continue;
        size_t n = len - fed < piece ? len - fed : piece;
        sql_lexer_feed(l, text + fed, n);
        fed += n;
        if (fed == len) {
            sql_lexer_end(l);
            fed++;
        }
    }
    sql_lexer_free(l);
    return out;
}

static void test_cuts(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {" ; ;; ", ""},
        {"-- nothing\n# here\n/* either */", ""},
        {"SELECT 1; SELECT 2", "SELECT 1" SETS "SELECT 2"},
        {"\xEF\xBB\xBFSELECT 1;", "SELECT 1"},
        {"SELECT ';', \";\", `;` ; a", "SELECT ';', \";\", `;`" SETS "a"},
        {"SELECT 'it''s;', 'b\\';' ; a", "SELECT 'it''s;', 'b\\';'" SETS "a"},
        {"SELECT 1 -- ;\n, 2; a", "SELECT 1 -- ;\n, 2" SETS "a"},
        {"SELECT 1 # ;\n, 2; a", "SELECT 1 # ;\n, 2" SETS "a"},
        {"SELECT /* ; */ 1; a", "SELECT /* ; */ 1" SETS "a"},
        {"SELECT 5-- 1;\n; a", "SELECT 5-- 1;" SETS "a"},
        {"SELECT 5--1; a", "SELECT 5--1" SETS "a"},
        {"SELECT \\N; a", "SELECT \\N" SETS "a"},
        {"/*!40101 SET NAMES utf8mb4 */; a", "/*!40101 SET NAMES utf8mb4 */" SETS "a"},
        {"/*M!999999\\- enable the sandbox mode */ \n-- x\nSELECT 1;",
            "/*M!999999\\- enable the sandbox mode */ \n-- x\nSELECT 1"},
        {"DELIMITER ;;\nCREATE PROCEDURE p() BEGIN SELECT 1; END ;;\nDELIMITER ;\na; b",
            "CREATE PROCEDURE p() BEGIN SELECT 1; END" SETS "a" SETS "b"},
        {"delimiter //\r\na; b //\r\nc //\r\n", "a; b" SETS "c"},
        {"DELIMITER $$\nBEGIN a; END$$\nb$c$$ d", "BEGIN a; END" SETS "b$c" SETS "d"},
        {"SELECT a,\n delimiter FROM t; b", "SELECT a,\n delimiter FROM t" SETS "b"},
        {"DELIMITER ;;\n/*!50003 TRIGGER t\nBEGIN\n/* x; */ a; b; END */;;\nDELIMITER ;\nc",
            "/*!50003 TRIGGER t\nBEGIN\n/* x; */ a; b; END */" SETS "c"},
        {"/*!80016 DEFAULT ENCRYPTION='N' */; a", "/*!80016 DEFAULT ENCRYPTION='N' */" SETS "a"},
        /* sql_mode */
        {"SET sql_mode='NO_BACKSLASH_ESCAPES'; SELECT '\\'; a",
            "SET sql_mode='NO_BACKSLASH_ESCAPES'" SETS "SELECT '\\'" SETS "a"},
        {"SET sql_mode=\"ANSI_QUOTES\"; SELECT \"\\\"; a",
            "SET sql_mode=\"ANSI_QUOTES\"" SETS "SELECT \"\\\"" SETS "a"},
        {"SET @@session.sql_mode='ORACLE'; SELECT \"\\\"; a",
            "SET @@session.sql_mode='ORACLE'" SETS "SELECT \"\\\"" SETS "a"},
        {"/*!40101 SET @OLD=@@SQL_MODE, SQL_MODE='NO_BACKSLASH_ESCAPES' */; x '\\'; SET SQL_MODE=@OLD; y '\\';'; z",
            "/*!40101 SET @OLD=@@SQL_MODE, SQL_MODE='NO_BACKSLASH_ESCAPES' */" SETS "x '\\'" SETS
            "SET SQL_MODE=@OLD" SETS "y '\\';'" SETS "z"},
        {"/*!40101 SET @OLD=@@SQL_MODE */; SET SQL_MODE=IFNULL(@OLD, ''); a '\\'';",
            "/*!40101 SET @OLD=@@SQL_MODE */" SETS "SET SQL_MODE=IFNULL(@OLD, '')" SETS "a '\\''"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t piece = 1; piece < 64; piece = piece * 3 + 1) {
            char *got = cut(cases[i][0], strlen(cases[i][0]), piece);
            if (strcmp(got, cases[i][1]) != 0)
                fail_msg("%s\n  gives %s\n  not   %s", cases[i][0], got, cases[i][1]);
            free(got);
        }
}

static void test_refusals(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        enum sql_refusal why;
        unsigned line;
    } cases[] = {
#define CASE(text, why, line) {text, sizeof text - 1, why, line}
        CASE("a\n--\x01; b", SQL_CONTROL, 2),
        CASE("a --\x7f; b", SQL_CONTROL, 1),
        CASE("a --\xa0; b", SQL_DASHES, 1),
        CASE("--a; b", SQL_DASHES, 1),
        CASE("a;\n /* x */ --a; b", SQL_DASHES, 2),
        CASE("a \x0b b", SQL_CONTROL, 1),
        CASE("a /* \x02 */ b", SQL_CONTROL, 1),
        CASE("a # \x1b\n b", SQL_CONTROL, 1),
        CASE("a '\0'", SQL_NUL, 1),
        CASE("a '\\\0'", SQL_NUL, 1),
        CASE("a \0", SQL_NUL, 1),
        CASE("a \\' ; b", SQL_BACKSLASH, 1),
        CASE("\\! ls", SQL_BACKSLASH, 1),
        CASE("a;\n  system ls", SQL_COMMAND, 2),
        CASE("source x\n", SQL_COMMAND, 1),
        CASE("a; DELIMITER ;;\n", SQL_DELIMITER, 1),
        CASE("; DELIMITER ;;\n", SQL_DELIMITER, 1),
        CASE("a '\\\n';DELIMITER ;;\n", SQL_DELIMITER, 2),
        CASE("DELIMITER\n;;", SQL_DELIMITER, 1),
        CASE("DELIMITER '\n", SQL_DELIMITER, 1),
        CASE("DELIMITER a b\n", SQL_DELIMITER, 1),
        CASE("DELIMITERx\n", SQL_DELIMITER, 1),
        CASE("/*!50003\nDELIMITER ;;\n*/", SQL_DELIMITER, 2),
        CASE("DELIMITER delim\ndelimiter x\n", SQL_DELIMITER, 1),
        CASE("DELIMITER delimiter;\n", SQL_DELIMITER, 1),
        CASE("SELECT a,\nDelimiter\n-\n- 1", SQL_DELIMITER, 2),
        CASE("help contents\n", SQL_COMMAND, 1),
        CASE("/*/*/ a */", SQL_COMMENT, 1),
        CASE("a /*/*/ ; b */", SQL_SPLIT, 1),
        CASE("/*!50003 a; b */", SQL_SPLIT, 1),
        CASE("/*!50003 a /* b */ c; */ d", SQL_SPLIT, 1),
        CASE("/*!50003 a /*!50003 b */ c */", SQL_COMMENT, 1),
        CASE("/*M!110000 ' */ x ;; /*M!110000 ' */", SQL_COMMENT, 1),
        CASE("/*!80000 /* */ x */", SQL_COMMENT, 1),
        CASE("/*!80000 # */ x", SQL_COMMENT, 1),
        CASE("/*!80000 SET sql_mode='ANSI' */;", SQL_COMMENT, 1),
        CASE("SET NAMES gbk;", SQL_CHARSET, 1),
        CASE("/*!50003 SET character_set_client = sjis */;", SQL_CHARSET, 1),
        CASE("SET sql_mode=@never;", SQL_MODE, 1),
        CASE("SET sql_mode='MSSQL'; SELECT [a]", SQL_MODE, 1),
        CASE("a '", SQL_OPEN, 1),
        CASE("a /* b", SQL_OPEN, 1),
        CASE("/*!50003 a", SQL_OPEN, 1),
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *want = xasprintf("refused %u: %s", cases[i].line, sql_refusal_words(cases[i].why));
        for (size_t piece = 1; piece < 64; piece = piece * 3 + 1) {
            char *got = cut(cases[i].text, cases[i].len, piece);
            if (strcmp(got, want) != 0)
                fail_msg("case %zu, %s\n  gives %s\n  not   %s", i, cases[i].text, got, want);
            free(got);
        }
        free(want);
    }
}

/* Cut at any place it neither crashes nor gives another first statement. */
static void test_truncations(void **state)
{
    static const char text[] =
        "/*!40101 SET SQL_MODE='ANSI' */; -- x\nINSERT `a``b` VALUES ('c''d\\'e', _binary \"f\"); DELIMITER";
    (void)state;
    for (size_t n = 0; n < sizeof text; n++) {
        char *whole = cut(text, n, n ? n : 1), *bytes = cut(text, n, 1);
        assert_string_equal(whole, bytes);
        free(whole);
        free(bytes);
    }
}

static void test_tokens(void **state)
{
    static const char text[] = "/*!50003 CREATE*/ -- no\n /*!50017 DEFINER=`a``b`@'h'*/ ab;";
    struct sql_lexer *l = sql_lexer_new(false, 0);
    struct sql_statement s;
    char buf[8];
    (void)state;
    sql_lexer_feed(l, text, sizeof text - 1);
    sql_lexer_end(l);
    assert_int_equal(sql_lexer_next(l, &s), 1);
    assert_int_equal(s.n_tokens, 7);
    assert_true(sql_token_is(&s, 0, "create") && sql_token_is(&s, 1, "DEFINER"));
    assert_true(sql_token_text(&s, 3, buf, sizeof buf));
    assert_string_equal(buf, "a`b");
    assert_true(sql_token_text(&s, 5, buf, sizeof buf));
    assert_string_equal(buf, "h");
    assert_false(sql_token_text(&s, 3, buf, 3));
    sql_lexer_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_truncations),
        cmocka_unit_test(test_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
