#include "backup/job/restore/rescue_table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "common/exit_codes.h"
#include "common/hex.h"
#include "common/json_lines.h"
#include "common/lang.h"
#include "common/sql_name.h"
#include "common/utf8.h"

#define SHOWN 200 /* bytes of a value, for people */

/* --- what it looks like --- */

static enum rescue_kind kind_of(const char *type, const char *charset)
{
    static const char *const numbers[] = {
        "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year"};
    static const char *const bytes[] = {"binary", "varbinary", "tinyblob", "blob", "mediumblob",
        "longblob", "bit", "geometry", "point", "linestring", "polygon", "multipoint",
        "multilinestring", "multipolygon", "geometrycollection", "vector"};
    if (charset)
        return RESCUE_TEXT;
    if (!strcmp(type, "float") || !strcmp(type, "double"))
        return RESCUE_FLOAT;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (!strcmp(type, numbers[i]))
            return RESCUE_NUMBER;
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++)
        if (!strcmp(type, bytes[i]))
            return RESCUE_BYTES;
    return RESCUE_WORD; /* dates, times, UUIDs, addresses */
}

/* name, type, whole type, character set, collation, nullable, generated, key */
static int take_column(void *ctx, const struct server_row *row, struct err *e)
{
    struct rescue_table *t = ctx;
    if (t->n == RESCUE_COLUMNS_MAX)
        return err_set(e, E2BIG, "%s has too many columns", t->quoted);
    const char *charset = row->text[3];
    if (charset && charset[strspn(charset, "abcdefghijklmnopqrstuvwxyz0123456789_")])
        return err_set(e, EINVAL, "a column of %s has no good character set", t->quoted);
    t->columns = xrealloc(t->columns, (t->n + 1) * sizeof *t->columns);
    struct rescue_column *c = &t->columns[t->n++];
    *c = (struct rescue_column){.name = xstrdup(row->text[0]),
        .quoted = sql_name_quoted(row->text[0]),
        .shape = xasprintf("%s %s %s %s", row->text[2], row->text[4] ? row->text[4] : "",
            row->text[5], row->text[6]),
        .charset = charset ? xstrdup(charset) : NULL,
        .kind = kind_of(row->text[1], charset),
        .generated = strcmp(row->text[6], "0") != 0,
        .key = strcmp(row->text[7], "0") != 0};
    t->keys += c->key;
    return 0;
}

static int refused(struct err *e, const char *what, const char *table, const char *where)
{
    return err_outcome(e, EXIT_REFUSED, EINVAL, "%s %s %s", table, what, where);
}

/* A number of floating point as its nearest text would lose digits. */
static void add_value(char **to, const struct rescue_column *c)
{
    xappendf(to, c->kind == RESCUE_FLOAT ? "(%s+0e0)" : "%s", c->quoted);
}

/* The same for people, in UTF-8. */
static void add_shown(char **to, const struct rescue_column *c)
{
    if (c->kind == RESCUE_TEXT)
        xappendf(to, "CONVERT(%s USING utf8mb4)", c->quoted);
    else
        add_value(to, c);
}

static void make_digest(struct rescue_table *t)
{
    xappendf(&t->digest, "SHA2(CONCAT_WS(','");
    for (size_t i = 0; i < t->n; i++) {
        xappendf(&t->digest, ",IFNULL(SHA2(");
        add_value(&t->digest, &t->columns[i]);
        xappendf(&t->digest, ",256),'-')");
    }
    xappendf(&t->digest, "),256)");
}

static int take_names(void *ctx, const struct server_row *row, struct err *e)
{
    struct rescue_table *t = ctx;
    (void)e;
    if (t->name || strcmp(row->text[2], "BASE TABLE") != 0)
        return 0;
    t->schema = xstrdup(row->text[0]);
    t->name = xstrdup(row->text[1]);
    t->engine = xstrdup(row->text[3] ? row->text[3] : "");
    return 0;
}

int rescue_table_look(struct server *s, const char *schema, const char *name, const char *where,
    struct rescue_table *out, struct err *e)
{
    struct rescue_table t = {.n = 0};
    _cleanup_free_ char *asked = sql_name_table(schema, name);
    _cleanup_free_ char *db = server_quote_text(s, schema), *table = server_quote_text(s, name);
    int code = server_rows(s, take_names, &t, e,
        "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s",
        db, table);
    if (code == 0 && !t.name)
        code = refused(e, N_("is no table"), UTF8_SHORT(asked, 140), where);
    if (code != 0)
        return code;
    t.quoted = sql_name_quoted_table(t.schema, t.name);
    code = server_rows(s, take_column, &t, e,
        "SELECT c.COLUMN_NAME, c.DATA_TYPE, c.COLUMN_TYPE, c.CHARACTER_SET_NAME, c.COLLATION_NAME, c.IS_NULLABLE, IF(c.IS_GENERATED='ALWAYS', CONCAT('1 ', c.GENERATION_EXPRESSION), '0'), (SELECT COUNT(*) FROM information_schema.STATISTICS k WHERE k.TABLE_SCHEMA=c.TABLE_SCHEMA AND k.TABLE_NAME=c.TABLE_NAME AND k.INDEX_NAME='PRIMARY' AND k.COLUMN_NAME=c.COLUMN_NAME) FROM information_schema.COLUMNS c WHERE c.TABLE_SCHEMA=%s AND c.TABLE_NAME=%s ORDER BY c.ORDINAL_POSITION",
        db, table);
    if (code == 0 && t.keys == 0)
        code = refused(
            e, N_("has no primary key by which its rows could be told apart"), asked, where);
    if (code == 0)
        make_digest(&t);
    if (code == 0)
        *out = t;
    else
        rescue_table_clear(&t);
    return code;
}

int rescue_table_same(
    const struct rescue_table *then, const struct rescue_table *live, struct err *e)
{
    for (size_t i = 0; i < then->n || i < live->n; i++) {
        const struct rescue_column *a = i < then->n ? &then->columns[i] : NULL,
                                   *b = i < live->n ? &live->columns[i] : NULL;
        if (a && b && !strcmp(a->name, b->name) && !strcmp(a->shape, b->shape) && a->key == b->key)
            continue;
        return err_outcome(e, EXIT_REFUSED, EINVAL,
            "the columns of %s are not what they were (%s): its rows of then do not fit into it. To look at them: elexgate restore --into DIR --serve SOCKET --to …",
            live->name, UTF8_SHORT(a ? a->name : b->name, 64));
    }
    return 0;
}

void rescue_table_clear(struct rescue_table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        free(t->columns[i].name);
        free(t->columns[i].quoted);
        free(t->columns[i].shape);
        free(t->columns[i].charset);
    }
    free(t->columns);
    free(t->schema);
    free(t->name);
    free(t->quoted);
    free(t->engine);
    free(t->digest);
    *t = (struct rescue_table){.n = 0};
}

/* --- literals --- */

/* malloc'ed; NULL: what the server says of a number is none. */
static char *literal(const struct rescue_column *c, const char *value, unsigned long n)
{
    if (!value)
        return xstrdup("NULL");
    if (c->kind == RESCUE_NUMBER || c->kind == RESCUE_FLOAT) {
        bool good = n > 0 && n < 400 && strspn(value, "0123456789+-.eE") == n;
        return good ? xasprintf("'%.*s'", (int)n, value) : NULL;
    }
    char *out = xmalloc(2 * n + 80);
    size_t at = (size_t)sprintf(
        out, "%s%s x'", c->charset ? "_" : "", c->charset ? c->charset : "");
    if (c->kind == RESCUE_WORD) /* bytes in their place would be taken for the value itself */
        at = (size_t)sprintf(out, "_ascii x'");
    hex_text(value, n, out + at);
    strcat(out + at, "'");
    return out;
}

static int no_number(struct err *e)
{
    err_set(e, EBADMSG, "a number of the table is none: nothing is written");
    return -EBADMSG;
}

/* --- rows --- */

struct reading {
    const struct rescue_table *table;
    struct rescue_rows *rows;
};

static void add_label(struct rescue_row *r, const char *value, unsigned long n)
{
    char text[RESCUE_LABEL];
    if (r->label[0])
        utf8_format(r->label, sizeof r->label, "%s/", r->label);
    snprintf(text, sizeof text, "%.*s", (int)(n < sizeof text ? n : sizeof text - 1), value);
    utf8_format(r->label, sizeof r->label, "%s%s", r->label, utf8_copy(text, sizeof text, text));
}

static int take_row(void *ctx, const struct server_row *row, struct err *e)
{
    struct reading *in = ctx;
    struct rescue_rows *rows = in->rows;
    struct rescue_row r = {.is = NULL};
    unsigned at = 0, keys = (unsigned)in->table->keys;
    if (row->n != 2 * keys + 1 || !row->text[2 * keys] || row->len[2 * keys] != SHA256_HEX_LEN - 1)
        return err_set(e, EBADMSG, "a row of %s cannot be read", in->table->name);
    if (rows->n == RESCUE_ROWS_MAX) {
        err_set(e, E2BIG,
            "more than %d rows of %s: name fewer with --where, or bring everything back (elexgate restore --to)",
            RESCUE_ROWS_MAX, in->table->name);
        return -E2BIG;
    }
    for (size_t i = 0; i < in->table->n; i++) {
        const struct rescue_column *c = &in->table->columns[i];
        if (!c->key)
            continue;
        _cleanup_free_ char *value = row->text[at] ? literal(c, row->text[at], row->len[at]) : NULL;
        if (!value) {
            free(r.is);
            return no_number(e);
        }
        xappendf(&r.is, "%s%s=%s", at ? " AND " : "", c->quoted, value);
        if (row->text[keys + at])
            add_label(&r, row->text[keys + at], row->len[keys + at]);
        at++;
    }
    memcpy(r.digest, row->text[2 * keys], SHA256_HEX_LEN);
    if (rows->n % 1024 == 0)
        rows->list = xrealloc(rows->list, (rows->n + 1024) * sizeof *rows->list);
    rows->list[rows->n++] = r;
    return 0;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct rescue_row *)a)->is, ((const struct rescue_row *)b)->is);
}

int rescue_rows_read(struct server *s, const struct rescue_table *t, const char *condition,
    struct rescue_rows *out, struct err *e)
{
    struct rescue_rows rows = {.n = 0};
    struct reading in = {t, &rows};
    _cleanup_free_ char *keys = NULL, *from = server_base_table(t->schema, t->name, false);
    for (size_t i = 0; i < 2 * t->n; i++)
        if (t->columns[i % t->n].key) {
            (i < t->n ? add_value : add_shown)(&keys, &t->columns[i % t->n]);
            xappendf(&keys, ", ");
        }
    int code = server_rows(s, take_row, &in, e, "SELECT %s%s FROM %s%s%s%s", keys, t->digest, from,
        condition ? " WHERE (" : "", condition ? condition : "", condition ? ")" : "");
    if (code == -E2BIG)
        code = EXIT_REFUSED;
    if (code != 0) {
        rescue_rows_clear(&rows);
        return code;
    }
    if (rows.n)
        qsort(rows.list, rows.n, sizeof *rows.list, by_key);
    *out = rows;
    return 0;
}

void rescue_rows_clear(struct rescue_rows *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->list[i].is);
    free(r->list);
    *r = (struct rescue_rows){.n = 0};
}

const struct rescue_row *rescue_rows_find(const struct rescue_rows *r, const char *is)
{
    const struct rescue_row key = {.is = (char *)(uintptr_t)is};
    return r->n ? bsearch(&key, r->list, r->n, sizeof *r->list, by_key) : NULL;
}

int rescue_digest(struct server *s, const struct rescue_table *t, const char *is, bool lock,
    char digest[static SHA256_HEX_LEN], struct err *e)
{
    _cleanup_free_ char *text = NULL, *from = server_base_table(t->schema, t->name, false);
    int code = server_text(s, &text, e, "SELECT %s FROM %s WHERE %s%s", t->digest, from, is,
        lock ? " FOR UPDATE" : "");
    if (code == 0)
        snprintf(digest, SHA256_HEX_LEN, "%s", text ? text : "");
    return code;
}

/* --- contents --- */

struct contents {
    const struct rescue_table *table;
    char **values;
    json_t *shown;
    char digest[SHA256_HEX_LEN]; /* with values, of one and the same answer */
};

static int take_values(void *ctx, const struct server_row *row, struct err *e)
{
    struct contents *c = ctx;
    char text[SHOWN + 1];
    if (!c->shown && row->n > c->table->n && row->text[c->table->n])
        snprintf(c->digest, sizeof c->digest, "%s", row->text[c->table->n]);
    for (size_t i = 0; i < c->table->n && i < row->n; i++) {
        const struct rescue_column *column = &c->table->columns[i];
        if (c->shown) {
            size_t n = row->text[i] && row->len[i] < SHOWN ? row->len[i] : SHOWN;
            snprintf(text, sizeof text, "%.*s", (int)n, row->text[i] ? row->text[i] : "");
            (void)json_object_set_new(
                c->shown, column->name, row->text[i] ? json_text(text) : json_null());
            continue;
        }
        free(c->values[i]);
        c->values[i] = literal(column, row->text[i], row->len[i]);
        if (!c->values[i])
            return no_number(e);
    }
    return 0;
}

static int read_values(struct server *s, const struct rescue_table *t, const char *is,
    struct contents *c, struct err *e)
{
    _cleanup_free_ char *columns = NULL, *from = server_base_table(t->schema, t->name, false);
    for (size_t i = 0; i < t->n; i++) {
        xappendf(&columns, "%s", i ? ", " : "");
        (c->shown ? add_shown : add_value)(&columns, &t->columns[i]);
    }
    if (!c->shown)
        xappendf(&columns, ", %s", t->digest);
    return server_rows(s, take_values, c, e, "SELECT %s FROM %s WHERE %s", columns, from, is);
}

char **rescue_values(struct server *s, const struct rescue_table *t, const char *is,
    const char *digest, struct err *e, int *code)
{
    struct contents c = {.table = t, .values = xcalloc(t->n, sizeof *c.values)};
    *code = read_values(s, t, is, &c, e);
    if (*code == 0 && c.values[0] && strcmp(c.digest, digest) == 0)
        return c.values;
    rescue_values_free(t, c.values);
    return NULL;
}

void rescue_values_free(const struct rescue_table *t, char **values)
{
    for (size_t i = 0; values && i < t->n; i++)
        free(values[i]);
    free(values);
}

int rescue_show(
    struct server *s, const struct rescue_table *t, const char *is, json_t **out, struct err *e)
{
    struct contents c = {.table = t, .shown = json_object()};
    int code = read_values(s, t, is, &c, e);
    if (code == 0)
        *out = c.shown;
    else
        json_decref(c.shown);
    return code;
}
