#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "backup/rules/sql_scan.h"

static struct sql_scan last; /* freed by the next one */

/* However it is cut, it is the same. */
static const struct sql_scan *scan_bytes(const char *text, size_t n)
{
    struct sql_scan pieces = {0};
    sql_scan_start(&last, "elexis");
    sql_scan_feed(&last, text, n);
    sql_scan_finish(&last);
    sql_scan_start(&pieces, "elexis");
    for (size_t i = 0; i < n; i++)
        sql_scan_feed(&pieces, text + i, 1);
    sql_scan_finish(&pieces);
    assert_int_equal(last.lines, pieces.lines);
    assert_int_equal(last.statements, pieces.statements);
    assert_int_equal(last.other_line, pieces.other_line);
    assert_string_equal(last.other, pieces.other);
    assert_int_equal(last.account_line, pieces.account_line);
    assert_int_equal(last.gtid_line, pieces.gtid_line);
    assert_int_equal(last.refused, pieces.refused);
    assert_int_equal(last.complete, pieces.complete);
    assert_string_equal(last.server, pieces.server);
    assert_int_equal(last.n_tables, pieces.n_tables);
    for (size_t i = 0; i < last.n_tables; i++)
        assert_memory_equal(&last.tables[i], &pieces.tables[i], sizeof last.tables[i]);
    assert_int_equal(last.n_needs, pieces.n_needs);
    for (size_t i = 0; i < last.n_needs; i++)
        assert_string_equal(last.needs[i].name, pieces.needs[i].name);
    sql_scan_clear(&pieces);
    return &last;
}

static const struct sql_scan *scan(const char *text)
{
    return scan_bytes(text, strlen(text));
}

static void whole_dump(void **state)
{
    (void)state;
    const struct sql_scan *s = scan(
        "\xEF\xBB\xBF/*M!999999\\- enable the sandbox mode */ \n"
        "-- MariaDB dump 10.19\n-- Server version\t11.8.2-MariaDB-1\n"
        "/*!40101 SET NAMES utf8mb4 */;\n"
        "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `elexis`;\nUSE `elexis`;\n"
        "CREATE TABLE `a;b` (i int COMMENT 'x;\\'; DROP DATABASE y');\n"
        "CREATE TABLE IF NOT EXISTS `leer` (i int);\n"
        "INSERT INTO `a;b` VALUES ('-- Dump completed'),('USE other;');\n"
        "-- Dump completed on 2026-11-22\n");
    assert_true(s->complete);
    assert_int_equal(s->refused, SQL_ACCEPTED);
    assert_int_equal(s->other_line, 0);
    assert_int_equal(s->account_line, 0);
    assert_int_equal(s->n_tables, 2);
    assert_string_equal(s->tables[0].name, "a;b");
    assert_true(s->tables[0].filled);
    assert_string_equal(s->tables[1].name, "leer");
    assert_false(s->tables[1].filled);
    assert_int_equal(s->statements, 6);
    assert_string_equal(s->server, "11.8.2-MariaDB-1");
}

static void ends(void **state)
{
    (void)state;
    assert_true(scan("CREATE TABLE t (i int);\r\n-- Dump completed on x")->complete);
    assert_false(scan("CREATE TABLE t (i int);\nINSERT INTO t VALUES (1")->complete);
    const struct sql_scan *s = scan("INSERT INTO t VALUES ('abc\n-- Dump completed\n");
    assert_false(s->complete);
    assert_int_equal(s->refused, SQL_OPEN);
    /* what comes after the mark was not announced by it */
    assert_false(scan("-- Dump completed\nINSERT INTO t VALUES (1);\n")->complete);
    assert_true(scan("-- Dump completed\n-- Dump completed\n\n")->complete);
    assert_false(scan("")->complete);
}

static void other_databases(void **state)
{
    (void)state;
    static const char *const bad[] = {"USE mysql;", "use `mysql`;",
        "/*!40000 DROP DATABASE IF EXISTS `mysql`*/;", "CREATE DATABASE mysql;",
        "CREATE OR REPLACE SCHEMA mysql;", "\xEF\xBB\xBFUSE mysql;",
        "create database if not exists `mysql` default character set utf8;",
        "/*!50000 USE mysql */;", "ALTER DATABASE mysql CHARACTER SET utf8;",
        "DELIMITER ;;\nUSE mysql;;\nDELIMITER ;\n", "USE/**/mysql;", "-- x\nUSE mysql",
        "INSERT INTO mysql.x VALUES (1);", "insert ignore into `mysql`.`x` values (1);",
        "REPLACE mysql.x VALUES (1);", "CREATE TABLE IF NOT EXISTS mysql.x (i int);",
        "CREATE ALGORITHM=MERGE DEFINER=`a`@`b` SQL SECURITY DEFINER VIEW mysql.v AS SELECT 1;",
        "CREATE TRIGGER t BEFORE INSERT ON mysql.x FOR EACH ROW SET @a = 1;",
        "CREATE DEFINER=a@b PROCEDURE mysql.p() SELECT 1;", "DROP TABLE IF EXISTS a, `mysql`.b;",
        "LOCK TABLES a WRITE, mysql.b WRITE;", "TRUNCATE mysql.x;",
        "ALTER TABLE mysql.x ADD i int;", "RENAME TABLE a TO mysql.a;", "UPDATE mysql.x SET i = 1;",
        "DELETE FROM mysql.x;", "LOAD DATA INFILE '/x' INTO TABLE mysql.x;", "CALL mysql.p();",
        "CREATE INDEX i ON mysql.x (i);"};
    static const char *const good[] = {"INSERT INTO t VALUES ('USE mysql;'); -- USE mysql;\n",
        "CREATE TABLE x (i int); DROP TABLE mysql;", "INSERT INTO elexis.t VALUES (1.5);",
        "CREATE VIEW v AS SELECT mysql.x.i FROM mysql.x;", "SELECT a.b FROM a;",
        "CREATE TABLE t (i int, FOREIGN KEY (i) REFERENCES mysql.x (i));",
        "UPDATE elexis.a SET a.b = 1;", "CREATE PROCEDURE p() UPDATE mysql.x SET i = 1;"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (!scan(bad[i])->other_line)
            fail_msg("not seen: %s", bad[i]);
        assert_string_equal(last.other, "mysql");
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (scan(good[i])->other_line)
            fail_msg("seen: %s", good[i]);
    assert_int_equal(scan("SELECT 1;\n\nUSE mysql;")->other_line, 3);
}

static void client_commands(void **state)
{
    (void)state;
    static const char *const bad[] = {"\\! touch /tmp/x\n", "SELECT 1;\n\\! id\n", "system id\n",
        "source /etc/passwd\n", "tee x\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (scan(bad[i])->refused != SQL_COMMAND && last.refused != SQL_BACKSLASH)
            fail_msg("not seen: %s", bad[i]);
    assert_string_equal(scan("system id\n")->command, "system");
    assert_string_equal(scan("\\! id\n")->command, "\\");
    assert_int_equal(scan("INSERT INTO t VALUES ('\\\\! x', \"system\");\n")->refused, 0);
    assert_int_equal(scan("CREATE TABLE system_x (source int, `system` int);\n")->refused, 0);
    assert_int_equal(scan("SELECT source FROM t;")->refused, 0);
}

static void accounts(void **state)
{
    (void)state;
    assert_int_equal(scan("\nGRANT ALL ON *.* TO x;")->account_line, 2);
    assert_int_equal(scan("CREATE USER x;")->account_line, 1);
    assert_int_equal(scan("CREATE OR REPLACE ROLE x;")->account_line, 1);
    assert_int_equal(scan("DROP USER x;")->account_line, 1);
    assert_int_equal(scan("CREATE TABLE `grant` (user int);")->account_line, 0);
    assert_int_equal(scan("\nSET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ 'a:1-5';")->gtid_line, 2);
}

static bool needs(const char *text, const char *name, bool collation)
{
    scan(text);
    for (size_t i = 0; i < last.n_needs; i++)
        if (strcmp(last.needs[i].name, name) == 0 && last.needs[i].collation == collation)
            return true;
    return false;
}

static void what_it_asks_for(void **state)
{
    (void)state;
    char wide[4000] = "CREATE TABLE t (";
    for (unsigned i = 0; i < 100; i++)
        snprintf(wide + strlen(wide), 40, "c%u int,", i);
    strcat(wide, "i int) DEFAULT CHARSET=utf9 COLLATE=utf9_x_ci;"); /* behind many tokens */
    assert_true(
        needs("CREATE TABLE t (i int)\n COLLATE=utf8mb4_0900_ai_ci;", "utf8mb4_0900_ai_ci", true));
    assert_int_equal(last.needs[0].line, 2);
    assert_true(needs(
        "CREATE TABLE t (s text CHARACTER SET gb18030 COLLATE gb18030_x);", "gb18030", false));
    assert_true(needs("ALTER DATABASE elexis CHARACTER SET = gb18030;", "gb18030", false));
    assert_true(needs("/*!50003 SET collation_connection = utf9_ci */ ;", "utf9_ci", true));
    assert_true(needs(wide, "utf9_x_ci", true));
    assert_true(needs(wide, "utf9", false));
    assert_int_equal(scan("INSERT INTO t VALUES ('COLLATE utf8mb4_0900_ai_ci');")->n_needs, 0);
    assert_int_equal(scan("SET collation_connection = @saved_col_connection;")->n_needs, 0);
    assert_int_equal(
        scan("/*!40101 SET @OLD=@@COLLATION_CONNECTION */;\nSET @a=@@collation_connection;SET b=1;")
            ->n_needs,
        0);
    assert_int_equal(scan("SELECT CHARSET(x), `COLLATE` FROM t; -- COLLATE x\n")->n_needs, 0);
}

static void modes_of_the_text(void **state)
{
    (void)state;
    const struct sql_scan *s = scan(
        "SET sql_mode='NO_BACKSLASH_ESCAPES';\nDELIMITER ;;\n"
        "CREATE PROCEDURE pfad() SELECT 'C:\\' ;;\nDELIMITER ;\n"
        "SET sql_mode='ANSI_QUOTES';\nCREATE TABLE \"t\" (\"i\" int);\nINSERT INTO \"t\" VALUES (1);\n"
        "USE \"mysql\";\n-- Dump completed\n");
    assert_true(s->complete);
    assert_int_equal(s->other_line, 8);
    assert_string_equal(s->tables[0].name, "t");
    assert_true(s->tables[0].filled);
}

static void routines_with_delimiters(void **state)
{
    (void)state;
    const struct sql_scan *s = scan(
        "DELIMITER ;;\nCREATE PROCEDURE p()\nBEGIN\n SELECT 1; SELECT 2;\nEND ;;\n"
        "DELIMITER ;\nCREATE TABLE t (i int);\n");
    assert_int_equal(s->statements, 2);
    assert_int_equal(s->n_tables, 1);
}

static void junk(void **state)
{
    (void)state;
    static const char zero[] = "CREATE\0TABLE";
    assert_int_equal(scan_bytes(zero, sizeof zero - 1)->refused, SQL_NUL);
    assert_int_equal(last.refused_line, 1);
}

static int end(void **state)
{
    (void)state;
    sql_scan_clear(&last);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_dump),
        cmocka_unit_test(ends),
        cmocka_unit_test(other_databases),
        cmocka_unit_test(client_commands),
        cmocka_unit_test(accounts),
        cmocka_unit_test(what_it_asks_for),
        cmocka_unit_test(modes_of_the_text),
        cmocka_unit_test(routines_with_delimiters),
        cmocka_unit_test(junk),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
