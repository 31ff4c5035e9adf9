#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "proxy/wire/keyword.h"

#define READ    KEYWORD_READ
#define WRITE   KEYWORD_WRITE
#define END     KEYWORD_END
#define EXPLAIN KEYWORD_EXPLAIN

static const struct {
    const char *text;
    enum keyword_kind kind;
} cases[] = {
    /* the first word */
    {"SELECT 1", READ},
    {"select 1", READ},
    {"SeLeCt(1)", READ},
    {"SELECT", READ},
    {"SELECT'x'", READ},
    {"SELECT@a", READ},
    {"SELECT*FROM t", READ},
    {"SELECT/**/1", READ},
    {"SELECTED", WRITE},
    {"SELEC", WRITE},
    {"SELECT9", WRITE},
    {"SELECT0 x", WRITE},
    {"SELECT_ x", WRITE},
    {"SELECT$ x", WRITE},
    {"zSELECT", WRITE},
    {"(SELECT 1) UNION (SELECT 2)", READ},
    {" ( (SELECT 1))", READ},
    {"(((INSERT", WRITE},
    {"\t\r\n\v\f SELECT 1", READ},
    {"", READ},
    {"   ", READ},
    {"SHOW TABLES", READ},
    {"WITH x AS (SELECT 1) SELECT * FROM x", READ},
    {"VALUES (1)", READ},
    {"TABLE t", READ},
    {"USE elexis", READ},
    {"HELP 'x'", READ},
    {"DO SLEEP(1)", READ},
    {"CHECKSUM TABLE t", READ},
    {"UNLOCK TABLES", END},
    {"KILL QUERY 1", READ},
    {"SAVEPOINT a", READ},
    {"RELEASE SAVEPOINT a", READ},
    {"COMMIT", END},
    {"commit;", END},
    {"ROLLBACK TO SAVEPOINT a", END},
    {"INSERT INTO t VALUES (1)", WRITE},
    {"UPDATE t SET a=1", WRITE},
    {"DELETE FROM t", WRITE},
    {"REPLACE INTO t VALUES (1)", WRITE},
    {"LOAD DATA LOCAL INFILE 'x' INTO TABLE t", WRITE},
    {"CALL p()", WRITE},
    {"CREATE TABLE t (a INT)", WRITE},
    {"ALTER TABLE t ADD b INT", WRITE},
    {"TRUNCATE t", WRITE},
    {"ANALYZE SELECT 1", WRITE},
    {"OPTIMIZE TABLE t", WRITE},
    {"EXECUTE IMMEDIATE 'x'", WRITE},
    {"HANDLER t OPEN", WRITE},
    {"XA START 'x'", WRITE},
    {"LOCK TABLES t READ", WRITE},
    {"FLUSH TABLES", WRITE},
    {"IF 1 THEN SELECT 1; END IF", WRITE},
    {"averylongwordthatisnokeyword SELECT", WRITE},
    {"`SELECT`", WRITE},
    {"'SELECT'", WRITE},
    {"1", WRITE},
    {";SELECT 1", WRITE},
    {"S\xc3\xa4LECT 1", WRITE},
    {"SELECT\xc2\xa0"
     "1",
        WRITE}, /* a no-break space is a letter to the server */
    {"\xef\xbb\xbfSELECT 1", WRITE},

    /* comments */
    {"-- comment\nSELECT 1", READ},
    {"--\nSELECT 1", READ},
    {"--\tx\nUPDATE t", WRITE},
    {"-- SELECT 1\nUPDATE t", WRITE},
    {"-- only a comment", READ},
    {"--", READ},
    {"--SELECT 1", WRITE},
    {"-SELECT 1", WRITE},
    {"-", WRITE},
    {"# comment\n# another\nSELECT 1", READ},
    {"#SELECT\nDELETE FROM t", WRITE},
    {"#", READ},
    {"/* comment */SELECT 1", READ},
    {"/* UPDATE */ SELECT 1", READ},
    {"/* SELECT */ UPDATE t", WRITE},
    {"/**/SELECT 1", READ},
    {"/***/SELECT 1", READ},
    {"/* ** / */SELECT 1", READ},
    {"/* /* */ SELECT 1", READ}, /* they do not nest */
    {"/* not closed SELECT", WRITE},
    {"/*", WRITE},
    {"/", WRITE},
    {"/ SELECT", WRITE},
    {"*/ SELECT 1", WRITE},
    {"/*+ hint */ SELECT 1", READ},
    {"/* ApplicationName=DBeaver */ SELECT 1", READ},
    {"/* mysql-connector-java-8.0.22 */SELECT @@x AS y", READ},

    /* version comments are code */
    {"/*! SELECT */ 1", READ},
    {"/*!SELECT 1*/", READ},
    {"/*! UPDATE t */", WRITE},
    {"/*!40101 SET NAMES utf8 */", END},
    {"/*!40100 SET @@SQL_MODE='' */", END},
    {"/*!40014 SET GLOBAL x=1 */", WRITE},
    {"/*!50003 CREATE*/ /*!50020 DEFINER=x*/", WRITE},
    {"/*!50003SELECT 1*/", READ},
    {"/*!100100 SET @@MAX_STATEMENT_TIME=0 */", END},
    {"/*M! SELECT 1 */", READ},
    {"/*M!100400 SELECT 1 */", READ},
    {"/*M!100400 DELETE FROM t */", WRITE},
    {"/*M comment */ SELECT 1", READ},
    {"/*MSELECT*/ UPDATE t", WRITE},
    {"/*!999999 SELECT 1 */ DELETE FROM t", WRITE},
    {"/*!50701 SELECT 1 */ DELETE FROM t", WRITE},
    {"/*!80000 SELECT */ 1", WRITE},
    {"/*!50699 SELECT */ 1", READ},
    {"/*!50700 SELECT */ 1", WRITE},
    {"/*!099999 SELECT */ 1", WRITE},
    {"/*!100000 SELECT */ 1", READ},
    {"/*!100600 SELECT */ 1", READ},
    {"/*!100601 SELECT */ 1", WRITE},
    {"/*!80000 */ SELECT 1", READ},
    {"/*! */ SELECT 1", READ},
    {"/*! */ UPDATE t", WRITE},
    {"/*!*/SELECT 1", READ},
    {"/*!40101 /* nested */ SELECT 1 */", READ},
    {"/*! * SELECT", WRITE},
    {"/*!12 SELECT 1 */", WRITE}, /* no version: the number 12 */
    {"/*!", WRITE},
    {"/*M!", WRITE},

    /* EXPLAIN and its kin */
    {"EXPLAIN SELECT 1", EXPLAIN},
    {"EXPLAIN UPDATE t SET a=1", EXPLAIN},
    {"EXPLAIN ANALYZE DELETE FROM t", WRITE},
    {"explain /* x */ analyze select 1", WRITE},
    {"DESC t", EXPLAIN},
    {"DESC `t`", EXPLAIN},
    {"DESCRIBE t", EXPLAIN},
    {"DESCRIBE ANALYZE SELECT 1", WRITE},
    {"EXPLAIN (SELECT 1)", EXPLAIN},
    {"EXPLAIN", READ},

    /* SET */
    {"SET autocommit=0", END},
    {"SET NAMES utf8mb4", END},
    {"SET @a = 1", END},
    {"SET@a=1", END},
    {"SET @@session.sql_mode=''", END},
    {"SET SESSION TRANSACTION READ ONLY", END},
    {"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", END},
    {"SET ROLE x", END},
    {"SET `x` = 1", END},
    {"SET", END},
    {"SET PASSWORD = PASSWORD('x')", WRITE},
    {"SET /* x */ PASSWORD FOR a = 'x'", WRITE},
    {"SET DEFAULT ROLE x", WRITE},
    {"SET GLOBAL x=1", WRITE},
    {"SET @@GLOBAL.x=1", WRITE},
    {"set @@global.x=1", WRITE},
    {"SET PERSIST x=1", WRITE},
    {"SET @@persist_only.x=1", WRITE},
    {"SET STATEMENT max_statement_time=1000 FOR SELECT 1", READ},
    {"SET STATEMENT max_statement_time=1.5, sql_mode='ANSI' FOR SELECT 1", READ},
    {"SET STATEMENT max_statement_time=1 FOR UPDATE t SET a=1", WRITE},
    {"SET STATEMENT a='x FOR SELECT' FOR DELETE FROM t", WRITE},
    {"SET STATEMENT a='x\\' FOR SELECT' FOR DELETE FROM t", WRITE},
    {"SET STATEMENT a='x'' FOR SELECT' FOR DELETE FROM t", WRITE},
    {"SET STATEMENT a=\"FOR SELECT\" FOR DELETE FROM t", WRITE},
    {"SET STATEMENT a=`FOR` FOR SELECT 1", READ},
    {"SET STATEMENT a=1 /* FOR SELECT */ FOR INSERT INTO t", WRITE},
    {"SET STATEMENT a=1 FOR /* x */ (SELECT 1)", READ},
    {"SET STATEMENT a=1 FOR COMMIT", END},
    {"SET STATEMENT a=4/2-1 FOR SELECT 1", READ},
    {"SET STATEMENT a=4/*2*/-1 FOR UPDATE t SET a=1", WRITE},
    {"SET STATEMENT a=1", WRITE},
    {"SET STATEMENT a='not closed FOR SELECT 1", WRITE},
    {"SET STATEMENT a=1; DELETE FROM t", WRITE},

    /* BEGIN, START */
    {"BEGIN", END},
    {"BEGIN WORK", END},
    {"BEGIN;", END},
    {"BEGIN NOT ATOMIC DELETE FROM t; END", WRITE},
    {"BEGIN DELETE FROM t; END", WRITE},
    {"BEGIN /* x */", END},
    {"START TRANSACTION", END},
    {"START TRANSACTION WITH CONSISTENT SNAPSHOT", END},
    {"START SLAVE", WRITE},
    {"START", WRITE},
    {"START 'x'", WRITE},
};

static enum keyword_kind in_pieces(const char *text, size_t n, size_t piece)
{
    struct keyword k;
    enum keyword_kind told = KEYWORD_UNDECIDED;
    keyword_start(&k);
    for (size_t at = 0; at < n; at += piece) {
        enum keyword_kind now = keyword_feed(
            &k, (const uint8_t *)text + at, n - at < piece ? n - at : piece);
        if (told != KEYWORD_UNDECIDED)
            assert_int_equal(now, told); /* stays decided */
        told = now;
    }
    enum keyword_kind end = keyword_finish(&k);
    if (told != KEYWORD_UNDECIDED)
        assert_int_equal(end, told);
    return end;
}

static void statements_are_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n = strlen(cases[i].text);
        for (size_t piece = 1; piece <= n + 1; piece++)
            if (in_pieces(cases[i].text, n, piece) != cases[i].kind)
                fail_msg("in pieces of %zu: %s", piece, cases[i].text);
    }
}

static void truncated_anywhere_it_still_decides(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t n = 0; n < strlen(cases[i].text); n++)
            assert_int_not_equal(in_pieces(cases[i].text, n, 3), KEYWORD_UNDECIDED);
}

static void told_as_soon_as_known(void **state)
{
    (void)state;
    struct keyword k;
    keyword_start(&k);
    assert_int_equal(keyword_feed(&k, (const uint8_t *)"UPDATE", 6), KEYWORD_UNDECIDED);
    assert_int_equal(keyword_feed(&k, (const uint8_t *)" ", 1), KEYWORD_WRITE);
}

static void the_search_is_bounded(void **state)
{
    (void)state;
    char text[KEYWORD_SEARCH_MAX + 32];
    memset(text, ' ', sizeof text);
    memcpy(text + KEYWORD_SEARCH_MAX - 7, "SELECT 1", 8);
    assert_int_equal(in_pieces(text, sizeof text, 1), KEYWORD_READ);
    assert_int_equal(in_pieces(text, sizeof text, sizeof text), KEYWORD_READ);
    memset(text, ' ', sizeof text);
    memcpy(text + KEYWORD_SEARCH_MAX - 6, "SELECT 1", 8);
    assert_int_equal(in_pieces(text, sizeof text, 1), KEYWORD_READ);
    memset(text, ' ', sizeof text);
    memcpy(text + KEYWORD_SEARCH_MAX + 1, "SELECT 1", 8);
    assert_int_equal(in_pieces(text, sizeof text, 1), KEYWORD_WRITE);
    assert_int_equal(in_pieces(text, sizeof text, sizeof text), KEYWORD_WRITE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements_are_judged),
        cmocka_unit_test(truncated_anywhere_it_still_decides),
        cmocka_unit_test(told_as_soon_as_known),
        cmocka_unit_test(the_search_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
