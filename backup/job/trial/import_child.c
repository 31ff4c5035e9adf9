/*
 * The half of an import that meets the text, in a process of its own within a sandbox: cut by our
 * own lexer, each statement sent by itself over a connection that takes one at a time. What the
 * server gets as one text is one statement to it, so nothing that was stored (a routine's body, a
 * comment in it) can be taken for a statement of its own.
 */
#include "backup/job/trial/import_child.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "backup/job/trial/definers.h"
#include "backup/job/trial/sandbox.h"
#include "backup/rules/sql_lexer.h"
#include "common/error_phrase.h"
#include "common/file.h"
#include "common/json_get.h"
#include "common/json_lines.h"
#include "common/sql_name.h"

#define CHUNK         (256u * 1024u)
#define STATEMENT_MAX (1u << 30) /* as long as a packet may be */
#define ORDER_MAX     65536

struct reading {
    struct server *s;
    struct sql_lexer *lexer;
    bool own;                /* definers are noted and replaced by the account that reads in */
    const char *also_called; /* as in server_target.h */
    struct definers definers;
    struct import_result result;
};

/* Which table a statement is about, for the message. */
static void note_table(struct reading *r, const struct sql_statement *s)
{
    size_t i = 0;
    r->result.table[0] = '\0';
    for (; i < s->n_tokens && i < 6; i++)
        if (sql_token_is(s, i, "INTO") || sql_token_is(s, i, "TABLE") ||
            sql_token_is(s, i, "TABLES"))
            break;
    i += sql_token_is(s, i, "INTO") && sql_token_is(s, i + 1, "TABLE") ? 2 : 1;
    if (sql_token_is(s, i, "IF"))
        i += sql_token_is(s, i + 1, "NOT") ? 3 : 2;
    if (i < s->n_tokens && !sql_token_text(s, i, r->result.table, sizeof r->result.table))
        r->result.table[0] = '\0';
}

/* What only concerns a binary log, which this server does not write. */
static bool is_for_a_log(const struct sql_statement *s)
{
    for (size_t i = 1; sql_token_is(s, 0, "SET") && i < s->n_tokens; i++)
        if (sql_token_is(s, i, "SQL_LOG_BIN"))
            return true;
    return false;
}

/* USE, or CREATE, DROP, ALTER DATABASE, of that name. */
static bool is_about_the_database(const struct sql_statement *s, const char *name)
{
    char text[80];
    size_t i = 1;
    bool use = sql_token_is(s, 0, "USE");
    if (!use && !sql_token_is(s, 0, "CREATE") && !sql_token_is(s, 0, "DROP") &&
        !sql_token_is(s, 0, "ALTER"))
        return false;
    if (!use) {
        i += sql_token_is(s, i, "OR") ? 2 : 0;
        if (!sql_token_is(s, i, "DATABASE") && !sql_token_is(s, i, "SCHEMA"))
            return false;
        i++;
        if (sql_token_is(s, i, "IF"))
            i += sql_token_is(s, i + 1, "NOT") ? 3 : 2;
    }
    return i < s->n_tokens && sql_token_text(s, i, text, sizeof text) && strcmp(text, name) == 0;
}

/* A piece of a statement that is sent otherwise than it stands there. */
struct change {
    size_t at, len;
    const char *by;
};

static char *changed(
    const struct sql_statement *s, const struct change *changes, size_t count, size_t *n)
{
    size_t room = s->len, done = 0;
    for (size_t i = 0; i < count; i++)
        room += strlen(changes[i].by);
    char *text = xmalloc(room), *to = text;
    for (size_t i = 0; i < count; i++) {
        to = mempcpy(to, s->text + done, changes[i].at - done);
        to = mempcpy(to, changes[i].by, strlen(changes[i].by));
        done = changes[i].at + changes[i].len;
    }
    to = mempcpy(to, s->text + done, s->len - done);
    *n = (size_t)(to - text);
    return text;
}

/* `name`. before what it names, at this token. */
static bool names_database(const struct sql_statement *s, size_t i, const char *name)
{
    char word[80];
    const struct sql_token *t = &s->tokens[i];
    return i + 2 < s->n_tokens && s->tokens[i + 1].kind == SQL_SIGN &&
           s->text[s->tokens[i + 1].at] == '.' && (t->kind == SQL_NAME || t->kind == SQL_WORD) &&
           (i == 0 || s->text[s->tokens[i - 1].at] != '.') &&
           sql_token_text(s, i, word, sizeof word) && strcmp(word, name) == 0;
}

/* With CURRENT_USER in place of the account that d names, and without the name of the database, so
 * that all goes into the one that is in use; NULL allowed for either. malloc'ed, NULL when there is
 * nothing to change. */
static char *rewritten(
    const struct sql_statement *s, const struct sql_definer *d, const char *database, size_t *n)
{
    struct change changes[SQL_TOKENS_MAX + 1];
    size_t count = 0;
    for (size_t i = 0; i < s->n_tokens; i++) {
        size_t at = s->tokens[i].at;
        if (d && d->len > 0 && at == d->at)
            changes[count++] = (struct change){at, d->len, "CURRENT_USER"};
        else if (database && (!d || at < d->at || at >= d->at + d->len) &&
                 names_database(s, i, database))
            changes[count++] = (struct change){at, s->tokens[i + 2].at - at, ""};
    }
    return count ? changed(s, changes, count, n) : NULL;
}

static bool makes_table(const struct sql_statement *s)
{
    bool found = false;
    for (size_t i = 1; i < 4 && sql_token_is(s, 0, "CREATE"); i++)
        found |= sql_token_is(s, i, "TABLE");
    return found;
}

/* A table whose text says where its files lie (DATA DIRECTORY) is made where all others are: in
 * that place lie those of the live one. */
static const char no_places[] =
    "SET @elexgate_sql_mode=@@sql_mode, SESSION sql_mode=CONCAT(@@sql_mode, ',NO_DIR_IN_CREATE')";
static const char places_again[] = "SET SESSION sql_mode=@elexgate_sql_mode";

static unsigned send_words(struct reading *r, const char *sql, struct server_reply *reply)
{
    return server_send(r->s, sql, strlen(sql), reply);
}

static unsigned send_statement(
    struct reading *r, const struct sql_statement *s, struct server_reply *reply)
{
    struct sql_definer d;
    size_t n = s->len;
    bool owned = r->own && sql_definer_find(s, &d);
    bool placed = r->also_called && makes_table(s);
    _cleanup_free_ char *other = rewritten(s, owned ? &d : NULL, r->also_called, &n);
    unsigned number = placed ? send_words(r, no_places, reply) : 0;
    if (number == 0)
        number = server_send(r->s, other ? other : s->text, n, reply);
    if (number == 0 && placed)
        number = send_words(r, places_again, reply);
    if (number == 0 && owned)
        definers_add(&r->definers, &d);
    return number;
}

static bool carry_out(struct reading *r, const struct sql_statement *s)
{
    struct server_reply reply;
    r->result.line = s->line;
    note_table(r, s);
    if (is_for_a_log(s) || (r->also_called && is_about_the_database(s, r->also_called)))
        return true;
    unsigned number = send_statement(r, s, &reply);
    if (number != 0 && number != SERVER_EMPTY_QUERY) {
        r->result.number = number;
        memcpy(r->result.state, reply.state, sizeof r->result.state);
        return false;
    }
    unsigned modes = (reply.ansi_quotes ? SQL_ANSI_QUOTES : 0) |
                     (reply.no_backslash_escapes ? SQL_NO_BACKSLASH_ESCAPES : 0);
    if (number == 0 && modes != (sql_lexer_modes(r->lexer) & ~(unsigned)SQL_MSSQL))
        r->result.refusal = SQL_MODE;
    return !r->result.refusal;
}

static bool carry_out_all(struct reading *r)
{
    struct sql_statement s;
    int more;
    while ((more = sql_lexer_next(r->lexer, &s)) > 0)
        if (!carry_out(r, &s))
            return false;
    if (more == 0)
        return true;
    r->result.refusal = sql_lexer_refused(r->lexer);
    r->result.line = sql_lexer_line(r->lexer);
    r->result.table[0] = '\0';
    return false;
}

static void read_all(struct reading *r)
{
    _cleanup_free_ char *chunk = xmalloc(CHUNK);
    for (;;) {
        ssize_t n = read(0, chunk, CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            r->result.read_error = errno;
            return;
        }
        sql_lexer_feed(r->lexer, chunk, (size_t)n);
        if (n == 0)
            sql_lexer_end(r->lexer);
        if (!carry_out_all(r) || n == 0)
            return;
    }
}

/* The server's own settings, as if the stock client had come, and what dumps assume: rows that once
 * fitted fit again, keys may come in any order, and nobody counts the seconds. */
static int prepare(struct server *s, const char *database, struct err *e)
{
    _cleanup_free_ char *name = sql_name_quoted(database);
    int code = server_exec(s, e,
        "SET SESSION lock_wait_timeout=60, innodb_lock_wait_timeout=60, time_zone=DEFAULT, foreign_key_checks=0, net_read_timeout=86400, net_write_timeout=86400, sql_mode=DEFAULT");
    if (code == 0)
        code = server_limit(s, 0, e);
    if (code == 0 && !server_is_mysql(s)) /* there it takes a right that this account has not */
        code = server_exec(s, e, "SET SESSION innodb_strict_mode=0");
    return code == 0 ? server_exec(s, e, "USE %s", name) : code;
}

/* From here on there is nothing but the text and this one connection. */
static int begin(struct reading *r, const json_t *order, struct err *e)
{
    struct server_target t = {.socket = json_get_str(order, "socket"),
        .host = json_get_str(order, "host"),
        .port = (unsigned)json_get_int(order, "port"),
        .user = json_get_str(order, "user"),
        .password = json_get_str(order, "password"),
        .connect_timeout_ms = 5000};
    struct process_failure f = {0};
    (void)close(2); /* a terminal, perhaps, which takes more than text */
    int code = server_connect(&t, "elexgate-job", &r->s, e);
    if (code == 0)
        code = prepare(r->s, json_get_str(order, "database"), e);
    if (code == 0 && sandbox_shut(&f) < 0)
        code = err_sys(e, f.code, "the sandbox does not shut: %s", f.what);
    return code;
}

static void tell_result(const struct reading *r, int code, const struct err *e)
{
    json_t *definers = json_array();
    for (size_t i = 0; i < r->definers.n; i++) {
        const struct sql_definer *d = &r->definers.list[i];
        (void)json_array_append_new(
            definers, json_pack("[i, o, o, o]", (int)d->object, json_text(d->name),
                          json_text(d->user), json_text(d->host)));
    }
    json_t *all = json_pack("{s:i, s:I, s:o, s:i, s:s, s:i, s:i, s:o}", "code", code, "line",
        (json_int_t)r->result.line, "table", json_text(r->result.table), "number",
        (int)r->result.number, "state", r->result.state, "refusal", (int)r->result.refusal,
        "read_error", r->result.read_error, "definers", definers);
    size_t n = 0;
    error_phrase_put(all, e);
    _cleanup_free_ char *line = json_line(all, &n);
    struct err lost = {0};
    int written = fd_write_all(1, line, n, &lost);
    json_decref(all);
    if (written < 0)
        exit(1);
}

int import_child(int argc, char **argv)
{
    char order_text[ORDER_MAX];
    struct err e = {0};
    int fd = argc == 2 ? atoi(argv[1]) : -1;
    ssize_t n = fd > 2 ? pread(fd, order_text, sizeof order_text, 0) : -1;
    json_t *order = n > 0 ? json_loadb(order_text, (size_t)n, 0, NULL) : NULL;
    if (!order)
        return 2;
    close(fd);
    struct reading r = {
        .own = json_get_true(order, "own"), .also_called = json_get_str(order, "also_called")};
    int code = begin(&r, order, &e);
    if (code == 0) {
        r.lexer = sql_lexer_new(true, STATEMENT_MAX);
        sql_lexer_start_modes(r.lexer, server_modes(r.s));
        read_all(&r);
    }
    tell_result(&r, code, &e);
    sql_lexer_free(r.lexer);
    server_close(r.s);
    definers_clear(&r.definers);
    json_decref(order);
    explicit_bzero(order_text, sizeof order_text);
    return 0;
}
