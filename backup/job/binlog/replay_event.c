#include "backup/job/binlog/replay_event.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "backup/job/binlog/playable.h"
#include "backup/job/binlog/rights.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/lang.h"
#include "common/said.h"
#include "common/hex.h"
#include "common/sql_name.h"

#define NO_SUCH_XA 1397
#define XA_MS      10000

int binlog_player_failed(
    const struct binlog_event *ev, const char *kind, const char *why, struct err *e)
{
    char where[BINLOG_WHERE_LEN];
    return err_outcome(e, EXIT_INCONSISTENT, EIO, "the binary log cannot be replayed: %s%s%s: %s",
        binlog_event_where(ev, where), *kind ? ", " : "", kind, why);
}

static int send_all(struct binlog_player *p, const char *const *statements, struct err *e)
{
    int r = 0;
    for (; r == 0 && *statements; statements++)
        r = server_exec(p->server, e, "%s", *statements);
    return r;
}

/* Only who administers a role can grant it, whatever else he may: we administer all of them. */
static int own_all_roles(struct binlog_player *p, struct err *e)
{
    static const char *const statements[] = {
        "INSERT IGNORE INTO mysql.roles_mapping (Host, User, Role, Admin_option) SELECT 'localhost', SUBSTRING_INDEX(CURRENT_USER(),'@',1), User, 'Y' FROM mysql.global_priv WHERE JSON_VALUE(Priv, '$.is_role')",
        "FLUSH PRIVILEGES", NULL};
    return send_all(p, statements, e);
}

static int connect_server(struct binlog_player *p, struct err *e)
{
    int r = server_connect(&p->target, "elexgate-job", &p->server, e);
    p->format_given = p->prepared = p->collations = false;
    if (r == 0) /* as a replica: an XA transaction that is prepared leaves the session */
        r = server_exec(p->server, e,
            "SET SESSION max_statement_time=0, lock_wait_timeout=3600, innodb_lock_wait_timeout=3600, pseudo_slave_mode=1");
    if (r == 0 && !p->connected) {
        p->connected = true;
        r = own_all_roles(p, e);
    }
    return r;
}

static void disconnect(struct binlog_player *p)
{
    server_close(p->server);
    p->server = NULL;
}

/* expected: an error that it ended with then as well. */
int binlog_player_send(struct binlog_player *p, const struct binlog_event *ev, const char *sql,
    size_t n, unsigned expected, struct err *e)
{
    struct server_reply reply;
    struct err said = {0};
    p->refused = server_send(p->server, sql, n, &reply);
    if (p->refused == 0 || p->refused == expected)
        return 0;
    return binlog_player_failed(ev, p->kind, said_of_theirs(p->refused, reply.state, &said), e);
}

static int send_words(
    struct binlog_player *p, const struct binlog_event *ev, const char *sql, struct err *e)
{
    return binlog_player_send(p, ev, sql, strlen(sql), 0, e);
}

/* --- transactions --- */

/* "XA START X'61',X'',1" */
static char *xa_words(const struct binlog_player *p, const char *what)
{
    char hex[2][2 * 64 + 1] = {"", ""};
    hex_text(p->xid, p->group.gtrid, hex[0]);
    hex_text(p->xid + p->group.gtrid, p->group.bqual, hex[1]);
    return xasprintf("XA %s X'%s',X'%s',%u", what, hex[0], hex[1], p->group.xid_format);
}

int binlog_player_end(struct binlog_player *p, struct err *e)
{
    int r = 0;
    if (p->in_group && p->begun && p->server) {
        disconnect(p); /* whatever it was: the session's end takes it back */
        r = connect_server(p, e);
    }
    p->in_group = p->begun = false;
    p->events_len = p->maps_len = 0;
    json_object_clear(p->tables);
    return r;
}

int binlog_player_begin(struct binlog_player *p, const struct binlog_event *ev,
    const struct binlog_group *g, struct err *e)
{
    int r = binlog_player_end(p, e);
    if (r == 0 && !p->server)
        r = connect_server(p, e);
    if (r != 0)
        return r;
    p->group = *g;
    p->kind[0] = '\0';
    if (g->xid)
        memcpy(p->xid, g->xid, (size_t)g->gtrid + g->bqual);
    p->group.xid = NULL;
    p->in_group = true;
    p->begun = !g->standalone && !g->completes_xa;
    if (!p->begun)
        return 0;
    _cleanup_free_ char *start = g->prepares_xa ? xa_words(p, "START") : xstrdup("BEGIN");
    return send_words(p, ev, start, e);
}

static void complete(struct binlog_player *p, const struct binlog_event *ev)
{
    p->in_group = p->begun = false;
    p->done.groups++;
    p->done.last = ev->h.when;
    p->done.gtid = p->group.gtid;
}

static int finish(
    struct binlog_player *p, const struct binlog_event *ev, const char *words, struct err *e)
{
    int r = send_words(p, ev, words, e);
    if (r == 0)
        complete(p, ev);
    return r;
}

/* XA PREPARE, or, in one phase, XA COMMIT. The session may not do anything else then: a new one
 * goes on. */
static int xa_prepare(struct binlog_player *p, const struct binlog_event *ev, struct err *e)
{
    if (ev->n < BINLOG_HEADER_SIZE + 1 || !p->begun)
        return binlog_player_failed(ev, "", "an XA transaction that did not begin", e);
    bool one_phase = ev->data[BINLOG_HEADER_SIZE];
    _cleanup_free_ char *words = xa_words(p, one_phase ? "COMMIT" : "PREPARE");
    _cleanup_free_ char *whole = xasprintf("%s%s", words, one_phase ? " ONE PHASE" : "");
    int r = finish(p, ev, whole, e);
    if (r == 0 && !one_phase) {
        disconnect(p);
        r = connect_server(p, e);
    }
    return r;
}

/* The session that prepared it may be on its way out still. */
static int xa_complete(struct binlog_player *p, const struct binlog_event *ev, const char *sql,
    size_t n, struct err *e)
{
    struct server_reply reply;
    struct err said = {0};
    unsigned number;
    uint64_t end = clock_mono_ms() + XA_MS;
    while ((number = server_send(p->server, sql, n, &reply)) == NO_SUCH_XA && clock_mono_ms() < end)
        usleep(10000);
    return number == 0
               ? 0
               : binlog_player_failed(ev, p->kind, said_of_theirs(number, reply.state, &said), e);
}

/* --- statements --- */

static char *quote(void *ctx, const char *text)
{
    return server_quote_text(ctx, text);
}

/* Before each: what became of the one in use no look at the text can tell. */
static int use_schema(struct binlog_player *p, const struct binlog_event *ev,
    const struct binlog_query *q, struct err *e)
{
    bool suppressed = ev->h.flags & 0x0008; /* CREATE DATABASE and the like */
    if (suppressed || !*q->schema)
        return 0;
    int r = send_words(p, ev, "SET NAMES utf8mb4", e);
    _cleanup_free_ char *name = sql_name_quoted(q->schema);
    _cleanup_free_ char *use = xasprintf("USE %s", name);
    return r == 0 ? send_words(p, ev, use, e) : r;
}

/* A role belongs to who made it, unless it says otherwise. In the table only those that the
 * statement makes are ours. */
static int before_role(struct binlog_player *p, struct err *e)
{
    static const char *const statements[] = {
        "DELETE FROM mysql.roles_mapping WHERE User=SUBSTRING_INDEX(CURRENT_USER(),'@',1)", NULL};
    return strcmp(p->kind, "CREATE ROLE") == 0 ? send_all(p, statements, e) : 0;
}

static int after_role(struct binlog_player *p, const struct binlog_query *q, struct err *e)
{
    int r = 0;
    if (strcmp(p->kind, "CREATE ROLE") != 0)
        return 0;
    _cleanup_free_ char *user = server_quote_text(p->server, q->user),
                        *host = server_quote_text(p->server, q->host);
    if (q->user[0])
        r = server_exec(p->server, e,
            "INSERT IGNORE INTO mysql.roles_mapping (Host, User, Role, Admin_option) SELECT %s, %s, Role, 'Y' FROM mysql.roles_mapping WHERE User=SUBSTRING_INDEX(CURRENT_USER(),'@',1)",
            host, user);
    return r == 0 ? own_all_roles(p, e) : r;
}

/* Rights remember who gave them, an event who changed it last: that is us. */
static int right_author(struct binlog_player *p, const struct binlog_event *ev,
    const struct binlog_query *q, struct err *e)
{
    static const char *const updates[] = {
        "mysql.tables_priv SET Timestamp=Timestamp, Grantor=%s WHERE Grantor",
        "mysql.procs_priv SET Timestamp=Timestamp, Grantor=%s WHERE Grantor",
        "mysql.proxies_priv SET Timestamp=Timestamp, Grantor=%s WHERE Grantor",
        "mysql.event SET created=created, modified=modified, definer=%s WHERE definer"};
    int r = 0;
    if (!q->user[0])
        return 0;
    _cleanup_free_ char *both = sql_name_account(q->user, q->host);
    _cleanup_free_ char *name = server_quote_text(p->server, both);
    for (size_t i = 0; r == 0 && i < sizeof updates / sizeof updates[0]; i++) {
        const char *at = strstr(updates[i], "%s");
        _cleanup_free_ char *sql = xasprintf(
            "UPDATE %.*s%s%s=CURRENT_USER()", (int)(at - updates[i]), updates[i], name, at + 2);
        r = send_words(p, ev, sql, e);
    }
    return r;
}

/* Servers before 11.2 do not have it, and their logs neither. */
static int set_collations(struct binlog_player *p, const struct binlog_event *ev,
    const struct binlog_query *q, struct err *e)
{
    if (q->n_collations == 0 && !p->collations)
        return 0;
    p->collations = q->n_collations > 0;
    _cleanup_free_ char *list = xstrdup("0");
    for (size_t i = 0; i < q->n_collations; i++)
        xappendf(&list, ",%u", q->collations[i]);
    _cleanup_free_ char *sql = xasprintf(
        "SET character_set_collations=COALESCE((SELECT GROUP_CONCAT(CHARACTER_SET_NAME, '=', FULL_COLLATION_NAME) FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY WHERE ID IN (%s)), '')",
        list);
    return send_words(p, ev, sql, e);
}

/* We may do everything: what a statement runs beside what it says (a function, say) may as well. */
static int send_watched(struct binlog_player *p, const struct binlog_event *ev,
    const struct binlog_query *q, struct err *e)
{
    struct rights before;
    bool xa = strncmp(p->kind, "XA", 2) == 0; /* it runs nothing, and behind its end nothing runs */
    if (xa || binlog_query_of_accounts(q))
        return binlog_player_send(p, ev, q->text, q->length, q->error, e);
    int r = rights_look(p->server, &before, e);
    if (r == 0)
        r = binlog_player_send(p, ev, q->text, q->length, q->error, e);
    if (r == 0)
        r = rights_same(p->server, &before, e);
    if (r == 1)
        r = binlog_player_failed(ev, p->kind,
            N_("it changed who may do what, and says nothing of accounts; restore to a moment before it"),
            e);
    return r;
}

static int run_statement(
    struct binlog_player *p, const struct binlog_event *ev, struct binlog_query *q, struct err *e)
{
    int r = use_schema(p, ev, q, e);
    _cleanup_free_ char *settings = binlog_query_settings(q, quote, p->server);
    if (r == 0)
        r = set_collations(p, ev, q, e);
    if (r == 0)
        r = send_words(p, ev, settings, e);
    if (r != 0)
        return r;
    binlog_query_kind(q, p->kind);
    p->done.statements++;
    r = before_role(p, e);
    if (r != 0)
        return r;
    if (p->group.completes_xa)
        r = xa_complete(p, ev, q->text, q->length, e);
    else
        r = send_watched(p, ev, q, e);
    if (r == 0)
        r = right_author(p, ev, q, e);
    if (r == 0)
        r = after_role(p, q, e);
    if (r == 0 && (p->group.standalone || p->group.completes_xa))
        complete(p, ev);
    return r;
}

static int statement(struct binlog_player *p, const struct binlog_event *ev, struct err *e)
{
    struct binlog_query q;
    _cleanup_free_ char *text = NULL;
    int r = binlog_statement_read(ev->h.type, ev->data, ev->n, &q, &text, e);
    if (r < 0) {
        struct err why = *e;
        return binlog_player_failed(ev, "", err_words(&why), e);
    }
    switch (p->group.standalone ? BINLOG_NO_BRACKET : binlog_query_bracket(&q)) {
    case BINLOG_BEGIN:
        return 0;
    case BINLOG_COMMIT:
        return finish(p, ev, "COMMIT", e);
    case BINLOG_ROLLBACK:
        return finish(p, ev, "ROLLBACK", e);
    default:
        return run_statement(p, ev, &q, e);
    }
}

static int variable(struct binlog_player *p, const struct binlog_event *ev, struct err *e)
{
    struct binlog_variable v;
    struct err why = {0};
    int r = 0;
    if (binlog_variable_parse(ev->data, ev->n, &v, &why) < 0)
        return binlog_player_failed(ev, "", err_words(&why), e);
    _cleanup_free_ char *text = v.text;
    _cleanup_free_ char *session = xasprintf(
        "SET character_set_client=utf8mb4, sql_mode='', collation_connection=%u", v.collation);
    if (v.collation)
        r = send_words(p, ev, session, e);
    else if (ev->h.type == BINLOG_USER_VAR)
        r = send_words(p, ev, "SET NAMES utf8mb4", e);
    return r == 0 ? send_words(p, ev, text, e) : r;
}

static int new_file(struct binlog_player *p, const struct binlog_event *ev, struct err *e)
{
    int r = binlog_player_end(p, e); /* a server that crashed never finished it */
    p->format = xrealloc(p->format, ev->h.length);
    memcpy(p->format, ev->data, ev->h.length);
    p->format_len = ev->h.length;
    p->format_given = false;
    return r;
}

int binlog_player_event(struct binlog_player *p, const struct binlog_event *ev, struct err *e)
{
    if (ev->h.type == BINLOG_FORMAT)
        return new_file(p, ev, e);
    if (!p->in_group || !p->server)
        return ev->h.type == BINLOG_INCIDENT
                   ? binlog_player_failed(
                         ev, "", "the server itself noted that changes are missing here", e)
                   : 0;
    switch (ev->h.type) {
    case BINLOG_TABLE_MAP:
        return binlog_player_table_map(p, ev, e);
    case BINLOG_QUERY:
    case BINLOG_QUERY_COMPRESSED:
        return statement(p, ev, e);
    case BINLOG_XID:
        return finish(p, ev, "COMMIT", e);
    case BINLOG_XA_PREPARE:
        return xa_prepare(p, ev, e);
    case BINLOG_ANNOTATE:
    case BINLOG_CHECKPOINT:
    case BINLOG_GTID_LIST:
    case BINLOG_ROTATE:
    case BINLOG_STOP:
        return 0;
    case BINLOG_INCIDENT:
        return binlog_player_failed(
            ev, "", "the server itself noted that changes are missing here", e);
    default:
        if (binlog_is_rows(ev->h.type))
            return binlog_player_rows(p, ev, e);
        return ev->h.flags & 0x0080 ? 0 : variable(p, ev, e); /* "may be ignored" */
    }
}

void binlog_player_clear(struct binlog_player *p)
{
    disconnect(p);
    free(p->format);
    free(p->events);
    free(p->text);
    json_decref(p->tables);
    memset(p, 0, sizeof *p);
}
