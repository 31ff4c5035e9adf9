#include "backup/job/job.h"

#include <errno.h>
#include <string.h>
#include "backup/job/commands.h"
#include "backup/job/trial/copy_check.h"
#include "backup/job/trial/table_sums.h"
#include "backup/server/server.h"
#include "common/json_get.h"
#include "common/sql_name.h"

struct asked {
    const char *which, *type, *against;
    bool foreign;
};

static json_t *rows_or_null(const struct manifest_table *t)
{
    return t && t->rows >= 0 ? json_integer((json_int_t)t->rows) : json_null();
}

/* The server's own are no practice's data. */
static bool is_own(const struct manifest_table *t)
{
    return strcmp(t->schema, "mysql") != 0;
}

static json_t *tables_of(const struct manifest *m)
{
    json_t *list = json_array();
    for (size_t i = 0; i < m->table_count; i++) {
        const struct manifest_table *t = &m->tables[i];
        if (!is_own(t))
            continue;
        _cleanup_free_ char *name = sql_name_table(t->schema, t->name);
        json_array_append_new(
            list, json_pack("{s:s,s:o,s:o}", "table", name, "rows", rows_or_null(t), "newest",
                      archive_time_json(manifest_newest(m, t->schema, t->name))));
    }
    return list;
}

/* --- the difference ----------------------------------------------------------------------------
 */

struct comparing {
    const struct manifest *then, *other;
    json_t *list;
    json_int_t equal;
};

static const char *change_of(
    const struct comparing *c, const struct manifest_table *a, const struct manifest_table *b)
{
    if (!a || !b)
        return a ? "missing" : "new";
    if (a->rows >= 0 && b->rows >= 0 && a->rows != b->rows)
        return "rows";
    if (a->checksum && b->checksum)
        return strcmp(a->checksum, b->checksum) == 0 ? NULL : "content";
    return manifest_newest(c->then, a->schema, a->name) ==
                   manifest_newest(c->other, b->schema, b->name)
               ? NULL
               : "content";
}

static void compare_table(
    struct comparing *c, const struct manifest_table *a, const struct manifest_table *b)
{
    const struct manifest_table *t = a ? a : b;
    const char *change = change_of(c, a, b);
    if (!change) {
        c->equal++;
        return;
    }
    _cleanup_free_ char *name = sql_name_table(t->schema, t->name);
    json_array_append_new(c->list,
        json_pack("{s:s,s:s,s:o,s:o,s:o,s:o}", "table", name, "change", change, "rows",
            rows_or_null(a), "other_rows", rows_or_null(b), "newest",
            archive_time_json(manifest_newest(c->then, t->schema, t->name)), "other_newest",
            archive_time_json(manifest_newest(c->other, t->schema, t->name))));
}

/* A dump holds one database: of the others it says nothing. */
static bool knows_schema(const struct manifest *m, const char *schema)
{
    for (size_t i = 0; i < m->table_count; i++)
        if (strcmp(m->tables[i].schema, schema) == 0)
            return true;
    return false;
}

static json_t *difference_of(
    const char *against, const struct manifest *then, const struct manifest *other)
{
    struct comparing c = {then, other, json_array(), 0};
    for (size_t i = 0; i < then->table_count; i++)
        if (is_own(&then->tables[i]) && knows_schema(other, then->tables[i].schema))
            compare_table(&c, &then->tables[i],
                manifest_find_table(other, then->tables[i].schema, then->tables[i].name));
    for (size_t i = 0; i < other->table_count; i++)
        if (is_own(&other->tables[i]) && knows_schema(then, other->tables[i].schema) &&
            !manifest_find_table(then, other->tables[i].schema, other->tables[i].name))
            compare_table(&c, NULL, &other->tables[i]);
    return json_pack("{s:s,s:I,s:o}", "against", against, "equal", c.equal, "tables", c.list);
}

/* Counted as a drill counts; nobody waits for it. */
static int count_now(struct run *r, struct manifest *now, struct err *e)
{
    _cleanup_server_ struct server *s = NULL;
    _cleanup_json_ json_t *broken = json_object();
    struct table_sums_options o = {.rows_only = true, .all = true};
    run_phase(r, "now", "check", 0);
    int code = server_connect(&r->s.target, "elexgate-job", &s, e);
    if (code == 0)
        code = table_sums_read(s, &o, now, broken, run_go_on, r, e);
    return code == 1 ? run_pack_result(PACK_STOPPED, e) : code;
}

/* --- one archive ------------------------------------------------------------------------------ */

static int open_manifest(struct run *r, const struct store_list *l, const struct store_item *it,
    struct manifest_file **file, const struct manifest **m, struct err *e)
{
    _cleanup_free_ char *path = store_path(l->folder, it, ARCHIVE_NAME_MANIFEST);
    return copy_check_manifest(r, it, path, file, m, e);
}

static bool is_of_database(const struct store_item *it)
{
    return *it->digest && it->manifest.method != MANIFEST_FILES;
}

/* Against the same kind of data, else against whatever is of the database. */
static int against_run(struct run *r, const struct asked *a, const struct store_item *it,
    const struct manifest *then, json_t *told, struct err *e)
{
    CLEANUP(store_list_clear) struct store_list l = {0};
    _cleanup_manifest_file_ struct manifest_file *file = NULL;
    const struct manifest *other = NULL;
    const struct store_item *chosen = NULL;
    int code = run_find(r, a->against, NULL, a->foreign, &l, e);
    for (size_t i = 0; code == 0 && i < l.count; i++)
        if (is_of_database(&l.items[i]) && (!chosen || strcmp(l.items[i].type, it->type) == 0))
            chosen = &l.items[i];
    if (code == 0 && !chosen)
        code = err_set(e, ENOENT, "%s holds no database", a->against);
    if (code == 0)
        code = open_manifest(r, &l, chosen, &file, &other, e);
    if (code == 0)
        json_object_set_new(told, "difference", difference_of(a->against, then, other));
    return code;
}

static int tell_one(struct run *r, const struct asked *a, const struct store_list *l,
    const struct store_item *it, const struct manifest *now, json_t *told, struct err *e)
{
    _cleanup_manifest_file_ struct manifest_file *file = NULL;
    const struct manifest *m = NULL;
    if (!is_of_database(it))
        return 0;
    int code = open_manifest(r, l, it, &file, &m, e);
    if (code == 0) {
        json_object_set_new(told, "tables", tables_of(m));
        if (manifest_newest(m, NULL, NULL))
            json_object_set_new(told, "newest", archive_time_json(manifest_newest(m, NULL, NULL)));
    }
    if (code == 0 && now)
        json_object_set_new(told, "difference", difference_of("now", m, now));
    else if (code == 0 && a->against)
        code = against_run(r, a, it, m, told, e);
    return code;
}

static int tell_all(struct run *r, const struct asked *a, const struct store_list *l, struct err *e)
{
    CLEANUP(manifest_clear) struct manifest now = {0};
    _cleanup_json_ json_t *archives = json_array();
    bool with_now = a->against && strcmp(a->against, "now") == 0;
    int code = with_now ? count_now(r, &now, e) : 0;
    for (size_t i = 0; code == 0 && i < l->count; i++) {
        json_t *told = archive_item_json(l->folder, &l->items[i]);
        json_array_append_new(archives, told);
        code = tell_one(r, a, l, &l->items[i], with_now ? &now : NULL, told, e);
    }
    if (code == 0)
        run_event(
            json_pack("{s:s,s:s,s:O}", "event", "info", "run", r->suffix, "archives", archives));
    return code;
}

int job_info(struct run *r, int argc, char **argv, struct err *e)
{
    struct asked a = {.which = "latest"};
    CLEANUP(store_list_clear) struct store_list l = {0};
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--type") == 0 && i + 1 < argc)
            a.type = argv[++i];
        else if (strcmp(argv[i], "--against") == 0 && i + 1 < argc)
            a.against = argv[++i];
        else if (strcmp(argv[i], "--against-now") == 0)
            a.against = "now";
        else if (strcmp(argv[i], "--foreign") == 0)
            a.foreign = true;
        else
            a.which = argv[i];
    run_be_modest(r);
    int code = run_find(r, a.which, a.type, a.foreign, &l, e);
    if (code == 0) {
        snprintf(r->suffix, sizeof r->suffix, "%s", l.items[0].run);
        code = tell_all(r, &a, &l, e);
    }
    return code;
}
