/*
 * What the scenarios of the libmariadb client share; see support.h.
 */
#include "support.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *json;
size_t json_len;
static size_t json_cap;

void put(const char *s, size_t n)
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

void putf(const char *fmt, ...)
{
    char line[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    put(line, (size_t)n);
}

void put_string(const char *s)
{
    if (!s) {
        put("null", 4);
        return;
    }
    put("\"", 1);
    for (; *s; s++)
        if (*s == '"' || *s == '\\')
            putf("\\%c", *s);
        else if ((unsigned char)*s < 0x20)
            putf("\\u%04x", (unsigned)*s);
        else
            put(s, 1);
    put("\"", 1);
}

const char *env(const char *name)
{
    const char *v = getenv(name);
    return v ? v : "";
}

int progress_reports;

static void on_progress(const MYSQL *my, unsigned stage, unsigned max_stage, double progress,
    const char *info, unsigned info_len)
{
    (void)my, (void)stage, (void)max_stage, (void)progress, (void)info, (void)info_len;
    progress_reports++;
}

void put_error(unsigned code, const char *state, const char *message)
{
    putf("{\"code\":%u,\"state\":", code);
    put_string(state);
    put(",\"message\":", 11);
    put_string(message);
    put("}", 1);
}

MYSQL *connect_how(const struct how *how)
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

void fail(MYSQL *my)
{
    put("\"error\":", 8);
    put_error(mysql_errno(my), mysql_sqlstate(my), mysql_error(my));
}

const char *one(MYSQL *my, const char *sql)
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

void put_rows(MYSQL_RES *res)
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

void put_results(MYSQL *my)
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

char *read_file(const char *path, size_t *len)
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

void put_sha256(const void *data, size_t len)
{
    unsigned char sum[32];
    char hex[65];
    EVP_Digest(data, len, sum, NULL, EVP_sha256(), NULL);
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", sum[i]);
    put_string(hex);
}

int execute(MYSQL_STMT *stmt, const char *sql, MYSQL_BIND *bind)
{
    return mysql_stmt_prepare(stmt, sql, strlen(sql)) ||
           (bind && mysql_stmt_bind_param(stmt, bind)) || mysql_stmt_execute(stmt);
}

void stmt_fail(MYSQL_STMT *stmt)
{
    put("\"error\":", 8);
    put_error(mysql_stmt_errno(stmt), mysql_stmt_sqlstate(stmt), mysql_stmt_error(stmt));
}

MYSQL_BIND bind_text(const char *s)
{
    return (MYSQL_BIND){.buffer_type = MYSQL_TYPE_STRING,
        .buffer = (void *)(uintptr_t)s,
        .buffer_length = strlen(s)};
}

MYSQL_BIND bind_long(const long long *v)
{
    return (MYSQL_BIND){.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = (void *)(uintptr_t)v};
}

void put_stmt_rows(MYSQL_STMT *stmt)
{
    char text[4][200];
    unsigned long length[4];
    my_bool null[4], error[4];
    MYSQL_BIND out[4];
    memset(out, 0, sizeof out);
    for (int i = 0; i < 4; i++)
        out[i] = (MYSQL_BIND){.buffer_type = MYSQL_TYPE_STRING,
            .buffer = text[i],
            .buffer_length = sizeof text[i] - 1,
            .length = &length[i],
            .is_null = &null[i],
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
