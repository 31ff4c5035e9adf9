#include "backup/job/trial/broken_tables.h"
#include "common/json_get.h"
#include "common/error_phrase.h"
#include "common/lang.h"
#include "common/sql_name.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define NO_SUCH_TABLE 1146 /* ER_NO_SUCH_TABLE, also of some orphans; most are 1932 */
#define NO_SUCH_KEY   1176 /* ER_KEY_DOES_NOT_EXISTS: of a view (server_base_table) */
#define WORDS_MAX     5    /* so many are named in a message */

struct names {
    char **schema, **table;
    size_t n;
};

static int note_name(void *ctx, const struct server_row *row, struct err *e)
{
    struct names *l = ctx;
    (void)e;
    l->schema = xrealloc(l->schema, (l->n + 1) * sizeof *l->schema);
    l->table = xrealloc(l->table, (l->n + 1) * sizeof *l->table);
    l->schema[l->n] = xstrdup(row->text[0]);
    l->table[l->n++] = xstrdup(row->text[1]);
    return 0;
}

bool broken_tables_dropped(struct server *s, const char *schema, const char *table)
{
    uint64_t n = 1;
    if (server_errno(s) != NO_SUCH_TABLE && server_errno(s) != NO_SUCH_KEY)
        return false;
    _cleanup_free_ char *a = server_quote_text(s, schema), *b = server_quote_text(s, table);
    return server_u64(s, &n, NULL,
               "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s AND COALESCE(TABLE_TYPE, '') <> 'VIEW'",
               a, b) == 0 &&
           n == 0;
}

static int try_one(
    struct server *s, const char *schema, const char *table, json_t *broken, struct err *e)
{
    _cleanup_free_ char *from = server_base_table(schema, table, false);
    struct err why = {0};
    int code = server_exec(s, &why, "SELECT 1 FROM %s LIMIT 1", from);
    if (code == -EPIPE)
        *e = why;
    if (code == 0 || code == -EPIPE)
        return code;
    json_t *words = phrase("%s", server_error(s));
    /* a lock that somebody holds says nothing of the table */
    if (code == -ETIMEDOUT || broken_tables_dropped(s, schema, table)) {
        json_decref(words);
        return 0;
    }
    _cleanup_free_ char *name = sql_name_table(schema, table);
    (void)json_object_set_new(broken, name, words);
    return 0;
}

int broken_tables_find(struct server *s, json_t **out, struct err *e)
{
    struct names l = {0};
    _cleanup_json_ json_t *broken = json_object();
    /* the type of a table that cannot be opened may be NULL */
    int code = server_rows(s, note_name, &l, e,
        "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE COALESCE(TABLE_TYPE, '') NOT IN ('VIEW', 'SYSTEM VIEW') AND TABLE_SCHEMA NOT IN ('information_schema', 'performance_schema')");
    for (size_t i = 0; i < l.n; i++) {
        if (code == 0)
            code = try_one(s, l.schema[i], l.table[i], broken, e);
        free(l.schema[i]);
        free(l.table[i]);
    }
    free(l.schema);
    free(l.table);
    if (code == 0)
        *out = json_incref(broken);
    return code;
}

const json_t *broken_tables_missing(const struct manifest *m)
{
    const json_t *missing = json_object_get(m->info, "missing");
    return json_is_object(missing) ? missing : NULL;
}

void broken_tables_lack(struct manifest *m, const struct manifest *base)
{
    const json_t *missing = broken_tables_missing(base);
    if (!missing)
        return;
    json_t *all = json_copy((json_t *)(uintptr_t)missing);
    (void)json_object_update(all, (json_t *)(uintptr_t)broken_tables_missing(m));
    (void)json_object_set_new(m->info, "missing", all);
}

json_t *broken_tables_of(const struct manifest *m)
{
    const json_t *missing = broken_tables_missing(m);
    json_t *broken = m->method == MANIFEST_PHYSICAL && (m->table_count || missing) ? json_object()
                                                                                   : NULL;
    for (size_t i = 0; i < m->table_count; i++) {
        const struct manifest_table *t = &m->tables[i];
        _cleanup_free_ char *name = sql_name_table(t->schema, t->name);
        if (broken && t->rows < 0)
            (void)json_object_set_new(
                broken, name, phrase_of(N_("could not be read when the backup was made")));
    }
    const char *name;
    json_t *one;
    json_object_foreach ((json_t *)(uintptr_t)missing, name, one)
        (void)json_object_set_new(broken, name, phrase_of(N_("not copied"))); /* a note has why */
    return broken;
}

json_t *broken_tables_new(const json_t *now, const json_t *then, const json_t *also)
{
    json_t *fresh = json_object(), *words;
    const char *name;
    json_object_foreach ((json_t *)(uintptr_t)now, name, words)
        if (!json_object_get(then, name) && !json_object_get(also, name))
            (void)json_object_set(fresh, name, words);
    return fresh;
}

char *broken_tables_words(const json_t *broken)
{
    if (json_object_size(broken) == 0)
        return xstrdup("");
    json_t *all = json_array(), *words;
    const char *name;
    json_object_foreach ((json_t *)(uintptr_t)broken, name, words) {
        if (json_array_size(all) == WORDS_MAX)
            break;
        json_t *one = phrase("%s (%s)", name, "");
        phrase_set(one, 1, json_incref(words));
        (void)json_array_append_new(all, one);
    }
    if (json_object_size(broken) > WORDS_MAX)
        (void)json_array_append_new(all, phrase("%zu more", json_object_size(broken) - WORDS_MAX));
    _cleanup_json_ json_t *list = phrase_list(all);
    char *carried = phrase_carried(list);
    return carried;
}

json_t *broken_tables_ours(const json_t *broken, const char *database)
{
    json_t *ours = json_object(), *words;
    const char *name;
    size_t n = strlen(database);
    json_object_foreach ((json_t *)(uintptr_t)broken, name, words)
        if ((strncasecmp(name, database, n) == 0 && name[n] == '.') ||
            strncmp(name, "mysql.", 6) == 0)
            (void)json_object_set(ours, name, words);
    return ours;
}
