/*
 * The libmariadb client of the matrix: client SCENARIO... prints one JSON line a scenario. The
 * contract of scenarios and environment stands in ../README.md.
 */
#include <ctype.h>
#include <errno.h>
#include <mysql.h>
#include <errmsg.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *json;
static size_t json_len, json_cap;

static void put(const char *s, size_t n)
{
    if (json_len + n + 1 > json_cap) {
        json_cap = (json_len + n + 1) * 2;
        json = realloc(json, json_cap);
        if (!json)
            abort();
    }
    memcpy(json + json_len, s, n);
    json_len += n;
    json[json_len] = 0;
}

__attribute__((format(printf, 1, 2))) static void putf(const char *fmt, ...)
{
    char line[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    put(line, (size_t)n);
}

static void put_string(const char *s)
{
    if (!s) {
        put("null", 4);
        return;
    }
    put("\"", 1);
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            putf("\\%c", *s);
        else if ((unsigned char)*s < 0x20)
            putf("\\u%04x", (unsigned)*s);
        else
            put(s, 1);
    }
    put("\"", 1);
}

static const char *env(const char *name)
{
    const char *v = getenv(name);
    return v ? v : "";
}

/* What a scenario may ask of its connection; zero = TLS with the CA verified, the usual account. */
struct how {
    const char *user, *password, *database, *ca, *attribute;
    bool plain, compress, progress;
    unsigned long flags;
};

static int progress_reports;

static void on_progress(const MYSQL *my, unsigned stage, unsigned max_stage, double progress,
    const char *info, unsigned info_len)
{
    (void)my, (void)stage, (void)max_stage, (void)progress, (void)info, (void)info_len;
    progress_reports++;
}

static void put_error(unsigned code, const char *state, const char *message)
{
    putf("{\"code\":%u,\"state\":", code);
    put_string(state);
    put(",\"message\":", 11);
    put_string(message);
    put("}", 1);
}

/* NULL after having written the error as this scenario's result. */
static MYSQL *connect_how(const struct how *how)
{
    MYSQL *my = mysql_init(NULL);
    bool plain = how->plain || strcmp(env("ELX_TLS"), "off") == 0;
    my_bool verify = 1;
    unsigned local = 1, protocol = MYSQL_PROTOCOL_TCP;
    mysql_options(my, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options(my, MYSQL_OPT_LOCAL_INFILE, &local);
    mysql_options(my, MYSQL_OPT_PROTOCOL, &protocol);
    unsigned long max_packet = 256UL << 20;
    mysql_options(my, MYSQL_OPT_MAX_ALLOWED_PACKET, &max_packet);
    mysql_optionsv(my, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "elx-client-c");
    if (how->attribute)
        mysql_optionsv(my, MYSQL_OPT_CONNECT_ATTR_ADD, "practice", how->attribute);
    if (!plain) {
        mysql_ssl_set(my, NULL, NULL, how->ca ? how->ca : env("ELX_CA"), NULL, NULL);
        mysql_options(my, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
    }
    if (how->compress)
        mysql_options(my, MYSQL_OPT_COMPRESS, NULL);
    if (how->progress)
        mysql_optionsv(my, MYSQL_PROGRESS_CALLBACK, (void *)on_progress);
    const char *plugins = getenv("ELX_PLUGIN_DIR");
    if (plugins)
        mysql_options(my, MYSQL_PLUGIN_DIR, plugins);
    const char *auth = getenv("ELX_DEFAULT_AUTH");
    if (auth)
        mysql_options(my, MYSQL_DEFAULT_AUTH, auth);
    if (!mysql_real_connect(my, env("ELX_HOST"), how->user ? how->user : env("ELX_USER"),
            how->password ? how->password : env("ELX_PASSWORD"),
            how->database ? how->database : env("ELX_DATABASE"), (unsigned)atoi(env("ELX_PORT")),
            NULL, CLIENT_MULTI_STATEMENTS | how->flags)) {
        put("\"error\":", 8);
        put_error(mysql_errno(my), mysql_sqlstate(my), mysql_error(my));
        mysql_close(my);
        return NULL;
    }
    return my;
}

static void fail(MYSQL *my)
{
    put("\"error\":", 8);
    put_error(mysql_errno(my), mysql_sqlstate(my), mysql_error(my));
}

/* First column of the first row, in static storage; NULL for SQL NULL or an error. */
static const char *one(MYSQL *my, const char *sql)
{
    static char value[1024];
    if (mysql_query(my, sql))
        return NULL;
    MYSQL_RES *res = mysql_store_result(my);
    if (!res)
        return NULL;
    MYSQL_ROW row = mysql_fetch_row(res);
    bool found = row && row[0];
    if (found)
        snprintf(value, sizeof value, "%s", row[0]);
    mysql_free_result(res);
    return found ? value : NULL;
}

static void put_rows(MYSQL_RES *res)
{
    MYSQL_ROW row;
    put("[", 1);
    for (bool first = true; (row = mysql_fetch_row(res)); first = false) {
        put(first ? "[" : ",[", first ? 1 : 2);
        for (unsigned i = 0; i < mysql_num_fields(res); i++) {
            if (i)
                put(",", 1);
            put_string(row[i]);
        }
        put("]", 1);
    }
    put("]", 1);
}

static void put_results(MYSQL *my)
{
    put("\"results\":[", 11);
    bool first = true;
    do {
        MYSQL_RES *res = mysql_store_result(my);
        if (!res && mysql_errno(my))
            break;
        if (!res)
            continue;
        if (!first)
            put(",", 1);
        first = false;
        put_rows(res);
        mysql_free_result(res);
    } while (mysql_next_result(my) == 0);
    put("]", 1);
    if (mysql_errno(my)) {
        put(",", 1);
        fail(my);
    }
}

static char *read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        abort();
    fseek(f, 0, SEEK_END);
    *len = (size_t)ftell(f);
    rewind(f);
    char *data = malloc(*len + 1);
    if (!data || fread(data, 1, *len, f) != *len)
        abort();
    fclose(f);
    return data;
}

static void put_sha256(const void *data, size_t len)
{
    unsigned char sum[32];
    char hex[65];
    EVP_Digest(data, len, sum, NULL, EVP_sha256(), NULL);
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", sum[i]);
    put_string(hex);
}

static void do_tls(const struct how *how)
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

static void do_query(MYSQL *my)
{
    if (mysql_query(my, "SELECT 1, 'abc', NULL")) {
        fail(my);
        return;
    }
    put_results(my);
}

static void do_server(MYSQL *my)
{
    put("\"announced\":", 12);
    put_string(mysql_get_server_info(my));
    put(",\"version\":", 11);
    put_string(one(my, "SELECT VERSION()"));
    putf(",\"same_thread\":%s,\"stat\":%s", strtoul(one(my, "SELECT CONNECTION_ID()"), NULL, 10) ==
            mysql_thread_id(my) ? "true" : "false",
        mysql_stat(my) && strstr(mysql_stat(my), "Uptime") ? "true" : "false");
    putf(",\"ping\":%s", mysql_ping(my) == 0 ? "true" : "false");
}

static int execute(MYSQL_STMT *stmt, const char *sql, MYSQL_BIND *bind)
{
    return mysql_stmt_prepare(stmt, sql, strlen(sql)) ||
        (bind && mysql_stmt_bind_param(stmt, bind)) || mysql_stmt_execute(stmt);
}

static void stmt_fail(MYSQL_STMT *stmt)
{
    put("\"error\":", 8);
    put_error(mysql_stmt_errno(stmt), mysql_stmt_sqlstate(stmt), mysql_stmt_error(stmt));
}

static MYSQL_BIND bind_text(const char *s)
{
    return (MYSQL_BIND){.buffer_type = MYSQL_TYPE_STRING, .buffer = (void *)(uintptr_t)s,
        .buffer_length = strlen(s)};
}

static MYSQL_BIND bind_long(const long long *v)
{
    return (MYSQL_BIND){.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = (void *)(uintptr_t)v};
}

/* Fetches all rows as text: "rows":[[...]]; NULL stays null. At most 4 columns of 200 bytes. */
static void put_stmt_rows(MYSQL_STMT *stmt)
{
    char text[4][200];
    unsigned long length[4];
    my_bool null[4], error[4];
    MYSQL_BIND out[4];
    memset(out, 0, sizeof out);
    for (int i = 0; i < 4; i++)
        out[i] = (MYSQL_BIND){.buffer_type = MYSQL_TYPE_STRING, .buffer = text[i],
            .buffer_length = sizeof text[i] - 1, .length = &length[i], .is_null = &null[i],
            .error = &error[i]};
    mysql_stmt_bind_result(stmt, out);
    put("\"rows\":[", 8);
    for (bool first = true; mysql_stmt_fetch(stmt) == 0; first = false) {
        put(first ? "[" : ",[", first ? 1 : 2);
        for (unsigned i = 0; i < mysql_stmt_field_count(stmt); i++) {
            if (i)
                put(",", 1);
            if (!null[i])
                text[i][length[i]] = 0;
            put_string(null[i] ? NULL : text[i]);
        }
        put("]", 1);
    }
    put("]", 1);
}

static void do_prepared(MYSQL *my)
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
    if (execute(stmt,
            "SELECT num, txt, val FROM things WHERE client = ? AND num >= ? ORDER BY num", in)) {
        stmt_fail(stmt);
        goto out;
    }
    put_stmt_rows(stmt);
out:
    mysql_stmt_close(stmt);
}

static void do_transaction(MYSQL *my)
{
    char insert[200], count[200];
    snprintf(insert, sizeof insert, "INSERT INTO things (client, num) VALUES ('%s-tx', 1)",
        env("ELX_TAG"));
    snprintf(count, sizeof count, "SELECT COUNT(*) FROM things WHERE client = '%s-tx'",
        env("ELX_TAG"));
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
static void do_blob(MYSQL *my)
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
static void do_packets(MYSQL *my)
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

static void do_rows(MYSQL *my)
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

static void do_change_user(MYSQL *my, const char *user, const char *password)
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

static void do_sleep(MYSQL *my)
{
    wait_for(my, "wait");
}

static void do_cancelled(MYSQL *my)
{
    wait_for(my, "cancel");
}

static void do_kill_idle(MYSQL *my)
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

static void do_umlauts(MYSQL *my)
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
    snprintf(sql, sizeof sql, "SELECT HEX(txt) FROM things WHERE client = '%s-utf'", env("ELX_TAG"));
    put(",\"hex\":", 7);
    put_string(one(my, sql));
}

static void do_infile(MYSQL *my)
{
    char sql[600];
    snprintf(sql, sizeof sql, "LOAD DATA LOCAL INFILE '%s' INTO TABLE loaded (n, word) SET client = '%s'",
        env("ELX_INFILE"), env("ELX_TAG"));
    if (mysql_query(my, sql)) {
        fail(my);
        return;
    }
    snprintf(sql, sizeof sql, "SELECT COUNT(*), SUM(n), MAX(LENGTH(word)) FROM loaded WHERE client = '%s'",
        env("ELX_TAG"));
    if (mysql_query(my, sql))
        fail(my);
    else
        put_results(my);
}

/* A read-only cursor: the server keeps the result, the client takes 100 rows at a time. */
static void do_cursor(MYSQL *my)
{
    MYSQL_STMT *stmt = mysql_stmt_init(my);
    unsigned long type = CURSOR_TYPE_READ_ONLY, rows = 100;
    long long value = 0, sum = 0, count = 0;
    MYSQL_BIND out = bind_long(&value);
    mysql_stmt_attr_set(stmt, STMT_ATTR_CURSOR_TYPE, &type);
    mysql_stmt_attr_set(stmt, STMT_ATTR_PREFETCH_ROWS, &rows);
    if (execute(stmt, "SELECT seq FROM seq_1_to_2500", NULL) || mysql_stmt_bind_result(stmt, &out)) {
        stmt_fail(stmt);
    } else {
        for (; mysql_stmt_fetch(stmt) == 0; count++)
            sum += value;
        putf("\"count\":%lld,\"sum\":%lld,\"cursor\":%s", count, sum,
            my->server_status & SERVER_STATUS_LAST_ROW_SENT ? "true" : "false");
    }
    mysql_stmt_close(stmt);
}

static void do_reset(MYSQL *my)
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

static void do_session_vars(MYSQL *my)
{
    if (mysql_query(my, "SET SESSION wait_timeout = 4242, SESSION sql_mode = 'ANSI_QUOTES'") ||
        mysql_query(my, "SELECT @@wait_timeout, @@sql_mode"))
        fail(my);
    else
        put_results(my);
}

static void do_attributes(MYSQL *my)
{
    if (mysql_query(my, "SELECT ATTR_NAME, ATTR_VALUE FROM performance_schema.session_connect_attrs "
                        "WHERE PROCESSLIST_ID = CONNECTION_ID()"))
        fail(my);
    else
        put_results(my);
}

/* COM_STMT_BULK_EXECUTE: one packet with 1000 rows of parameters. */
static void do_bulk(MYSQL *my)
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

static void do_compress(MYSQL *my)
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

static void do_sql_error(MYSQL *my)
{
    put("\"refused\":", 10);
    mysql_query(my, "SELECT FROM WHERE");
    put_error(mysql_errno(my), mysql_sqlstate(my), mysql_error(my));
    put(",\"after\":", 9);
    put_string(one(my, "SELECT 1"));
}

static void do_progress(MYSQL *my)
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
        "ALTER TABLE `slow_%s` ADD COLUMN c INT AS (LENGTH(SHA2(REPEAT(CHAR(seq), 2000000), 512))) STORED, "
        "ALGORITHM=COPY",
        env("ELX_TAG"));
    if (mysql_query(my, sql))
        fail(my);
    else
        putf("\"reported\":%s", progress_reports > 0 ? "true" : "false");
}

static const struct scenario {
    const char *name;
    void (*run)(MYSQL *my);
    struct how how;
} scenarios[] = {
    {"query", do_query, {0}},
    {"server", do_server, {0}},
    {"prepared", do_prepared, {0}},
    {"transaction", do_transaction, {0}},
    {"blob", do_blob, {0}},
    {"packets", do_packets, {0}},
    {"rows", do_rows, {0}},
    {"sleep", do_sleep, {0}},
    {"cancelled", do_cancelled, {0}},
    {"kill_idle", do_kill_idle, {0}},
    {"umlauts", do_umlauts, {0}},
    {"local_infile", do_infile, {0}},
    {"cursor", do_cursor, {0}},
    {"reset", do_reset, {0}},
    {"session_vars", do_session_vars, {0}},
    {"attributes", do_attributes, {.attribute = "Praxis Zürich"}},
    {"bulk", do_bulk, {0}},
    {"sql_error", do_sql_error, {0}},
    {"compress", do_compress, {.compress = true}},
    {"progress", do_progress, {.progress = true, .flags = CLIENT_PROGRESS}},
};

static void run_sql(const char *sql)
{
    MYSQL *my = connect_how(&(struct how){0});
    if (!my)
        return;
    if (mysql_query(my, sql))
        fail(my);
    else
        put_results(my);
    mysql_close(my);
}

static bool run_named(const char *name)
{
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        if (strcmp(name, scenarios[i].name) != 0)
            continue;
        MYSQL *my = connect_how(&scenarios[i].how);
        if (my)
            scenarios[i].run(my);
        if (my)
            mysql_close(my);
        return true;
    }
    return false;
}

static void run_login(const char *account, bool change)
{
    char *user = strdup(account), *password = strchr(user, ':');
    if (!password)
        abort();
    *password++ = 0;
    if (change) {
        MYSQL *my = connect_how(&(struct how){0});
        if (my)
            do_change_user(my, user, password);
        if (my)
            mysql_close(my);
    } else {
        do_tls(&(struct how){.user = user, .password = password});
    }
    free(user);
}

static void run(const char *name)
{
    json_len = 0;
    put("{\"scenario\":", 12);
    put_string(name);
    put(",", 1);
    size_t before = json_len;
    if (strcmp(name, "tls") == 0)
        do_tls(&(struct how){0});
    else if (strcmp(name, "wrong_ca") == 0)
        do_tls(&(struct how){.ca = env("ELX_WRONG_CA")});
    else if (strcmp(name, "plaintext") == 0)
        do_tls(&(struct how){.plain = true});
    else if (strcmp(name, "wrong_password") == 0)
        do_tls(&(struct how){.password = "not the password"});
    else if (strcmp(name, "unknown_database") == 0)
        do_tls(&(struct how){.database = "elx_nowhere"});
    else if (strncmp(name, "login:", 6) == 0)
        run_login(name + 6, false);
    else if (strncmp(name, "change_user:", 12) == 0)
        run_login(name + 12, true);
    else if (strcmp(name, "multi") == 0)
        run_sql("SELECT 1; SELECT 2, 'zwei'; SELECT 3");
    else if (strcmp(name, "call") == 0)
        run_sql("CALL two_results()");
    else if (!run_named(name))
        put("\"unsupported\":true", 18);
    if (json_len == before)
        put("\"empty\":true", 12);
    put("}", 1);
    puts(json);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    mysql_library_init(0, NULL, NULL);
    for (int i = 1; i < argc; i++)
        run(argv[i]);
    mysql_library_end();
    free(json);
    return 0;
}
