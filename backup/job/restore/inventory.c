#include "backup/job/restore/inventory.h"
#include "common/json_get.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

/* Fewer rows than this gone from a table are no sign of anything. */
#define ROWS_NOTED 10

static const char *const kinds[] = {
    "table", "sequence", "view", "procedure", "function", "package", "trigger", "event"};

static int note_item(void *ctx, const struct server_row *row, struct err *e)
{
    struct inventory *v = ctx;
    (void)e;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcasecmp(row->text[0], kinds[i]) != 0)
            continue;
        v->items = xrealloc(v->items, (v->n + 1) * sizeof *v->items);
        v->items[v->n++] = (struct inventory_item){kinds[i], xstrdup(row->text[1]), -1};
    }
    return 0;
}

/* A database that is not there has nothing. */
static int read_database(struct server *s, const char *name, struct inventory *v, struct err *e)
{
    uint64_t n = 0;
    int code = server_u64(
        s, &n, e, "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME=%s", name);
    v->exists = n > 0;
    return code;
}

static int count_rows(
    struct server *s, const char *database, struct inventory_item *it, struct err *e)
{
    uint64_t n = 0;
    _cleanup_free_ char *table = server_base_table(database, it->name, false);
    int code = server_u64(s, &n, e, "SELECT COUNT(*) FROM %s", table);
    if (code == -EPIPE)
        return code;
    it->rows = code == 0 ? (int64_t)n : -1; /* a table that cannot be read has none to lose */
    return 0;
}

int inventory_read(struct server *s, const char *database, bool (*go_on)(void *ctx), void *ctx,
    struct inventory *out, struct err *e)
{
    struct inventory v = {0};
    _cleanup_free_ char *name = server_quote_text(s, database);
    int code = server_limit(s, 0, e);
    if (code == 0)
        code = read_database(s, name, &v, e);
    if (code == 0 && v.exists)
        code = server_rows(s, note_item, &v, e,
            "SELECT CASE TABLE_TYPE WHEN 'VIEW' THEN 'view' WHEN 'SEQUENCE' THEN 'sequence' ELSE 'table' END, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA=%s AND TABLE_TYPE <> 'TEMPORARY' UNION ALL SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA=%s UNION ALL SELECT 'trigger', TRIGGER_NAME FROM "
            "information_schema.TRIGGERS WHERE TRIGGER_SCHEMA=%s UNION ALL SELECT 'event', EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA=%s ORDER BY 1, 2",
            name, name, name, name);
    for (size_t i = 0; code == 0 && i < v.n; i++)
        if (go_on && !go_on(ctx))
            code = 1;
        else if (strcmp(v.items[i].kind, "table") == 0)
            code = count_rows(s, database, &v.items[i], e);
    if (code != 0)
        inventory_clear(&v);
    else
        *out = v;
    return code;
}

void inventory_clear(struct inventory *v)
{
    for (size_t i = 0; i < v->n; i++)
        free(v->items[i].name);
    free(v->items);
    *v = (struct inventory){0};
}

static bool is_stored(const char *kind)
{
    return strcmp(kind, "table") == 0 || strcmp(kind, "sequence") == 0;
}

const struct inventory_item *inventory_find(
    const struct inventory *v, const char *kind, const char *name)
{
    for (size_t i = 0; i < v->n; i++) {
        const struct inventory_item *it = &v->items[i];
        if (strcmp(it->name, name) == 0 &&
            (strcmp(it->kind, kind) == 0 || (is_stored(kind) && is_stored(it->kind))))
            return it;
    }
    return NULL;
}

static bool most_are_gone(int64_t before, int64_t after)
{
    return before - after >= ROWS_NOTED && after < before / 2;
}

json_t *inventory_loss(const struct inventory *before, const struct inventory *after)
{
    json_t *vanish = json_array(), *empty = json_array(), *fewer = json_array();
    json_int_t rows = 0, then = 0, tables = 0;
    for (size_t i = 0; i < before->n; i++) {
        const struct inventory_item *a = &before->items[i];
        const struct inventory_item *b = inventory_find(after, a->kind, a->name);
        rows += a->rows > 0 ? a->rows : 0;
        tables += is_stored(a->kind);
        if (!b)
            (void)json_array_append_new(vanish, json_pack("{s:s, s:s, s:I}", "kind", a->kind,
                                                    "name", a->name, "rows", (json_int_t)a->rows));
        else if (a->rows > 0 && b->rows == 0)
            (void)json_array_append_new(
                empty, json_pack("{s:s, s:I}", "name", a->name, "rows", (json_int_t)a->rows));
        else if (a->rows > 0 && b->rows > 0 && most_are_gone(a->rows, b->rows))
            (void)json_array_append_new(
                fewer, json_pack("{s:s, s:I, s:I}", "name", a->name, "rows", (json_int_t)a->rows,
                           "then", (json_int_t)b->rows));
    }
    for (size_t i = 0; i < after->n; i++)
        then += after->items[i].rows > 0 ? after->items[i].rows : 0;
    return json_pack("{s:o, s:o, s:o, s:I, s:I, s:I}", "vanish", vanish, "empty", empty, "fewer",
        fewer, "tables", tables, "rows", rows, "then", then);
}

/* A table that never had a row is a loss only among many. */
static bool tables_are_missed(const json_t *loss)
{
    const json_t *vanish = json_object_get(loss, "vanish");
    json_int_t gone = 0;
    for (size_t i = 0; i < json_array_size(vanish); i++) {
        const json_t *it = json_array_get(vanish, i);
        const char *kind = json_get_str(it, "kind");
        if (strcmp(kind, "database") == 0) /* another one, with tables (sql_fresh.c) */
            return true;
        if (!is_stored(kind))
            continue;
        gone++;
        if (json_get_int(it, "rows") != 0)
            return true;
    }
    return gone * 2 > json_get_int(loss, "tables");
}

bool inventory_loss_is_grave(const json_t *loss)
{
    return tables_are_missed(loss) || json_array_size(json_object_get(loss, "empty")) > 0 ||
           json_array_size(json_object_get(loss, "fewer")) > 0 ||
           most_are_gone(json_get_int(loss, "rows"), json_get_int(loss, "then"));
}

json_t *inventory_other_case(const struct inventory *before, const struct inventory *after)
{
    json_t *pairs = json_array();
    for (size_t i = 0; i < after->n; i++) {
        const struct inventory_item *a = &after->items[i];
        if (!is_stored(a->kind) || inventory_find(before, a->kind, a->name))
            continue;
        for (size_t k = 0; k < before->n; k++) {
            const struct inventory_item *b = &before->items[k];
            if (is_stored(b->kind) && strcasecmp(a->name, b->name) == 0 &&
                !inventory_find(after, b->kind, b->name)) {
                (void)json_array_append_new(pairs, json_pack("[s, s]", a->name, b->name));
                break;
            }
        }
    }
    return pairs;
}
