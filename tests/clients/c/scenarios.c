/*
 * The scenarios: each one writes the members of its JSON object. The contract stands in
 * ../README.md.
 */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void do_tls(const struct how *how)
{
    MYSQL *my = connect_how(how);
    if (!my)
        return;
    put("\"cipher\":", 9);
    put_string(mysql_get_ssl_cipher(my));
    put(",\"user\":", 8);
    put_string(one(my, "SELECT CURRENT_USER()"));
    mysql_close(my);
}

void do_query(MYSQL *my)
{
    if (mysql_query(my, "SELECT 1, 'abc', NULL")) {
        fail(my);
        return;
    }
    put_results(my);
}

void do_server(MYSQL *my)
{
    put("\"announced\":", 12);
    put_string(mysql_get_server_info(my));
    put(",\"version\":", 11);
    put_string(one(my, "SELECT VERSION()"));
    putf(",\"same_thread\":%s,\"stat\":%s",
        strtoul(one(my, "SELECT CONNECTION_ID()"), NULL, 10) == mysql_thread_id(my) ? "true"
                                                                                    : "false",
        mysql_stat(my) && strstr(mysql_stat(my), "Uptime") ? "true" : "false");
    putf(",\"ping\":%s", mysql_ping(my) == 0 ? "true" : "false");
}

void do_prepared(MYSQL *my)
{
    const char *tag = env("ELX_TAG");
    MYSQL_STMT *stmt = mysql_stmt_init(my);
    static const char insert[] = "INSERT INTO things (client, num, txt, val) VALUES (?, ?, ?, ?)";
    long long num;
    double val;
    char text[40];
    MYSQL_BIND in[4];
    if (mysql_stmt_prepare(stmt, insert, sizeof insert - 1)) {
        stmt_fail(stmt);
        goto out;
    }
    for (int i = 1; i <= 3; i++) {
        num = i * 1000000007LL;
        val = i + 0.5;
        snprintf(text, sizeof text, "Text %d ü", i);
        in[0] = bind_text(tag);
        in[1] = bind_long(&num);
        in[2] = i == 3 ? (MYSQL_BIND){.buffer_type = MYSQL_TYPE_NULL} : bind_text(text);
        in[3] = (MYSQL_BIND){.buffer_type = MYSQL_TYPE_DOUBLE, .buffer = &val};
        if (mysql_stmt_bind_param(stmt, in) || mysql_stmt_execute(stmt)) {
            stmt_fail(stmt);
            goto out;
        }
    }
    mysql_stmt_close(stmt);
    stmt = mysql_stmt_init(my);
    num = 2000000014LL;
    in[0] = bind_text(tag);
    in[1] = bind_long(&num);
    if (execute(stmt, "SELECT num, txt, val FROM things WHERE client = ? AND num >= ? ORDER BY num",
            in)) {
        stmt_fail(stmt);
        goto out;
    }
    put_stmt_rows(stmt);
out:
    mysql_stmt_close(stmt);
}

void do_transaction(MYSQL *my)
{
    char insert[200], count[200];
    snprintf(insert, sizeof insert, "INSERT INTO things (client, num) VALUES ('%s-tx', 1)",
        env("ELX_TAG"));
    snprintf(
        count, sizeof count, "SELECT COUNT(*) FROM things WHERE client = '%s-tx'", env("ELX_TAG"));
    mysql_autocommit(my, 0);
    if (mysql_query(my, insert) || mysql_rollback(my)) {
        fail(my);
        return;
    }
    put("\"after_rollback\":", 17);
    put_string(one(my, count));
    if (mysql_query(my, insert) || mysql_commit(my)) {
        put(",", 1);
        fail(my);
        return;
    }
    mysql_autocommit(my, 1);
    put(",\"after_commit\":", 16);
    put_string(one(my, count));
}

/* In by a prepared statement in pieces (COM_STMT_SEND_LONG_DATA), out by a text query. */
void do_blob(MYSQL *my)
{
    size_t len;
    char *data = read_file(env("ELX_BLOB"), &len), sql[200];
    const char *tag = env("ELX_TAG");
    MYSQL_STMT *stmt = mysql_stmt_init(my);
    MYSQL_BIND in[2] = {bind_text(tag), {.buffer_type = MYSQL_TYPE_LONG_BLOB}};
    static const char insert[] = "INSERT INTO blobs (client, bin) VALUES (?, ?)";
    if (mysql_stmt_prepare(stmt, insert, sizeof insert - 1) || mysql_stmt_bind_param(stmt, in)) {
        stmt_fail(stmt);
        goto out;
    }
    const size_t piece = 3000000;
    for (size_t at = 0; at < len; at += piece)
        if (mysql_stmt_send_long_data(stmt, 1, data + at, len - at < piece ? len - at : piece)) {
            stmt_fail(stmt);
            goto out;
        }
    if (mysql_stmt_execute(stmt)) {
        stmt_fail(stmt);
        goto out;
    }
    snprintf(sql, sizeof sql, "SELECT bin FROM blobs WHERE client = '%s'", tag);
    MYSQL_RES *res = mysql_query(my, sql) ? NULL : mysql_store_result(my);
    MYSQL_ROW row = res ? mysql_fetch_row(res) : NULL;
    if (!row) {
        fail(my);
        goto out;
    }
    put("\"sha256\":", 9);
    put_sha256(row[0], mysql_fetch_lengths(res)[0]);
    mysql_free_result(res);
out:
    mysql_stmt_close(stmt);
    free(data);
}

/* Packets whose payload is just below, at and above the 16 MiB where the protocol splits them. */
void do_packets(MYSQL *my)
{
    static const size_t totals[] = {0xfffffe, 0xffffff, 0x1000000, 2 * 0xffffff};
    char *sql = malloc(2 * 0xffffff + 100);
    put("\"sent\":[", 8);
    for (size_t i = 0; i < 4; i++) {
        size_t n = totals[i] - 1 - strlen("SELECT LENGTH('')");
        strcpy(sql, "SELECT LENGTH('");
        size_t at = strlen(sql);
        memset(sql + at, 'a', n);
        strcpy(sql + at + n, "')");
        putf(i ? "," : " ");
        const char *answer = one(my, sql);
        putf("%lld", answer ? atoll(answer) - (long long)n : -1LL);
    }
    put("],\"received\":[", 14);
    for (size_t i = 0; i < 4; i++) {
        size_t n = totals[i] - (totals[i] - 4 <= 0xffffff ? 4 : 9);
        snprintf(sql, 100, "SELECT REPEAT('b', %zu)", n);
        MYSQL_RES *res = mysql_query(my, sql) ? NULL : mysql_store_result(my);
        MYSQL_ROW row = res ? mysql_fetch_row(res) : NULL;
        long long got = row && row[0] ? (long long)mysql_fetch_lengths(res)[0] : 0;
        bool whole = got > 0 && strspn(row[0], "b") == (size_t)got;
        putf("%s%lld", i ? "," : "", whole ? got - (long long)n : -1LL);
        mysql_free_result(res);
    }
    put("]", 1);
    free(sql);
}

void do_rows(MYSQL *my)
{
    long long count = 0, sum = 0;
    char last[40] = "";
    MYSQL_RES *res = NULL;
    if (!mysql_query(my, "SELECT seq, CONCAT('row ', seq) FROM seq_1_to_100000"))
        res = mysql_use_result(my);
    if (!res) {
        fail(my);
        return;
    }
    for (MYSQL_ROW row; (row = mysql_fetch_row(res)); count++) {
        sum += atoll(row[0]);
        snprintf(last, sizeof last, "%s", row[1]);
    }
    mysql_free_result(res);
    putf("\"count\":%lld,\"sum\":%lld,\"last\":\"%s\"", count, sum, last);
}

void do_change_user(MYSQL *my, const char *user, const char *password)
{
    if (mysql_change_user(my, user, password, env("ELX_DATABASE"))) {
        fail(my);
        return;
    }
    put("\"user\":", 7);
    put_string(one(my, "SELECT CURRENT_USER()"));
    put(",\"database\":", 12);
    put_string(one(my, "SELECT DATABASE()"));
    mysql_change_user(my, user, "not the password", "");
    put(",\"refused\":", 11);
    put_error(mysql_errno(my), mysql_sqlstate(my), mysql_error(my));
}

static void wait_for(MYSQL *my, const char *what)
{
    char sql[200];
    snprintf(sql, sizeof sql, "SELECT SLEEP(60) /* %s %s */", what, env("ELX_TAG"));
    if (mysql_query(my, sql))
        fail(my);
    else
        put_results(my);
}

void do_sleep(MYSQL *my)
{
    wait_for(my, "wait");
}

void do_cancelled(MYSQL *my)
{
    wait_for(my, "cancel");
}

void do_kill_idle(MYSQL *my)
{
    MYSQL *other = connect_how(&(struct how){0});
    if (!other)
        return;
    mysql_kill(other, mysql_thread_id(my));
    mysql_close(other);
    if (mysql_query(my, "SELECT 1"))
        fail(my);
    else
        put_results(my);
}

void do_umlauts(MYSQL *my)
{
    static const char text[] = "Grüezi Zürich ÄÖÜß éà € 😀";
    char sql[300];
    snprintf(sql, sizeof sql, "INSERT INTO things (client, txt) VALUES ('%s-utf', '%s')",
        env("ELX_TAG"), text);
    if (mysql_query(my, sql)) {
        fail(my);
        return;
    }
    snprintf(sql, sizeof sql, "SELECT txt FROM things WHERE client = '%s-utf'", env("ELX_TAG"));
    put("\"text\":", 7);
    put_string(one(my, sql));
    snprintf(
        sql, sizeof sql, "SELECT HEX(txt) FROM things WHERE client = '%s-utf'", env("ELX_TAG"));
    put(",\"hex\":", 7);
    put_string(one(my, sql));
}

void do_infile(MYSQL *my)
{
    char sql[600];
    snprintf(sql, sizeof sql,
        "LOAD DATA LOCAL INFILE '%s' INTO TABLE loaded (n, word) SET client = '%s'",
        env("ELX_INFILE"), env("ELX_TAG"));
    if (mysql_query(my, sql)) {
        fail(my);
        return;
    }
    snprintf(sql, sizeof sql,
        "SELECT COUNT(*), SUM(n), MAX(LENGTH(word)) FROM loaded WHERE client = '%s'",
        env("ELX_TAG"));
    if (mysql_query(my, sql))
        fail(my);
    else
        put_results(my);
}

/* A read-only cursor: the server keeps the result, the client takes 100 rows at a time. */
void do_cursor(MYSQL *my)
{
    MYSQL_STMT *stmt = mysql_stmt_init(my);
    unsigned long type = CURSOR_TYPE_READ_ONLY, rows = 100;
    long long value = 0, sum = 0, count = 0;
    MYSQL_BIND out = bind_long(&value);
    mysql_stmt_attr_set(stmt, STMT_ATTR_CURSOR_TYPE, &type);
    mysql_stmt_attr_set(stmt, STMT_ATTR_PREFETCH_ROWS, &rows);
    if (execute(stmt, "SELECT seq FROM seq_1_to_2500", NULL) ||
        mysql_stmt_bind_result(stmt, &out)) {
        stmt_fail(stmt);
    } else {
        for (; mysql_stmt_fetch(stmt) == 0; count++)
            sum += value;
        putf("\"count\":%lld,\"sum\":%lld,\"cursor\":%s", count, sum,
            my->server_status & SERVER_STATUS_LAST_ROW_SENT ? "true" : "false");
    }
    mysql_stmt_close(stmt);
}

void do_reset(MYSQL *my)
{
    mysql_query(my, "SET @kept = 42");
    put("\"before\":", 9);
    put_string(one(my, "SELECT @kept"));
    if (mysql_reset_connection(my)) {
        put(",", 1);
        fail(my);
        return;
    }
    put(",\"after\":", 9);
    put_string(one(my, "SELECT @kept"));
}

void do_session_vars(MYSQL *my)
{
    if (mysql_query(my, "SET SESSION wait_timeout = 4242, SESSION sql_mode = 'ANSI_QUOTES'") ||
        mysql_query(my, "SELECT @@wait_timeout, @@sql_mode"))
        fail(my);
    else
        put_results(my);
}

void do_attributes(MYSQL *my)
{
    if (mysql_query(my,
            "SELECT ATTR_NAME, ATTR_VALUE FROM performance_schema.session_connect_attrs WHERE PROCESSLIST_ID = CONNECTION_ID()"))
        fail(my);
    else
        put_results(my);
}

/* COM_STMT_BULK_EXECUTE: one packet with 1000 rows of parameters. */
void do_bulk(MYSQL *my)
{
    enum { N = 1000 };
    MYSQL_STMT *stmt = mysql_stmt_init(my);
    char tag[80], sql[200];
    static long long values[N];
    static char *tags[N];
    static unsigned long lengths[N];
    unsigned int n = N;
    snprintf(tag, sizeof tag, "%s-bulk", env("ELX_TAG"));
    for (int i = 0; i < N; i++) {
        values[i] = i + 1;
        tags[i] = tag;
        lengths[i] = strlen(tag);
    }
    MYSQL_BIND in[2] = {
        {.buffer_type = MYSQL_TYPE_STRING, .buffer = tags, .length = lengths},
        {.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = values},
    };
    mysql_stmt_attr_set(stmt, STMT_ATTR_ARRAY_SIZE, &n);
    if (execute(stmt, "INSERT INTO things (client, num) VALUES (?, ?)", in)) {
        stmt_fail(stmt);
    } else {
        snprintf(sql, sizeof sql, "SELECT COUNT(*), SUM(num) FROM things WHERE client = '%s'", tag);
        if (mysql_query(my, sql))
            fail(my);
        else
            put_results(my);
    }
    mysql_stmt_close(stmt);
}

void do_compress(MYSQL *my)
{
    put("\"asked\":true,\"compression\":", 27);
    mysql_query(my, "SHOW SESSION STATUS LIKE 'Compression'");
    MYSQL_RES *res = mysql_store_result(my);
    MYSQL_ROW row = res ? mysql_fetch_row(res) : NULL;
    put_string(row ? row[1] : NULL);
    mysql_free_result(res);
    put(",\"length\":", 10);
    put_string(one(my, "SELECT LENGTH(GROUP_CONCAT(seq)) FROM seq_1_to_1000"));
}

void do_sql_error(MYSQL *my)
{
    put("\"refused\":", 10);
    mysql_query(my, "SELECT FROM WHERE");
    put_error(mysql_errno(my), mysql_sqlstate(my), mysql_error(my));
    put(",\"after\":", 9);
    put_string(one(my, "SELECT 1"));
}

void do_progress(MYSQL *my)
{
    char sql[300];
    progress_reports = 0;
    snprintf(sql, sizeof sql, "CREATE TABLE `slow_%s` ENGINE=InnoDB SELECT seq FROM seq_1_to_350",
        env("ELX_TAG"));
    if (mysql_query(my, sql)) {
        fail(my);
        return;
    }
    mysql_query(my, "SET SESSION progress_report_time = 1");
    snprintf(sql, sizeof sql,
        "ALTER TABLE `slow_%s` ADD COLUMN c INT AS (LENGTH(SHA2(REPEAT(CHAR(seq), 2000000), 512))) STORED, ALGORITHM=COPY",
        env("ELX_TAG"));
    if (mysql_query(my, sql))
        fail(my);
    else
        putf("\"reported\":%s", progress_reports > 0 ? "true" : "false");
}
