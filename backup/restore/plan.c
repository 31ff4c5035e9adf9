/*
 * What a restore would replace by what, for a person to decide: nothing is changed.
 */
#include <stdio.h>
#include <string.h>
#include "backup/archive/manifest_file.h"
#include "backup/restore/foreign.h"
#include "backup/restore/restore.h"
#include "common/clock.h"
#include "common/json_lines.h"

/* Rows now against rows then; a table that takes longer than the session's statement limit is left
 * out. */
static json_t *rows_json(struct server *s, const struct manifest *m)
{
    json_t *array = json_array();
    for (size_t i = 0; i < m->table_count; i++) {
        const struct manifest_table *t = &m->tables[i];
        uint64_t now = 0;
        if (t->rows < 0 || !strcmp(t->schema, "mysql"))
            continue;
        _cleanup_free_ char *schema = server_quote_name(t->schema),
                            *name = server_quote_name(t->name);
        if (server_u64(s, &now, NULL, "SELECT COUNT(*) FROM %s.%s", schema, name) == 0 &&
            now != (uint64_t)t->rows) {
            _cleanup_free_ char *both = xasprintf("%s.%s", t->schema, t->name);
            (void)json_array_append_new(array, json_pack("{s:s, s:I, s:I}", "table", both, "now",
                                                   (json_int_t)now, "then", (json_int_t)t->rows));
        }
    }
    return array;
}

static json_t *sessions_json(const struct run *run)
{
    json_t *answer = NULL, *request = json_pack("{s:s}", "cmd", "sessions"), *array = json_array();
    if (run->s.proxy_socket &&
        control_call(run->s.proxy_socket, 3000, request, &answer, NULL) == 0) {
        size_t i;
        json_t *s;
        json_array_foreach (json_object_get(answer, "sessions"), i, s)
            (void)json_array_append_new(
                array, json_pack("{s:O?, s:O?, s:O?}", "user", json_object_get(s, "user"), "peer",
                           json_object_get(s, "peer"), "program", json_object_get(s, "program")));
    }
    json_decref(answer);
    json_decref(request);
    return array;
}

static json_t *part_json(const struct store_item *it, const struct layout *l, const char *live)
{
    char made[CLOCK_ISO_LEN];
    uint64_t bytes = 0;
    if (live)
        (void)!layout_size(live, &bytes, NULL);
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:b, s:s?, s:s?, s:{s:I, s:s?}}", "type", it->type,
        "method", manifest_method_name(it->manifest.method), "run", it->run, "made",
        clock_iso(it->manifest.started_ms, made), "bytes", (json_int_t)it->manifest.content.bytes,
        "proven", it->status.proven_ms && it->status.proven_good, "server",
        it->manifest.server.version, "live", live, "replaces", "bytes", (json_int_t)bytes, "server",
        it->manifest.method == MANIFEST_FILES ? NULL : l->version);
}

static bool asked_for(char *const *types, const char *type)
{
    bool any = types && *types;
    for (; types && *types; types++)
        if (!strcmp(*types, type))
            return true;
    return !any;
}

int restore_plan(struct run *run, const struct restore_request *q, struct err *e)
{
    struct store_list found = {0};
    struct layout layout = {0};
    struct server *s = NULL;
    json_t *parts = json_array(), *rows = json_array();
    int code = restore_find(run, q, &found, e);
    if (code == 0)
        code = server_connect(&run->s.target, "elexgate-job", &s, e);
    if (code == 0)
        code = layout_read(s, config_str(run->s.config, "backup", NULL, "datadir"), &layout, e);
    for (size_t i = 0; code == 0 && i < found.count; i++) {
        const struct store_item *it = &found.items[i];
        if (!asked_for(q->types, it->type))
            continue;
        bool files = it->manifest.method == MANIFEST_FILES;
        const char *live = files ? config_str(run->s.config, "data", it->type, "path")
                                 : layout.datadir;
        (void)json_array_append_new(parts, part_json(it, &layout, live));
        if (!files) {
            json_t *more = rows_json(s, &it->manifest);
            (void)json_array_extend(rows, more);
            json_decref(more);
        }
        snprintf(run->suffix, sizeof run->suffix, "%s", it->run);
    }
    if (code == 0)
        run_event(json_pack("{s:s, s:s, s:O, s:O, s:o}", "event", "plan", "run", run->suffix,
            "parts", parts, "rows", rows, "sessions", sessions_json(run)));
    json_decref(parts);
    json_decref(rows);
    server_close(s);
    layout_clear(&layout);
    store_list_clear(&found);
    return code;
}
