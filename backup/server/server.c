#include "backup/server/server.h"

#include <errno.h>
#include <mysql.h>
#include <netdb.h>
#include <mysqld_error.h>
#include <errmsg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "backup/rules/sql_lexer.h"
#include <sys/random.h>
#include <sys/socket.h>
#include "common/hex.h"
#include "common/json_get.h"
#include "common/lang.h"
#include "common/said.h"
#include "common/sql_name.h"
#include "common/utf8.h"

#ifndef ER_STATEMENT_TIMEOUT
#define ER_STATEMENT_TIMEOUT 1969
#endif
/* The longest single answer of the server: FLUSH TABLES and the purge wait have limits of their own
 * far below it. It only ends a wait for a server that hangs. */
#define READ_TIMEOUT_S 7200
#define PACKET_MAX     (1ul << 30)

#ifndef SERVER_STATUS_ANSI_QUOTES
#define SERVER_STATUS_ANSI_QUOTES 32768
#endif

struct server {
    MYSQL *my;
    char *where; /* for messages: "127.0.0.1:3306" or the socket */
    struct err said;
};

/* libmariadb initialises itself in the first mysql_init, which is not safe in two threads at once.
 */
__attribute__((constructor)) static void library_init(void)
{
    CHECK(mysql_server_init(0, NULL, NULL) == 0);
}

static int code_of(unsigned int number)
{
    switch (number) {
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_LOST:
    case CR_CONNECTION_ERROR:
    case CR_CONN_HOST_ERROR:
    case CR_UNKNOWN_HOST: /* a container that is down has no name */
    case ER_CONNECTION_KILLED:
    case ER_SERVER_SHUTDOWN:
        return EPIPE;
    case ER_ACCESS_DENIED_ERROR:
    case ER_ACCESS_DENIED_NO_PASSWORD_ERROR:
    case ER_SPECIFIC_ACCESS_DENIED_ERROR:
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_DBACCESS_DENIED_ERROR:
        return EACCES;
    case ER_STATEMENT_TIMEOUT:
    case ER_LOCK_WAIT_TIMEOUT:
        return ETIMEDOUT;
    default:
        return EIO;
    }
}

static int fail(struct server *s, const char *what, struct err *e)
{
    return err_set(e, code_of(mysql_errno(s->my)), "%s on %s: %s", UTF8_SHORT(what, 80), s->where,
        server_error(s));
}

bool server_is_mysql(const struct server *s)
{
    return !mariadb_connection(s->my);
}

int server_limit(struct server *s, unsigned seconds, struct err *e)
{
    /* MySQL's is in milliseconds, and of SELECTs only */
    return server_is_mysql(s)
               ? server_exec(s, e, "SET SESSION max_execution_time=%u", seconds * 1000)
               : server_exec(s, e, "SET SESSION max_statement_time=%u", seconds);
}

static int session_setup(struct server *s, struct err *e)
{
    int r = server_exec(s, e,
        "SET SESSION lock_wait_timeout=20, wait_timeout=86400, time_zone='+00:00', sql_mode=''");
    return r == 0 ? server_limit(s, 5, e) : r;
}

char *server_where(const struct server_target *t)
{
    return t->socket ? xstrdup(t->socket)
                     : xasprintf(strchr(t->host, ':') ? "[%s]:%u" : "%s:%u", t->host, t->port);
}

int server_connect(
    const struct server_target *t, const char *program, struct server **out, struct err *e)
{
    struct server *s = xcalloc(1, sizeof *s);
    s->my = mysql_init(NULL);
    CHECK(s->my);
    s->where = server_where(t);
    unsigned connect_s = t->connect_timeout_ms < 1000 ? 1 : t->connect_timeout_ms / 1000;
    unsigned read_s = READ_TIMEOUT_S;
    mysql_options(s->my, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
    mysql_options(s->my, MYSQL_OPT_READ_TIMEOUT, &read_s);
    mysql_options(s->my, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    /* A server could ask for any file that we may read. */
    unsigned no_files = 0;
    unsigned long packet = PACKET_MAX;
    mysql_options(s->my, MYSQL_OPT_LOCAL_INFILE, &no_files);
    mysql_options(s->my, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
    mysql_options4(s->my, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", program);
    if (!mysql_real_connect(
            s->my, t->socket ? NULL : t->host, t->user, t->password, NULL, t->port, t->socket, 0)) {
        int r = err_set(e, code_of(mysql_errno(s->my)),
            N_("cannot log in to the database server at %s as %s: %s"), s->where, t->user,
            server_error(s));
        server_close(s);
        return r;
    }
    int r = session_setup(s, e);
    if (r < 0) {
        server_close(s);
        return r;
    }
    *out = s;
    return 0;
}

void server_close(struct server *s)
{
    if (!s)
        return;
    mysql_close(s->my);
    free(s->where);
    free(s);
}

void server_take_role(struct server *s)
{
    int code = server_exec(s, NULL, "SET ROLE " SERVER_RESTORE_ROLE);
    (void)code;
}

pid_t server_pid(const struct server *s)
{
    struct ucred peer = {0};
    socklen_t n = sizeof peer;
    int fd = (int)mysql_get_socket(s->my);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 && peer.pid > 0 ? peer.pid : 0;
}

uint64_t server_thread_id(const struct server *s)
{
    return mysql_thread_id(s->my);
}

const char *server_version(const struct server *s)
{
    return mysql_get_server_info(s->my);
}

unsigned server_errno(const struct server *s)
{
    return mysql_errno(s->my);
}

const char *server_error(struct server *s)
{
    return said_of_ours(mysql_errno(s->my), mysql_error(s->my), &s->said);
}

PRINTF(1, 0) static char *format(const char *fmt, va_list ap)
{
    char *sql = NULL;
    CHECK(vasprintf(&sql, fmt, ap) >= 0);
    return sql;
}

/* Reads away further results (CALL gives several), so that the next statement finds a free line. */
static int drain_results(struct server *s, const char *sql, struct err *e)
{
    int more;
    while ((more = mysql_next_result(s->my)) == 0) {
        MYSQL_RES *res = mysql_store_result(s->my);
        if (res)
            mysql_free_result(res);
    }
    return more > 0 ? fail(s, sql, e) : 0;
}

static int run(struct server *s, const char *sql, server_row_fn *fn, void *ctx, struct err *e)
{
    if (mysql_real_query(s->my, sql, strlen(sql)) != 0)
        return fail(s, sql, e);
    MYSQL_RES *res = mysql_store_result(s->my);
    if (!res && mysql_errno(s->my))
        return fail(s, sql, e);
    int r = 0;
    if (res) {
        struct server_row row = {.n = mysql_num_fields(res)};
        while (fn && r == 0 && (row.text = mysql_fetch_row(res))) {
            row.len = mysql_fetch_lengths(res);
            r = fn(ctx, &row, e);
        }
        mysql_free_result(res);
    }
    int d = drain_results(s, sql, r == 0 ? e : NULL);
    return r < 0 ? r : d;
}

int server_exec(struct server *s, struct err *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *sql = format(fmt, ap);
    va_end(ap);
    return run(s, sql, NULL, NULL, e);
}

int server_rows(struct server *s, server_row_fn *fn, void *ctx, struct err *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *sql = format(fmt, ap);
    va_end(ap);
    return run(s, sql, fn, ctx, e);
}

static void note_reply(const struct server *s, struct server_reply *reply)
{
    snprintf(reply->state, sizeof reply->state, "%s", mysql_sqlstate(s->my));
    reply->ansi_quotes = s->my->server_status & SERVER_STATUS_ANSI_QUOTES;
    reply->no_backslash_escapes = s->my->server_status & SERVER_STATUS_NO_BACKSLASH_ESCAPES;
}

unsigned server_send(struct server *s, const char *sql, size_t n, struct server_reply *reply)
{
    int more = mysql_real_query(s->my, sql, n) != 0 ? 1 : 0;
    unsigned number = more ? mysql_errno(s->my) : 0;
    while (more == 0 && number == 0) {
        MYSQL_RES *res = mysql_use_result(s->my);
        while (res && mysql_fetch_row(res))
            ;
        number = mysql_errno(s->my);
        if (res)
            mysql_free_result(res);
        more = number ? 1 : mysql_next_result(s->my);
        if (more > 0 && !number)
            number = mysql_errno(s->my);
    }
    note_reply(s, reply);
    return number;
}

unsigned server_modes(const struct server *s)
{
    struct server_reply reply;
    note_reply(s, &reply);
    return (reply.ansi_quotes ? SQL_ANSI_QUOTES : 0) |
           (reply.no_backslash_escapes ? SQL_NO_BACKSLASH_ESCAPES : 0);
}

int server_peer(const struct server *s, struct ucred *out)
{
    socklen_t size = sizeof *out;
    return getsockopt(mysql_get_socket(s->my), SOL_SOCKET, SO_PEERCRED, out, &size);
}

int server_address(const struct server *s, char *buf, size_t size, unsigned *port, struct err *e)
{
    struct sockaddr_storage peer;
    socklen_t n = sizeof peer;
    char service[8];
    if (getpeername(mysql_get_socket(s->my), (struct sockaddr *)&peer, &n) < 0 ||
        getnameinfo((struct sockaddr *)&peer, n, buf, (socklen_t)size, service, sizeof service,
            NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return err_set(e, EIO, "the address of %s is not known", s->where);
    *port = (unsigned)strtoul(service, NULL, 10);
    return 0;
}

struct wanted {
    unsigned column;
    char *value; /* of the first row */
};

static int take_wanted(void *ctx, const struct server_row *row, struct err *e)
{
    struct wanted *w = ctx;
    (void)e;
    if (!w->value && row->n > w->column)
        w->value = xstrdup(row->text[w->column]);
    return 0;
}

static int text(struct server *s, unsigned column, char **out, struct err *e, const char *sql)
{
    struct wanted w = {.column = column};
    int r = run(s, sql, take_wanted, &w, e);
    if (r < 0)
        free(w.value);
    else
        *out = w.value;
    return r;
}

int server_text(struct server *s, char **out, struct err *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *sql = format(fmt, ap);
    va_end(ap);
    return text(s, 0, out, e, sql);
}

static int note_name(void *ctx, const struct server_row *row, struct err *e)
{
    (void)e;
    return json_array_append_new(ctx, json_text(row->text[0])) == 0 ? 0 : -ENOMEM;
}

int server_second(struct server *s, char **out, struct err *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *sql = format(fmt, ap);
    va_end(ap);
    return text(s, 1, out, e, sql);
}

int server_names(struct server *s, json_t **out, struct err *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *sql = format(fmt, ap);
    va_end(ap);
    json_t *names = json_array();
    int r = run(s, sql, note_name, names, e);
    if (r < 0) {
        json_decref(names);
        return r;
    }
    *out = names;
    return 0;
}

int server_u64(struct server *s, uint64_t *out, struct err *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *sql = format(fmt, ap);
    va_end(ap);
    _cleanup_free_ char *value = NULL;
    int r = text(s, 0, &value, e, sql);
    if (r < 0)
        return r;
    char *end = NULL;
    unsigned long long v = value ? strtoull(value, &end, 10) : 0;
    if (!value || end == value)
        return err_set(e, EIO, "%s on %s: the answer is no number", UTF8_SHORT(sql, 80), s->where);
    *out = v;
    return 0;
}

int server_variable(struct server *s, const char *name, char **out, struct err *e)
{
    return server_second(s, out, e, "SHOW GLOBAL VARIABLES WHERE Variable_name='%s'", name);
}

static int take_place(void *ctx, const struct server_row *row, struct err *e)
{
    struct binlog_place *p = ctx;
    uint64_t number;
    if (row->n < 2 || !row->text[0] || !row->text[1] || !binlog_name_valid(row->text[0], &number))
        return err_set(e, ENOTSUP, "the server's binary log has a name that cannot be used");
    snprintf(p->file, sizeof p->file, "%s", row->text[0]);
    p->position = strtoull(row->text[1], NULL, 10);
    return 0;
}

int server_binlog_place(struct server *s, struct binlog_place *out, char **gtids, struct err *e)
{
    struct binlog_place p = {.timeline = 0};
    int r = server_rows(s, take_place, &p, e, "SHOW MASTER STATUS");
    if (r == 0 && !p.file[0])
        return 1;
    if (r == 0)
        r = server_text(s, gtids, e, "SELECT @@gtid_binlog_pos");
    if (r == 0)
        *out = p;
    return r;
}

struct counter_set {
    const struct server_counter *counters;
    size_t n, found;
};

static int take_counter(void *ctx, const struct server_row *row, struct err *e)
{
    (void)e;
    struct counter_set *set = ctx;
    for (size_t i = 0; row->n > 1 && i < set->n; i++) {
        if (strcasecmp(row->text[0], set->counters[i].name) == 0) {
            *set->counters[i].value = strtoull(row->text[1], NULL, 10);
            set->found++;
        }
    }
    return 0;
}

int server_counters(
    struct server *s, const struct server_counter *counters, size_t n, struct err *e)
{
    _cleanup_free_ char *list = xstrdup("''");
    for (size_t i = 0; i < n; i++)
        xappendf(&list, ",'%s'", counters[i].name);
    struct counter_set set = {.counters = counters, .n = n};
    int r = server_rows(
        s, take_counter, &set, e, "SHOW GLOBAL STATUS WHERE Variable_name IN (%s)", list);
    if (r < 0)
        return r;
    if (set.found != n)
        return err_set(e, ENOTSUP, "the server at %s knows only %zu of the counters %s", s->where,
            set.found, list);
    return 0;
}

char *server_quote_pattern(const char *name)
{
    _cleanup_free_ char *plain = xmalloc(2 * strlen(name) + 1);
    char *p = plain;
    for (; *name; name++) {
        if (*name == '_' || *name == '%' || *name == '\\')
            *p++ = '\\';
        *p++ = *name;
    }
    *p = '\0';
    return sql_name_quoted(plain);
}

int server_make_password(char out[static SERVER_PASSWORD_SIZE], struct err *e)
{
    static const char kinds[] = "Aa1-";
    unsigned char raw[16];
    if (getrandom(raw, sizeof raw, 0) != (ssize_t)sizeof raw)
        return err_sys(e, errno, "cannot make a password");
    memcpy(out, kinds, sizeof kinds);
    hex_text(raw, sizeof raw, out + sizeof kinds - 1);
    return 0;
}

/* A hint for nothing that we do. The server opens no view with one (sql_view.cc, mysql_make_view).
 */
char *server_base_table(const char *schema, const char *name, bool past)
{
    _cleanup_free_ char *table = sql_name_quoted_table(schema, name);
    return xasprintf("%s%s USE INDEX FOR ORDER BY ()", table, past ? " FOR SYSTEM_TIME ALL" : "");
}

char *server_quote_text(struct server *s, const char *value)
{
    size_t n = strlen(value);
    char *out = xmalloc(2 * n + 3);
    out[0] = '\'';
    unsigned long len = mysql_real_escape_string(s->my, out + 1, value, n);
    out[len + 1] = '\'';
    out[len + 2] = '\0';
    return out;
}
