#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "backup/rules/sql_scan.h"

static struct sql_scan scan(const char *text)
{
    struct sql_scan whole, pieces;
    size_t n = strlen(text);
    sql_scan_start(&whole, "elexis");
    sql_scan_feed(&whole, text, n);
    sql_scan_finish(&whole);
    sql_scan_start(&pieces, "elexis");
    for (size_t i = 0; i < n; i++)
        sql_scan_feed(&pieces, text + i, 1);
    sql_scan_finish(&pieces);
    assert_memory_equal(&whole, &pieces, sizeof whole); /* however it is cut */
    return whole;
}

static void whole_dump(void **state)
{
    (void)state;
    struct sql_scan s = scan("/*M!999999\\- enable the sandbox mode */ \n"
                             "-- MariaDB dump 10.19\n"
                             "/*!40101 SET NAMES utf8mb4 */;\n"
                             "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `elexis`;\nUSE `elexis`;\n"
                             "CREATE TABLE `a;b` (i int COMMENT 'x;\\'; DROP DATABASE y');\n"
                             "INSERT INTO t VALUES ('-- Dump completed'),('USE other;');\n"
                             "-- Dump completed on 2026-11-22\n");
    assert_true(s.complete);
    assert_false(s.open);
    assert_int_equal(s.other_line, 0);
    assert_int_equal(s.command_line, 0);
    assert_int_equal(s.account_line, 0);
    assert_int_equal(s.tables, 1);
    assert_int_equal(s.statements, 5);
}

static void crlf_and_no_last_newline(void **state)
{
    (void)state;
    struct sql_scan s = scan("CREATE TABLE t (i int);\r\n-- Dump completed on x");
    assert_true(s.complete);
    assert_int_equal(s.tables, 1);
}

static void cut_off(void **state)
{
    (void)state;
    assert_false(scan("CREATE TABLE t (i int);\nINSERT INTO t VALUES (1").complete);
    struct sql_scan s = scan("INSERT INTO t VALUES ('abc");
    assert_false(s.complete);
    assert_true(s.open);
    /* what comes after the mark was not announced by it */
    assert_false(scan("-- Dump completed\nINSERT INTO t VALUES (1);\n").complete);
    assert_true(scan("-- Dump completed\n-- Dump completed\n").complete);
}

static void other_databases(void **state)
{
    (void)state;
    static const char *const bad[] = {"USE mysql;", "use `mysql`;",
        "/*!40000 DROP DATABASE IF EXISTS `mysql`*/;", "CREATE DATABASE mysql;",
        "CREATE OR REPLACE SCHEMA mysql;",
        "create database if not exists `mysql` default character set utf8;",
        "/*!50000 USE mysql */;", "ALTER DATABASE mysql CHARACTER SET utf8;",
        "DELIMITER ;;\nUSE mysql;;\nDELIMITER ;\n", "USE/**/mysql;", "-- x\nUSE mysql"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct sql_scan s = scan(bad[i]);
        if (!s.other_line)
            fail_msg("not seen: %s", bad[i]);
        assert_string_equal(s.other, "mysql");
    }
    assert_int_equal(scan("SELECT 1;\n\nUSE mysql;").other_line, 3);
    assert_int_equal(scan("INSERT INTO t VALUES ('USE mysql;'); -- USE mysql;\n").other_line, 0);
    assert_int_equal(scan("CREATE TABLE x (i int); DROP TABLE mysql;").other_line, 0);
}

static void client_commands(void **state)
{
    (void)state;
    static const char *const bad[] = {"\\! touch /tmp/x\n", "SELECT 1;\n\\! id\n", "system id\n",
        "source /etc/passwd\n", "tee x\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (!scan(bad[i]).command_line)
            fail_msg("not seen: %s", bad[i]);
    assert_int_equal(scan("INSERT INTO t VALUES ('\\\\! x', \"system\");\n").command_line, 0);
    assert_int_equal(scan("CREATE TABLE system_x (source int, `system` int);\n").command_line, 0);
    assert_int_equal(scan("SELECT source FROM t;").command_line, 0);
}

static void accounts_and_collations(void **state)
{
    (void)state;
    assert_int_equal(scan("\nGRANT ALL ON *.* TO x;").account_line, 2);
    assert_int_equal(scan("CREATE USER x;").account_line, 1);
    assert_int_equal(scan("CREATE OR REPLACE ROLE x;").account_line, 1);
    assert_int_equal(scan("CREATE TABLE `grant` (user int);").account_line, 0);
    assert_int_equal(
        scan("CREATE TABLE t (i int)\n COLLATE=utf8mb4_0900_ai_ci;").collation_line, 2);
    assert_int_equal(scan("INSERT INTO t VALUES ('utf8mb4_0900_ai_ci');").collation_line, 0);
}

static void routines_with_delimiters(void **state)
{
    (void)state;
    struct sql_scan s = scan(
        "DELIMITER ;;\nCREATE PROCEDURE p()\nBEGIN\n SELECT 1; SELECT 2;\nEND ;;\n"
        "DELIMITER ;\nCREATE TABLE t (i int);\n");
    assert_int_equal(s.statements, 2);
    assert_int_equal(s.tables, 1);
}

static void junk(void **state)
{
    (void)state;
    struct sql_scan s;
    static const char zero[] = "CREATE\0TABLE";
    sql_scan_start(&s, "elexis");
    sql_scan_feed(&s, zero, sizeof zero - 1);
    sql_scan_finish(&s);
    assert_int_equal(s.nul_line, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_dump),
        cmocka_unit_test(crlf_and_no_last_newline),
        cmocka_unit_test(cut_off),
        cmocka_unit_test(other_databases),
        cmocka_unit_test(client_commands),
        cmocka_unit_test(accounts_and_collations),
        cmocka_unit_test(routines_with_delimiters),
        cmocka_unit_test(junk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
