/*
 * What a restore would replace by what, for a person to decide: nothing is changed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "backup/job/restore/stage.h"
#include "backup/job/trial/copy_check.h"
#include "backup/job/binlog/loss.h"
#include "backup/job/restore/foreign.h"
#include "backup/job/restore/pick.h"
#include "backup/job/restore/site.h"
#include "backup/rules/series.h"
#include "common/clock.h"
#include "common/error_phrase.h"
#include "common/json_get.h"
#include "common/sql_name.h"
#include "link/control.h"
#include "common/phrase.h"

struct plan {
    struct run *run;
    struct server *server;
    struct site site;
    json_t *parts, *rows;
    json_t *moment;   /* what a restore to a moment would lose; NULL: to the backup as it is */
    bool rows_known;  /* the manifest says how many there were */
    size_t uncounted; /* tables that could not be counted within the session's limit */
};

static json_t *row_json(const char *schema, const char *name, int64_t now, int64_t then)
{
    _cleanup_free_ char *both = sql_name_table(schema, name);
    return json_pack("{s:o, s:I, s:I}", "table", json_text(both), "now", (json_int_t)now, "then",
        (json_int_t)then);
}

/* 0: counted; 1: there is no such table, or no one can read it; 2: it takes too long. */
static int count_rows(struct plan *p, const char *schema, const char *name, uint64_t *rows)
{
    _cleanup_free_ char *table = server_base_table(schema, name, false);
    int r = server_u64(p->server, rows, NULL, "SELECT COUNT(*) FROM %s", table);
    p->uncounted += r == -ETIMEDOUT;
    return r == 0 ? 0 : r == -ETIMEDOUT ? 2 : 1;
}

/* Rows now against rows then. */
static void compare_rows(struct plan *p, const struct manifest *m)
{
    for (size_t i = 0; i < m->table_count; i++) {
        const struct manifest_table *t = &m->tables[i];
        uint64_t now = 0;
        if (t->rows < 0 || !strcmp(t->schema, "mysql"))
            continue;
        p->rows_known = true;
        int r = count_rows(p, t->schema, t->name, &now);
        if (r == 2 || (r == 0 && now == (uint64_t)t->rows))
            continue;
        json_t *row = row_json(t->schema, t->name, (int64_t)now, t->rows);
        if (r == 1)
            json_object_set_new(row, "gone", json_true());
        json_array_append_new(p->rows, row);
    }
}

struct newer {
    const struct manifest *m;
    json_t *tables; /* {"schema","name"} */
};

static int take_newer(void *ctx, const struct server_row *row, struct err *e)
{
    struct newer *n = ctx;
    (void)e;
    if (manifest_find_table(n->m, row->text[0], row->text[1]))
        return 0;
    json_array_append_new(n->tables, json_pack("{s:o, s:o}", "schema", json_text(row->text[0]),
                                         "name", json_text(row->text[1])));
    return 0;
}

/* Tables that were made since: a restore takes them away, with all their rows. A physical one
 * replaces every schema, a dump its own. */
static void find_newer(struct plan *p, const struct manifest *m, const char *database)
{
    struct newer n = {.m = m, .tables = json_array()};
    _cleanup_free_ char *only = m->method == MANIFEST_DUMP ? server_quote_text(p->server, database)
                                                           : NULL;
    size_t i;
    json_t *t;
    if (m->table_count == 0) { /* it does not say what there was */
        json_decref(n.tables);
        return;
    }
    (void)!server_rows(p->server, take_newer, &n, NULL,
        "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE IN ('BASE TABLE','SEQUENCE','SYSTEM VERSIONED') AND TABLE_SCHEMA NOT IN ('mysql','information_schema','performance_schema','sys') %s%s ORDER BY 1, 2",
        only ? "AND TABLE_SCHEMA=" : "", only ? only : "");
    json_array_foreach (n.tables, i, t) {
        const char *schema = json_get_str(t, "schema");
        const char *name = json_get_str(t, "name");
        uint64_t now = 0;
        if (count_rows(p, schema, name, &now) == 1)
            continue;
        json_t *row = row_json(schema, name, (int64_t)now, 0);
        json_object_set_new(row, "newer", json_true());
        json_array_append_new(p->rows, row);
    }
    json_decref(n.tables);
}

static json_t *sessions_json(const struct run *run)
{
    _cleanup_json_ json_t *answer = NULL, *request = json_pack("{s:s}", "cmd", "sessions");
    json_t *array = json_array();
    if (run->s.proxy_socket &&
        control_call(run->s.proxy_socket, 3000, request, &answer, NULL) == 0) {
        size_t i;
        json_t *s;
        json_array_foreach (json_object_get(answer, "sessions"), i, s)
            (void)json_array_append_new(
                array, json_pack("{s:O?, s:O?, s:O?}", "user", json_object_get(s, "user"), "peer",
                           json_object_get(s, "peer"), "program", json_object_get(s, "program")));
    }
    return array;
}

/* Of another series than this server: which one, and what comes of that. */
static void add_series(
    struct plan *p, json_t *part, const struct manifest *m, const struct layout *l)
{
    const char *across = config_str(p->run->s.config, "restore", NULL, "across_series");
    enum series_fit fit = series_compare(m->server.version, l->version);
    if (m->method != MANIFEST_PHYSICAL || (fit != SERIES_OLDER && fit != SERIES_NEWER))
        return;
    (void)json_object_set_new(part, "series", json_string(fit == SERIES_OLDER ? "older" : "newer"));
    (void)json_object_set_new(part, "series_may", json_boolean(series_may(fit, across)));
    phrase_put(part, "series_text", series_phrase(fit, across, m->server.version, l->version));
}

/* live: the folder, or the database's name for a dump, that it replaces; with its size. */
static json_t *part_json(
    const struct store_item *it, const struct layout *l, const char *live, uint64_t bytes)
{
    char made[CLOCK_ISO_LEN];
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:b, s:s?, s:s?, s:{s:I, s:s?}}", "type", it->type,
        "method", manifest_method_name(it->manifest.method), "run", it->run, "made",
        clock_iso(it->manifest.started_ms, made), "bytes", (json_int_t)it->manifest.content.bytes,
        "proven", it->status.proven_ms && it->status.proven_good, "server",
        it->manifest.server.version, "live", live, "replaces", "bytes", (json_int_t)bytes, "server",
        it->manifest.method == MANIFEST_FILES ? NULL : l->version);
}

/* The size of the database that a dump would replace: what its tables and indexes hold. */
static uint64_t database_bytes(struct server *s, const char *name)
{
    uint64_t bytes = 0;
    _cleanup_free_ char *quoted = server_quote_text(s, name);
    (void)!server_u64(s, &bytes, NULL,
        "SELECT COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) FROM information_schema.TABLES WHERE TABLE_SCHEMA=%s",
        quoted);
    return bytes;
}

/* Everything that the manifest tells, the full one of an encrypted archive included. */
static int plan_part(
    struct plan *p, const struct store_list *found, const struct store_item *it, struct err *e)
{
    const struct config *c = p->run->s.config;
    uint64_t bytes = 0;
    struct store_item full = *it;
    _cleanup_manifest_file_ struct manifest_file *file = NULL;
    const struct manifest *m = NULL;
    _cleanup_free_ char *manifest = it->manifest.brief
                                        ? store_path(found->folder, it, ARCHIVE_NAME_MANIFEST)
                                        : NULL;
    int code = copy_check_manifest(p->run, it, manifest, &file, &m, e);
    if (code != 0)
        return code;
    full.manifest = *m;
    const char *live = m->method == MANIFEST_FILES  ? config_str(c, "data", it->type, "path")
                       : m->method == MANIFEST_DUMP ? NULL
                                                    : p->site.layout.datadir;
    if (live)
        (void)!layout_size(live, &bytes, NULL);
    if (m->method == MANIFEST_DUMP) {
        live = config_str(c, "database", NULL, "name");
        bytes = p->server ? database_bytes(p->server, live) : 0;
    }
    json_t *part = part_json(&full, &p->site.layout, live, bytes);
    add_series(p, part, m, &p->site.layout);
    (void)json_array_append_new(p->parts, part);
    if (m->method != MANIFEST_FILES && p->server && !p->moment) {
        compare_rows(p, m);
        find_newer(p, m, config_str(c, "database", NULL, "name"));
    }
    snprintf(p->run->suffix, sizeof p->run->suffix, "%s", it->run);
    return 0;
}

static void tell_plan(const struct plan *p)
{
    json_t *event = json_pack("{s:s, s:s, s:O, s:O, s:b, s:I, s:n, s:O?, s:o}", "event", "plan",
        "run", p->run->suffix, "parts", p->parts, "rows", p->rows, "rows_known", p->rows_known,
        "uncounted", (json_int_t)p->uncounted, "server_down", "moment", p->moment, "sessions",
        sessions_json(p->run));
    if (!p->server)
        error_phrase_put_as(event, "server_down", &p->site.why);
    run_event(event);
}

int restore_plan(struct run *run, const struct restore_request *q, struct err *e)
{
    CLEANUP(store_list_clear) struct store_list found = {0};
    const struct store_item *dump = NULL;
    struct plan p = {.run = run, .parts = json_array(), .rows = json_array()};
    int code = restore_find(run, q, &found, e);
    if (code == 0)
        code = restore_picked_dump(&found, q->types, &dump, e);
    if (code == 0)
        code = site_look(run, &p.site, e);
    if (code == 0)
        (void)site_ask(run, &p.server, NULL);
    if (code == 0 && q->way)
        code = binlog_loss(run, q->way, &p.moment, e);
    for (size_t i = 0; code == 0 && i < found.count; i++)
        if (restore_picked(&found, i, q->types)) {
            code = restore_picked_whole(&found.items[i], q->which, e);
            if (code == 0)
                code = plan_part(&p, &found, &found.items[i], e);
        }
    if (code == 0 && json_array_size(p.parts) == 0)
        code = err_set(e, ENOENT, "%s has no archive of the types asked for", q->which);
    if (code == 0)
        tell_plan(&p);
    json_decref(p.parts);
    json_decref(p.rows);
    json_decref(p.moment);
    server_close(p.server);
    site_clear(&p.site);
    return code;
}
