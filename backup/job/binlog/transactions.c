#include "backup/job/binlog/transactions.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "backup/job/binlog/inflate.h"
#include "backup/rules/binlog_query.h"
#include "common/json_lines.h"
#include "common/lang.h"

#define TABLES_MAX 256 /* that one transaction has open; of further ones no rows are counted */
#define NAME_SIZE  (2 * 65 * 4)

struct table {
    uint64_t id;
    char name[NAME_SIZE];
    struct binlog_columns columns; /* n 0: not known */
};

struct binlog_transactions {
    binlog_transaction_fn *fn;
    void *ctx;
    const char *names;
    bool want_rows;
    struct binlog_transaction now;
    bool open, ended;
    struct table tables[TABLES_MAX];
    size_t n;
};

struct binlog_transactions *binlog_transactions_new(
    binlog_transaction_fn *fn, void *ctx, const char *names, bool rows)
{
    struct binlog_transactions *t = xcalloc(1, sizeof *t);
    t->fn = fn;
    t->ctx = ctx;
    t->names = names;
    t->want_rows = rows;
    return t;
}

static void forget(struct binlog_transactions *t)
{
    for (size_t i = 0; i < t->now.n; i++)
        free(t->now.touched[i].what);
    for (size_t i = 0; i < t->n; i++)
        binlog_columns_clear(&t->tables[i].columns);
    json_decref(t->now.content);
    t->now = (struct binlog_transaction){.n = 0};
    t->n = 0;
    t->open = t->ended = false;
}

void binlog_transactions_drop(struct binlog_transactions *t)
{
    if (!t)
        return;
    forget(t);
    free(t);
}

int binlog_transactions_end(struct binlog_transactions *t, struct err *e)
{
    int r = t->open && t->ended ? t->fn(t->ctx, &t->now, e) : 0;
    forget(t);
    return r;
}

static int begin(struct binlog_transactions *t, const struct binlog_event *ev, struct err *e)
{
    struct binlog_group g;
    int r = binlog_transactions_end(t, e);
    if (r == 0)
        r = binlog_group_parse(ev->data, ev->n, &g, e);
    if (r != 0)
        return r;
    t->now = (struct binlog_transaction){.segment = ev->segment,
        .gtid = g.gtid,
        .when = ev->h.when,
        .thread = binlog_group_thread(ev->data, ev->n),
        .content = t->want_rows ? json_array() : NULL};
    t->open = true;
    return 0;
}

static struct binlog_touched *touch(struct binlog_transactions *t, const char *what, bool statement)
{
    struct binlog_transaction *now = &t->now;
    for (size_t i = 0; i < now->n; i++)
        if (now->touched[i].statement == statement && strcmp(now->touched[i].what, what) == 0)
            return &now->touched[i];
    if (now->n == BINLOG_TOUCHED_MAX) {
        now->more++;
        return NULL;
    }
    now->touched[now->n] = (struct binlog_touched){.what = xstrdup(what), .statement = statement};
    return &now->touched[now->n++];
}

/* --- rows --- */

static struct table *table_of(struct binlog_transactions *t, uint64_t id)
{
    for (size_t i = t->n; i > 0; i--)
        if (t->tables[i - 1].id == id)
            return &t->tables[i - 1];
    return NULL;
}

static bool is_named(const char *asked, const struct binlog_table *table)
{
    size_t n = strlen(table->schema);
    return strcasecmp(asked, table->name) == 0 ||
           (strncasecmp(asked, table->schema, n) == 0 && asked[n] == '.' &&
               strcasecmp(asked + n + 1, table->name) == 0);
}

static int take_table(struct binlog_transactions *t, const struct binlog_event *ev, struct err *e)
{
    struct binlog_table table;
    int r = binlog_table_parse(ev->data, ev->n, &table, e);
    if (r < 0)
        return r;
    struct table *at = table_of(t, table.id);
    t->now.named |= t->names && is_named(t->names, &table);
    if (!at && t->n < TABLES_MAX)
        at = &t->tables[t->n++];
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%.*s.%.*s", 259, table.schema, 259, table.name);
    (void)touch(t, name, false);
    if (!at)
        return 0;
    binlog_columns_clear(&at->columns);
    at->id = table.id;
    memcpy(at->name, name, sizeof name);
    if (binlog_columns_parse(ev->data, ev->n, &at->columns, NULL) < 0)
        at->columns.n = 0;
    return 0;
}

static void take_value(void *ctx, size_t column, const char *value)
{
    (void)column;
    (void)json_array_append_new(ctx, value ? json_text(value) : json_null());
}

/* All images of an event; content: NULL, or where the first of them go. */
static int walk(
    struct binlog_rows *rows, const char *table, json_t *content, uint64_t *count, struct err *e)
{
    static const char *const names[BINLOG_CHANGES] = {"inserted", "changed", "deleted"};
    json_t *was = NULL;
    for (;;) {
        bool shown = content && json_array_size(content) < BINLOG_ROWS_SHOWN, after = rows->after;
        json_t *row = shown ? json_array() : NULL;
        int r = binlog_rows_next(rows, row ? take_value : NULL, row, e);
        if (r <= 0) {
            json_decref(row);
            json_decref(was);
            return r;
        }
        bool whole = rows->change != BINLOG_CHANGED_ROW || after;
        *count += whole;
        if (!whole)
            was = row;
        else if (row)
            (void)json_array_append_new(
                content, json_pack("{s:o, s:s, s:o, s:o*}", "table", json_text(table), "change",
                             names[rows->change], "row", row, "was", was));
        if (whole)
            was = NULL;
    }
}

static int take_rows(struct binlog_transactions *t, const struct binlog_event *ev, struct err *e)
{
    uint64_t id, count = 0;
    bool last;
    struct binlog_rows rows;
    _cleanup_free_ uint8_t *inflated = NULL;
    size_t n = 0;
    int r = binlog_rows_parse(ev->data, ev->n, &id, &last, e);
    if (r < 0)
        return r;
    struct table *at = table_of(t, id);
    struct binlog_touched *what = at ? touch(t, at->name, false) : NULL;
    if (!what) /* the end of a statement that touched nothing, or one table too many */
        return 0;
    r = at->columns.n ? binlog_rows_begin(ev->data, ev->n, &at->columns, &rows, NULL) : -ENOTSUP;
    if (r == 0 && rows.compressed) {
        r = binlog_inflate(
            rows.p, (size_t)(rows.end - rows.p), N_("a compressed row event"), &inflated, &n, NULL);
        rows.p = inflated;
        rows.end = inflated + n;
    }
    if (r == 0)
        r = walk(&rows, at->name, t->now.content, &count, NULL);
    if (r == 0)
        what->rows[rows.change] += count;
    else
        what->unsure = true;
    return 0;
}

/* --- statements --- */

static bool in_name(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static bool names_it(const char *text, size_t n, const char *asked)
{
    const char *dot = strchr(asked, '.'), *table = dot ? dot + 1 : asked;
    size_t len = strlen(table);
    for (size_t i = 0; len && i + len <= n; i++)
        if (strncasecmp(text + i, table, len) == 0 && (i == 0 || !in_name(text[i - 1])) &&
            (i + len == n || !in_name(text[i + len])))
            return true;
    return false;
}

static void take_query(struct binlog_transactions *t, const struct binlog_event *ev)
{
    struct binlog_query q;
    _cleanup_free_ uint8_t *inflated = NULL;
    char kind[BINLOG_KIND_LEN];
    if (binlog_query_parse(ev->data, ev->n, &q, NULL) < 0)
        return;
    if (ev->h.type == BINLOG_QUERY_COMPRESSED) {
        if (binlog_inflate((const uint8_t *)q.text, q.length, "a compressed statement", &inflated,
                &q.length, NULL) < 0)
            return;
        q.text = (const char *)inflated;
    }
    t->now.thread = q.thread;
    enum binlog_bracket bracket = binlog_query_bracket(&q);
    t->ended |= bracket != BINLOG_BEGIN;
    if (bracket != BINLOG_NO_BRACKET)
        return;
    t->now.named |= t->names && names_it(q.text, q.length, t->names);
    (void)touch(t, binlog_query_kind(&q, kind), true);
}

int binlog_transactions_event(
    struct binlog_transactions *t, const struct binlog_event *ev, struct err *e)
{
    if (ev->h.type == BINLOG_GTID)
        return begin(t, ev, e);
    if (!t->open)
        return 0;
    if (ev->h.type == BINLOG_TABLE_MAP)
        return take_table(t, ev, e);
    if (binlog_is_rows(ev->h.type))
        return take_rows(t, ev, e);
    if (ev->h.type == BINLOG_QUERY || ev->h.type == BINLOG_QUERY_COMPRESSED)
        take_query(t, ev);
    if (binlog_is_load(ev->h.type))
        (void)touch(t, binlog_type_name(ev->h.type), true);
    t->ended |= ev->h.type == BINLOG_XID || ev->h.type == BINLOG_XA_PREPARE;
    return 0;
}
