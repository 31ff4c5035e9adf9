#include "backup/job/method/dump_beside.h"
#include "backup/job/trial/copy_check.h"
#include "backup/job/restore/sql_stage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "backup/job/restore/staging.h"
#include "backup/job/restore/sql_fresh.h"
#include "backup/job/restore/throwaway_of.h"
#include "backup/job/trial/trial.h"
#include "common/exit_codes.h"
#include "common/sql_name.h"
#include "common/json_get.h"
#include "common/error_phrase.h"

/* Text becomes pages, indexes and a log. */
#define TEXT_GROWS 2

/* --- what it will do to those who use the database --- */

/* The first few names of a list. */
static char *names_of(const json_t *list, const char *kind)
{
    char *names = xstrdup("");
    size_t shown = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *it = json_array_get(list, i);
        const char *k = json_get_str(it, "kind");
        if (kind && k && (strcmp(k, kind) != 0))
            continue;
        if (shown++ == 5)
            break;
        xappendf(&names, "%s%s", *names ? ", " : "", json_get_str(it, "name"));
    }
    if (json_array_size(list) > 5)
        xappendf(&names, ", ...");
    return names;
}

/* "would be gone: a, b; 3 rows instead of 7 as now" */
static json_t *difference_phrase(const json_t *d)
{
    static const char *const keys[] = {"vanish", "empty", "fewer", "dangling"};
    static const char *const words[] = {N_("would be gone: %s (%s)"), N_("would be empty: %s (%s)"),
        N_("would lose most rows: %s (%s)"),
        N_("foreign keys of other databases would point to nothing: %s (%s)")};
    json_t *all = json_array();
    char key[40] = "";
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const json_t *list = json_object_get(d, keys[i]);
        if (json_array_size(list) == 0)
            continue;
        _cleanup_free_ char *names = names_of(list, NULL);
        json_t *part = phrase_of(words[i]);
        (void)json_array_append_new(part, json_text(names));
        (void)json_array_append_new(part, phrase("%zu", json_array_size(list)));
        (void)json_array_append_new(all, part);
        strcat(key, "%s; ");
    }
    strcat(key, "%s");
    (void)json_array_insert_new(all, 0, json_string(key));
    (void)json_array_append_new(
        all, phrase("%" PRId64 " rows instead of %" PRId64 " as now",
                 (int64_t)json_get_int(d, "then"), (int64_t)json_get_int(d, "rows")));
    return all;
}

static int refuse_loss(struct sql_stage *q, struct err *e)
{
    json_t *said = phrase(
        "this SQL would lose what the database %s has now: %s. Nothing was changed. If that is meant: --accept-loss",
        q->database, "");
    phrase_set(said, 1, difference_phrase(q->difference));
    (void)error_phrase_set(e, EEXIST, said);
    return EXIT_REFUSED;
}

static int refuse_names(const char *file, const char *live, struct err *e)
{
    return err_outcome(e, EXIT_REFUSED, EINVAL,
        N_("the tables are called otherwise in this SQL: %s, and here %s; it is from a server that does not tell upper from lower case (Windows), and this one does. --names live gives them the names that they have here, --names file leaves them"),
        file, live);
}

static int rename_as_live(
    struct server *s, const char *database, const json_t *pairs, struct err *e)
{
    int code = server_exec(s, e, "SET SESSION foreign_key_checks=0");
    _cleanup_free_ char *schema = sql_name_quoted(database);
    for (size_t i = 0; code == 0 && i < json_array_size(pairs); i++) {
        const json_t *p = json_array_get(pairs, i);
        _cleanup_free_ char *from = sql_name_quoted(json_string_value(json_array_get(p, 0))),
                            *to = sql_name_quoted(json_string_value(json_array_get(p, 1)));
        code = server_exec(s, e, "RENAME TABLE %s.%s TO %s.%s", schema, from, schema, to);
    }
    return code;
}

/* Without a live database to compare with, Elexis' own table that every version of it has. */
static bool lower_without_live(const struct sql_stage *q)
{
    return !q->before.exists && q->site.layout.lower_case_table_names == 0 &&
           inventory_find(&q->after, "table", "kontakt") &&
           !inventory_find(&q->after, "table", "KONTAKT");
}

static int read_after(struct sql_stage *q, struct server *s, const char *database, struct err *e)
{
    inventory_clear(&q->after);
    int code = inventory_read(s, database, run_go_on, q->run, &q->after, e);
    return code == 1 ? run_pack_result(PACK_STOPPED, e) : code;
}

static int settle_names(struct sql_stage *q, struct server *s, const char *database, struct err *e)
{
    int code = read_after(q, s, database, e);
    if (code != 0 || q->options->names == SQL_NAMES_FILE)
        return code;
    if (lower_without_live(q))
        return refuse_names("kontakt", "KONTAKT", e);
    _cleanup_json_ json_t *pairs = inventory_other_case(&q->before, &q->after);
    const json_t *one = json_array_get(pairs, 0);
    if (one && q->options->names == SQL_NAMES_ASK)
        code = refuse_names(json_string_value(json_array_get(one, 0)),
            json_string_value(json_array_get(one, 1)), e);
    else if (one)
        code = rename_as_live(s, database, pairs, e);
    if (code == 0 && one)
        code = read_after(q, s, database, e);
    return code;
}

/* --- foreign keys of other databases --- */

static int note_key(void *ctx, const struct server_row *row, struct err *e)
{
    (void)e;
    return json_array_append_new(
               ctx, json_pack("[s, s, s]", row->text[0], row->text[1], row->text[2])) == 0
               ? 0
               : -ENOMEM;
}

/* A view that the text has put in the table's place is not asked: it would run what is in it, with
 * root's rights, on the data that go live. */
static bool is_view(struct server *s, const char *database, const char *table)
{
    uint64_t n = 1;
    _cleanup_free_ char *d = server_quote_text(s, database), *t = server_quote_text(s, table);
    return server_u64(s, &n, NULL,
               "SELECT COUNT(*) FROM information_schema.VIEWS WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s",
               d, t) < 0 ||
           n > 0;
}

/* Rows of other databases whose foreign keys would find nothing, a key at a time: its name, and the
 * question to ask the server. */
#define KEYS_IN                                                                                    \
    "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME, '.', CONSTRAINT_NAME), "                         \
    "CONCAT('SELECT COUNT(*) FROM `', REPLACE(TABLE_SCHEMA, '`', '``'), '`.`', "                   \
    "REPLACE(TABLE_NAME, '`', '``'), '` c LEFT JOIN `', REPLACE(REFERENCED_TABLE_SCHEMA, '`', "    \
    "'``'), '`.`', REPLACE(REFERENCED_TABLE_NAME, '`', '``'), '` p ON ', GROUP_CONCAT('c.`', "     \
    "REPLACE(COLUMN_NAME, '`', '``'), '` = p.`', REPLACE(REFERENCED_COLUMN_NAME, '`', '``'), '`' " \
    "SEPARATOR ' AND '), ' WHERE ', GROUP_CONCAT('c.`', REPLACE(COLUMN_NAME, '`', '``'), '` IS "   \
    "NOT NULL AND p.`', REPLACE(REFERENCED_COLUMN_NAME, '`', '``'), '` IS NULL' SEPARATOR ' AND "  \
    "')), REFERENCED_TABLE_NAME FROM information_schema.KEY_COLUMN_USAGE WHERE "                   \
    "REFERENCED_TABLE_SCHEMA=%s AND "                                                              \
    "TABLE_SCHEMA <> %s GROUP BY TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, "                      \
    "REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME"

static int find_dangling(struct sql_stage *q, struct server *s, const char *database, struct err *e)
{
    json_t *keys = json_array(), *key, *dangling = json_array();
    size_t i;
    _cleanup_free_ char *name = server_quote_text(s, database);
    int code = server_rows(s, note_key, keys, e, KEYS_IN, name, name);
    json_array_foreach (keys, i, key) {
        uint64_t n = 0;
        struct err why = {0};
        if (code != 0)
            break;
        int asked = is_view(s, database, json_string_value(json_array_get(key, 2)))
                        ? -EPERM
                        : server_u64(s, &n, &why, "%s", json_string_value(json_array_get(key, 1)));
        if (asked == -EPIPE) {
            *e = why;
            code = asked;
        } else if (asked < 0 || n > 0) { /* the table is gone, or rows of it */
            (void)json_array_append_new(
                dangling, json_pack("{s:O, s:I}", "name", json_array_get(key, 0), "rows",
                              asked < 0 ? (json_int_t)-1 : (json_int_t)n));
        }
    }
    (void)json_object_set_new(q->difference, "dangling", dangling);
    json_decref(keys);
    return code;
}

int sql_stage_judge(struct sql_stage *q, struct server *s, const char *database, struct err *e)
{
    int code = settle_names(q, s, database, e);
    if (code != 0)
        return code;
    json_decref(q->difference);
    q->difference = inventory_loss(&q->before, &q->after);
    code = find_dangling(q, s, database, e);
    if (code == 0 && q->fresh)
        code = sql_fresh_loss(q, s, q->difference, e);
    if (code != 0)
        return code;
    bool grave = inventory_loss_is_grave(q->difference) ||
                 json_array_size(json_object_get(q->difference, "dangling")) > 0;
    json_t *event = json_deep_copy(q->difference);
    (void)json_object_set_new(event, "event", json_string("difference"));
    (void)json_object_set_new(event, "grave", json_boolean(grave));
    (void)json_object_set_new(event, "accepted", json_boolean(q->options->accept_loss));
    run_event(event);
    return grave && !q->options->accept_loss ? refuse_loss(q, e) : 0;
}

/* --- the staged copy --- */

int sql_stage_like(struct sql_stage *q, struct server *s, char **clause, struct err *e)
{
    struct manifest_file *file = NULL;
    const struct manifest *m = NULL;
    _cleanup_json_ json_t *like = NULL;
    int code = q->text.item
                   ? copy_check_manifest(q->run, q->text.item, q->text.manifest, &file, &m, e)
                   : 0;
    if (m)
        like = json_incref(json_object_get(m->info, "database"));
    manifest_file_close(file);
    if (code == 0 && !like)
        code = dump_beside_database(s, q->database, &like, e);
    if (code == 0)
        *clause = dump_beside_clause(s, like);
    if (code == 0 && !**clause) {
        free(*clause);
        *clause = xstrdup("CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci");
    }
    return code;
}

static int make_anew(struct sql_stage *q, struct server *s, struct err *e)
{
    _cleanup_free_ char *name = sql_name_quoted(q->database), *clause = NULL;
    int code = sql_stage_like(q, s, &clause, e);
    if (code == 0)
        code = server_exec(s, e, "SET SESSION foreign_key_checks=0");
    if (code == 0)
        code = server_limit(s, 0, e);
    if (code == 0)
        code = server_exec(s, e, "DROP DATABASE IF EXISTS %s", name);
    return code == 0 ? server_exec(s, e, "CREATE DATABASE %s %s", name, clause) : code;
}

static int fill(struct sql_stage *q, struct throwaway *t, struct err *e)
{
    struct server *s = throwaway_server(t);
    struct server_target target = throwaway_import_target(t);
    run_phase(q->run, q->run->s.physical_type, "count", 0);
    int code = inventory_read(s, q->database, run_go_on, q->run, &q->before, e);
    if (code == 1)
        code = run_pack_result(PACK_STOPPED, e);
    if (code == 0)
        code = carry_schemas(s, q->database, &q->carry.schemas, e);
    if (code == 0)
        code = make_anew(q, s, e);
    if (code == 0)
        code = sql_text_import(&q->text, "import", &target, q->database, e);
    run_phase(q->run, q->run->s.physical_type, "check", 0);
    return code == 0 ? sql_stage_judge(q, s, q->database, e) : code;
}

static int fill_copy(struct sql_stage *q, const char *fresh, const char *scratch, struct err *e)
{
    _cleanup_throwaway_ struct throwaway *t = NULL;
    struct err why = {0};
    run_phase(q->run, q->run->s.physical_type, "boot", 0);
    int code = EXIT_INCONSISTENT;
    if (q->copy)
        code = throwaway_of_copy(q->run, &q->site.layout, fresh, scratch, q->database, &t, &why);
    else
        err_set(&why, ENOENT, "there are no data in %s", q->site.layout.datadir);
    if (code == EXIT_INCONSISTENT && q->site.server == SITE_SILENT)
        code = sql_fresh_start(q, fresh, scratch, err_words(&why), &t, e);
    else if (code != 0)
        *e = why;
    if (code == 0)
        code = fill(q, t, e);
    if (code == 0 && q->fresh)
        code = sql_fresh_accounts(q, throwaway_server(t), e);
    return code == 0 ? throwaway_stop(t, e) : code;
}

/* The server did not run when its files were copied: then they are as they were, and it still does
 * not. */
static int still_dead(struct sql_stage *q, struct err *e)
{
    struct server *s = NULL;
    bool silent = site_ask(q->run, &s, NULL) == SITE_SILENT;
    server_close(s);
    int changed = !silent   ? 1
                  : q->copy ? live_copy_changed(q->copy, NULL, e)
                            : site_has_data(&q->site);
    return changed == 1
               ? err_set(e, EBUSY,
                     "the database server was started since its files were copied: begin again")
               : changed;
}

static int bring_up_to_date(struct restore *r, void *ctx, struct err *e)
{
    struct sql_stage *q = ctx;
    if (q->site.server != SITE_ANSWERS)
        return still_dead(q, e);
    int code = carry_over(&q->carry, e);
    return code == 0 ? restore_finish_staging(restore_database(r), e) : code;
}

static int make_part(struct sql_stage *q, struct restore *r, struct err *e)
{
    struct restore_part *p = &r->parts[0];
    if (q->site.server != SITE_ANSWERS) {
        int code = site_can_stop(q->run, q->site.layout.datadir, e);
        if (code == 0)
            code = site_make_folder(&q->site, q->site.layout.datadir, true, &r->made_live, e);
        if (code != 0)
            return code;
    }
    snprintf(p->type, sizeof p->type, "%s", q->run->s.physical_type);
    snprintf(r->suffix, sizeof r->suffix, "%s", q->run->suffix);
    p->database = true;
    p->live = xstrdup(q->site.layout.datadir);
    r->n = 1;
    return restore_staging_root(p->live, &p->root, e);
}

int sql_stage(struct sql_stage *q, struct restore *r, struct err *e)
{
    uint64_t size = 0;
    int code = trial_ready(q->run, e);
    if (code == 0)
        code = make_part(q, r, e);
    if (code == 0)
        code = layout_size(q->site.layout.datadir, &size, e);
    if (code == 0)
        code = restore_journal_save(r, RESTORE_STAGING, e);
    struct restore_part *p = &r->parts[0];
    if (code == 0)
        code = restore_make_staging(p, size + TEXT_GROWS * sql_text_bytes(&q->text), e);
    if (code == 0 && site_has_data(&q->site))
        code = live_copy_take(r, &q->site.layout, q->site.server == SITE_ANSWERS, &q->copy, e);
    _cleanup_free_ char *fresh = xasprintf("%s/new", p->root), *try = xasprintf("%s/try", p->root);
    if (code == 0)
        code = fill_copy(q, fresh, try, e);
    if (code == 0)
        code = restore_finish_staging(p, e);
    q->carry.run = q->run;
    q->carry.copy = q->copy;
    q->carry.layout = &q->site.layout;
    q->carry.database = q->database;
    q->carry.fresh = xstrdup(fresh);
    q->carry.scratch = xstrdup(try);
    r->before_stop = bring_up_to_date;
    r->before_stop_ctx = q;
    return code;
}

void sql_stage_clear(struct sql_stage *q)
{
    server_close(q->carry.lock);
    json_decref(q->carry.schemas);
    free(q->carry.fresh);
    free(q->carry.scratch);
    live_copy_drop(q->copy);
    inventory_clear(&q->before);
    inventory_clear(&q->after);
    json_decref(q->difference);
    sql_text_clear(&q->text);
    site_clear(&q->site);
    *q = (struct sql_stage){0};
    q->text.spool = -1;
}
