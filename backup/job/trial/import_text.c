/*
 * SQL text into a server: cut by our own lexer, each statement sent by itself over a connection
 * that takes one at a time. What the server gets as one text is one statement to it, so nothing
 * that was stored (a routine's body, a comment in it) can be taken for a statement of its own.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "backup/job/trial/definers.h"
#include "backup/job/trial/import.h"
#include "backup/rules/sql_lexer.h"
#include "common/exit_codes.h"
#include "common/said.h"
#include "common/utf8.h"

#define CHUNK         (256u * 1024u)
#define STATEMENT_MAX (1u << 30) /* as long as a packet may be */
#define LOOK_US       10000

struct reading {
    int in;
    struct server *s;
    struct sql_lexer *lexer;
    struct definers *definers; /* NULL: they stay as they stand */
    const char *also_called;   /* as in server.h */
    pthread_t thread;
    atomic_bool done;
    int code;
    uint64_t line;
    char table[80], said[SAID_MAX], said_de[SAID_MAX];
};

/* Which table a statement is about, for the message. */
static void note_table(struct reading *r, const struct sql_statement *s)
{
    size_t i = 0;
    r->table[0] = '\0';
    for (; i < s->n_tokens && i < 6; i++)
        if (sql_token_is(s, i, "INTO") || sql_token_is(s, i, "TABLE") ||
            sql_token_is(s, i, "TABLES"))
            break;
    i += sql_token_is(s, i, "INTO") && sql_token_is(s, i + 1, "TABLE") ? 2 : 1;
    if (sql_token_is(s, i, "IF"))
        i += sql_token_is(s, i + 1, "NOT") ? 3 : 2;
    if (i < s->n_tokens && !sql_token_text(s, i, r->table, sizeof r->table))
        r->table[0] = '\0';
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

/* With CURRENT_USER in place of the account that it names; malloc'ed. */
static char *without_definer(const struct sql_statement *s, const struct sql_definer *d, size_t *n)
{
    static const char current[] = "CURRENT_USER";
    char *text = xmalloc(s->len + sizeof current);
    memcpy(text, s->text, d->at);
    memcpy(text + d->at, current, sizeof current - 1);
    memcpy(text + d->at + sizeof current - 1, s->text + d->at + d->len, s->len - d->at - d->len);
    *n = s->len - d->len + sizeof current - 1;
    return text;
}

/* Without `name`. before what it names, so that it goes into the database that is in use;
 * malloc'ed, NULL when there is nothing to leave out. */
static char *without_database(const struct sql_statement *s, const char *name, size_t *n)
{
    char word[80], *text = NULL;
    size_t done = 0, len = 0;
    for (size_t i = 0; i + 2 < s->n_tokens; i++) {
        const struct sql_token *t = &s->tokens[i];
        bool dot = s->tokens[i + 1].kind == SQL_SIGN && s->text[s->tokens[i + 1].at] == '.';
        if (!dot || (t->kind != SQL_NAME && t->kind != SQL_WORD) ||
            (i > 0 && s->text[s->tokens[i - 1].at] == '.') ||
            !sql_token_text(s, i, word, sizeof word) || strcmp(word, name) != 0)
            continue;
        text = text ? text : xmalloc(s->len);
        memcpy(text + len, s->text + done, t->at - done);
        len += t->at - done;
        done = s->tokens[i + 2].at;
    }
    if (!text)
        return NULL;
    memcpy(text + len, s->text + done, s->len - done);
    *n = len + s->len - done;
    return text;
}

static unsigned send_statement(
    struct reading *r, const struct sql_statement *s, struct server_reply *reply)
{
    struct sql_definer d;
    _cleanup_free_ char *other = NULL;
    size_t n = s->len;
    bool owned = r->definers && sql_definer_find(s, &d);
    if (owned && d.len > 0)
        other = without_definer(s, &d, &n);
    else if (r->also_called)
        other = without_database(s, r->also_called, &n);
    unsigned number = server_send(r->s, other ? other : s->text, n, reply);
    if (number == 0 && owned)
        definers_add(r->definers, &d);
    return number;
}

static int failed(struct reading *r, const char *english, const char *german)
{
    utf8_copy(r->said, sizeof r->said, english);
    utf8_copy(r->said_de, sizeof r->said_de, german);
    return EXIT_INCONSISTENT;
}

static int carry_out(struct reading *r, const struct sql_statement *s)
{
    struct server_reply reply;
    r->line = s->line;
    note_table(r, s);
    if (is_for_a_log(s) || (r->also_called && is_about_the_database(s, r->also_called)))
        return 0;
    unsigned number = send_statement(r, s, &reply);
    if (number != 0 && number != SERVER_EMPTY_QUERY) {
        said_of_theirs(number, reply.state, false, r->said);
        said_of_theirs(number, reply.state, true, r->said_de);
        return EXIT_INCONSISTENT;
    }
    unsigned modes = (reply.ansi_quotes ? SQL_ANSI_QUOTES : 0) |
                     (reply.no_backslash_escapes ? SQL_NO_BACKSLASH_ESCAPES : 0);
    if (number == 0 && modes != (sql_lexer_modes(r->lexer) & ~(unsigned)SQL_MSSQL))
        return failed(r, sql_refusal_words(SQL_MODE), sql_refusal_words_de(SQL_MODE));
    return 0;
}

static int carry_out_all(struct reading *r)
{
    struct sql_statement s;
    int more, code = 0;
    while (code == 0 && (more = sql_lexer_next(r->lexer, &s)) != 0) {
        if (more > 0) {
            code = carry_out(r, &s);
            continue;
        }
        enum sql_refusal why = sql_lexer_refused(r->lexer);
        r->line = sql_lexer_line(r->lexer);
        r->table[0] = '\0';
        code = failed(r, sql_refusal_words(why), sql_refusal_words_de(why));
    }
    return code;
}

static void *reading_main(void *arg)
{
    struct reading *r = arg;
    _cleanup_free_ char *chunk = xmalloc(CHUNK);
    while (r->code == 0) {
        ssize_t n = read(r->in, chunk, CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            utf8_format(r->said, sizeof r->said, "cannot read on: %s", strerror(errno));
            utf8_copy(r->said_de, sizeof r->said_de, r->said);
            r->code = EXIT_INCONSISTENT;
            break;
        }
        sql_lexer_feed(r->lexer, chunk, (size_t)n);
        if (n == 0)
            sql_lexer_end(r->lexer);
        r->code = carry_out_all(r);
        if (n == 0)
            break;
    }
    atomic_store(&r->done, true);
    return NULL;
}

static int say(struct run *run, const struct reading *r, struct err *e)
{
    _cleanup_free_ char *at = *r->table ? xasprintf(", table %s", r->table) : xstrdup("");
    _cleanup_free_ char *at_de = *r->table ? xasprintf(", Tabelle %s", r->table) : xstrdup("");
    unsigned long long line = r->line;
    run_error_de(run, "Der Import scheitert an Zeile %llu%s: %s", line, at_de, r->said_de);
    err_set(e, EIO, "the import failed at line %llu%s: %s", line, at, r->said);
    return r->code;
}

/* The server's own settings, as if the stock client had come, and what dumps assume: rows that once
 * fitted fit again, keys may come in any order, and nobody counts the seconds. */
static int prepare(struct server *s, const char *database, struct err *e)
{
    _cleanup_free_ char *name = server_quote_name(database);
    int code = server_exec(s, e,
        "SET SESSION max_statement_time=0, lock_wait_timeout=DEFAULT, time_zone=DEFAULT, innodb_strict_mode=0, foreign_key_checks=0, net_read_timeout=86400, net_write_timeout=86400, sql_mode=DEFAULT");
    return code == 0 ? server_exec(s, e, "USE %s", name) : code;
}

int import_sql(
    struct run *run, const struct server_target *t, int in, const char *database, struct err *e)
{
    struct reading r = {.in = in, .definers = t->definers, .also_called = t->also_called};
    int code = server_connect(t, "elexgate-job", &r.s, e);
    if (code == 0)
        code = prepare(r.s, database, e);
    if (code < 0) {
        server_close(r.s);
        return code;
    }
    r.lexer = sql_lexer_new(true, STATEMENT_MAX);
    sql_lexer_start_modes(r.lexer, server_modes(r.s));
    CHECK(pthread_create(&r.thread, NULL, reading_main, &r) == 0);
    bool stopped = false;
    while (!atomic_load(&r.done)) {
        off_t at = lseek(in, 0, SEEK_CUR); /* a pipe has none */
        if (at > 0)
            run_progress(run, (uint64_t)at, 0, 0, NULL);
        if (!stopped && !run_go_on(run)) {
            stopped = true;
            server_hang_up(r.s); /* whatever it is at */
        }
        usleep(LOOK_US);
    }
    pthread_join(r.thread, NULL);
    if (stopped)
        code = run_pack_result(PACK_STOPPED, e);
    else if (r.code != 0)
        code = say(run, &r, e);
    sql_lexer_free(r.lexer);
    server_close(r.s);
    return code;
}
