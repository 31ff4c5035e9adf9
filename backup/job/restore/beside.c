#include "backup/job/restore/beside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "backup/job/doctor/doctor_grants.h"
#include "backup/job/restore/import_account.h"
#include "backup/job/restore/objects.h"
#include "backup/job/trial/definers.h"
#include "common/exit_codes.h"
#include "common/sql_name.h"
#include "common/json_get.h"
#include "common/lang.h"

/* How long a RENAME waits for those who do not come through the gate. */
#define LOCK_WAIT_S 60

/* r->beside: {"database","new","old","like",
 *   "tables":{"new":[..],"old":[..]}, "objects":{"new":[..],"old":[..]}} */

static const char *text(const struct restore *r, const char *key)
{
    return json_get_str(r->beside, key);
}

static int open_server(const struct restore *r, struct server **out, struct err *e)
{
    int code = server_connect(&r->run->s.target, "elexgate-job", out, e);
    if (code == 0)
        server_take_role(*out);
    if (code == 0)
        code = server_limit(*out, 0, e);
    if (code == 0)
        code = server_exec(
            *out, e, "SET SESSION lock_wait_timeout=%d, foreign_key_checks=0", LOCK_WAIT_S);
    return code;
}

/* --- rights, asked for before anything is done --- */

/* Tried out, not read from the grants: they may come from a role or with patterns. The procedure is
 * somebody else's, as those of a dump are: from MariaDB 11 on SUPER alone does not allow that. */
static bool may_make(struct server *s, const char *database)
{
    _cleanup_free_ char *name = sql_name_quoted(database);
    bool made =
        server_exec(s, NULL, "CREATE DATABASE IF NOT EXISTS %s", name) == 0 &&
        server_exec(s, NULL, "CREATE TABLE %s.elexgate_try (i INT)", name) == 0 &&
        server_exec(s, NULL, "CREATE VIEW %s.elexgate_look AS SELECT 1 AS i", name) == 0 &&
        server_exec(s, NULL,
            "CREATE DEFINER=`elexgate-nobody`@localhost PROCEDURE %s.elexgate_do() SELECT 1",
            name) == 0 &&
        server_exec(s, NULL, "RENAME TABLE %s.elexgate_try TO %s.elexgate_tried", name, name) == 0;
    return server_exec(s, NULL, "DROP DATABASE IF EXISTS %s", name) == 0 && made;
}

/* account: made, for the import into the database `fresh`. */
static int check_rights(struct sql_stage *q, struct server *s, const char *fresh, const char *old,
    struct import_account *account, struct err *e)
{
    struct err why = {0};
    if (!may_make(s, fresh) || !may_make(s, old) ||
        import_account_make(s, q->run->s.journal, fresh, account, &why) < 0) {
        /* A statement in each note. */
        _cleanup_free_ char *grants = doctor_grants_beside(&q->run->s, server_version(s));
        for (char *at = grants, *end; at; at = end ? end + 2 : NULL) {
            end = strstr(at, "; ");
            run_note("%.*s", end ? (int)(end - at) : (int)strlen(at), at);
        }
        if (server_is_mysql(s))
            return err_outcome(e, EXIT_REFUSED, EACCES,
                N_("the SQL goes into a database beside the live one, for which the admin account lacks rights; run once, as the server's root, the statements that were told before this"));
        return err_outcome(e, EXIT_REFUSED, EACCES,
            N_("the data directory is out of reach here, so the SQL goes into a database beside the live one, for which the admin account lacks rights; run once, as the server's root, the statements that were told before this, and GRANT SET USER ON *.* TO '%s'@'%s'"),
            q->run->s.target.user, doctor_grants_host(&q->run->s));
    }
    return 0;
}

static int exists(struct server *s, const char *database, bool *there, struct err *e)
{
    uint64_t n = 0;
    _cleanup_free_ char *name = server_quote_text(s, database);
    int code = server_u64(
        s, &n, e, "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME=%s", name);
    *there = n > 0;
    return code;
}

/* Ours are made and dropped; what somebody else has is not. */
static int check_free(struct server *s, const char *database, struct err *e)
{
    bool there = false;
    int code = exists(s, database, &there, e);
    if (code < 0 || !there)
        return code;
    return err_outcome(e, EXIT_REFUSED, EEXIST,
        "there is a database %s already, which this restore would need for itself: rename or drop it",
        database);
}

/* They would go with the tables that they point to. */
static int check_keys(struct sql_stage *q, struct server *s, struct err *e)
{
    _cleanup_free_ char *name = server_quote_text(s, q->database), *key = NULL;
    int code = server_text(s, &key, e,
        "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME, '.', CONSTRAINT_NAME) FROM information_schema.KEY_COLUMN_USAGE WHERE REFERENCED_TABLE_SCHEMA=%s AND TABLE_SCHEMA <> %s LIMIT 1",
        name, name);
    if (code < 0 || !key)
        return code;
    return err_outcome(e, EXIT_REFUSED, EINVAL,
        "the foreign key %s of another database points into %s and would go with the old tables: drop it, restore, and add it again",
        key, q->database);
}

/* --- staging --- */

static int make_scratch(struct restore *r, struct server *s, struct err *e)
{
    _cleanup_free_ char *name = sql_name_quoted(text(r, "new"));
    return server_exec(s, e, "CREATE DATABASE %s %s", name, text(r, "like"));
}

/* Whom the text names: what was read in is remembered as theirs. */
static int note_owners(
    struct restore *r, struct server *s, const char *host, struct definers *d, struct err *e)
{
    _cleanup_json_ json_t *objects = NULL;
    const char *live = text(r, "database");
    int code = objects_read(s, text(r, "new"), live, &objects, e);
    if (code == 0)
        code = definers_in_statements(s, live, host, d, objects, e);
    return code == 0 ? json_object_set(json_object_get(r->beside, "objects"), "new", objects)
                     : code;
}

static int fill(struct sql_stage *q, struct restore *r, struct server *s,
    const struct import_account *account, struct definers *definers, struct err *e)
{
    const char *fresh = text(r, "new");
    struct server_target target = q->run->s.target;
    target.also_called = q->database;
    target.user = DEFINERS_IMPORTER;
    target.password = account->password;
    target.definers = definers;
    run_phase(q->run, q->run->s.dump_type, "count", 0);
    int code = inventory_read(s, q->database, run_go_on, q->run, &q->before, e);
    if (code == 1)
        code = run_pack_result(PACK_STOPPED, e);
    _cleanup_free_ char *like = NULL;
    if (code == 0)
        code = sql_stage_like(q, s, &like, e);
    (void)json_object_set_new(r->beside, "like", json_string(like));
    if (code == 0)
        code = restore_journal_save(r, RESTORE_STAGING, e);
    if (code == 0)
        code = make_scratch(r, s, e);
    return code == 0 ? sql_text_import(&q->text, "import", &target, fresh, e) : code;
}

/* Its account goes first: nothing that the text has made, an event, runs while we look at it. */
static int fill_and_judge(struct sql_stage *q, struct restore *r, struct server *s,
    const struct import_account *account, struct err *e)
{
    CLEANUP(definers_clear) struct definers definers = {0};
    struct err why = {0};
    int code = fill(q, r, s, account, &definers, e);
    int dropped = import_account_drop(s, r->run->s.journal, code == 0 ? e : &why);
    code = code == 0 ? dropped : code;
    run_phase(q->run, q->run->s.dump_type, "check", 0);
    if (code == 0)
        code = sql_stage_judge(q, s, text(r, "new"), e);
    return code == 0 ? note_owners(r, s, account->host, &definers, e) : code;
}

void beside_tell_way(void)
{
    run_event(json_pack("{s:s, s:s}", "event", "way", "way", "beside"));
}

int beside_stage(struct sql_stage *q, struct restore *r, struct err *e)
{
    _cleanup_server_ struct server *s = NULL;
    CLEANUP(import_account_clear) struct import_account account = {0};
    beside_tell_way();
    _cleanup_free_ char *fresh = xasprintf("%s_elexgate_new", q->database);
    _cleanup_free_ char *old = xasprintf("%s_elexgate_old", q->database);
    if (q->text.scan.long_line)
        return err_outcome(e, EXIT_REFUSED, EINVAL,
            "%s, line %llu, is a list of more tables than can be looked through, and this SQL goes into a database beside %s, whose tables it must not name: make it several statements",
            q->text.name ? q->text.name : "the SQL text",
            (unsigned long long)q->text.scan.long_line, q->database);
    r->beside = json_pack("{s:s, s:s, s:s, s:{}, s:{}}", "database", q->database, "new", fresh,
        "old", old, "tables", "objects");
    snprintf(r->suffix, sizeof r->suffix, "%s", q->run->suffix);
    int code = open_server(r, &s, e);
    if (code == 0)
        code = check_free(s, fresh, e);
    if (code == 0)
        code = check_free(s, old, e);
    if (code == 0)
        code = check_keys(q, s, e);
    if (code == 0)
        code = restore_journal_save(r, RESTORE_STAGING, e);
    if (code == 0)
        code = check_rights(q, s, fresh, old, &account, e);
    return code == 0 ? fill_and_judge(q, r, s, &account, e) : code;
}

/* --- the exchange --- */

static const char *side(bool to_new)
{
    return to_new ? "new" : "old";
}

static int tables_in(struct server *s, const char *database, json_t **out, struct err *e)
{
    _cleanup_free_ char *name = server_quote_text(s, database);
    return server_names(s, out, e,
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA=%s AND TABLE_TYPE IN ('BASE TABLE', 'SEQUENCE', 'SYSTEM VERSIONED') ORDER BY 1",
        name);
}

static int note_objects(
    struct restore *r, struct server *s, const char *database, bool of_new, struct err *e)
{
    json_t *objects = NULL;
    int code = objects_read(s, database, text(r, "database"), &objects, e);
    if (code == 0)
        (void)json_object_set_new(json_object_get(r->beside, "objects"), side(of_new), objects);
    return code;
}

static int note_tables(
    struct restore *r, struct server *s, const char *database, bool of_new, struct err *e)
{
    json_t *names = NULL;
    int code = tables_in(s, database, &names, e);
    if (code == 0)
        (void)json_object_set_new(json_object_get(r->beside, "tables"), side(of_new), names);
    return code;
}

static int drop(struct server *s, const char *database, struct err *e)
{
    bool there = false;
    _cleanup_free_ char *name = sql_name_quoted(database);
    int code = exists(s, database, &there, e);
    return code == 0 && there ? server_exec(s, e, "DROP DATABASE IF EXISTS %s", name) : code;
}

/* What should hold nothing goes only if that is so. */
static int drop_empty(struct server *s, const char *database, struct err *e)
{
    _cleanup_json_ json_t *tables = NULL;
    int code = tables_in(s, database, &tables, e);
    size_t n = json_array_size(tables);
    if (code == 0 && n > 0)
        return err_set(e, ENOTEMPTY,
            "the database %s holds %zu tables that should not be there; it is left as it is: look at them, move them away, and try again",
            database, n);
    return code == 0 ? drop(s, database, e) : code;
}

int beside_remove(struct restore *r, struct err *e)
{
    _cleanup_server_ struct server *s = NULL;
    int code = open_server(r, &s, e);
    if (code == 0)
        code = import_account_drop(s, r->run->s.journal, e);
    if (code == 0)
        code = drop_empty(s, text(r, r->new_live ? "new" : "old"), e);
    return code == 0 ? drop(s, text(r, r->new_live ? "old" : "new"), e) : code;
}

int beside_plan(struct restore *r, bool to_new, struct err *e)
{
    _cleanup_server_ struct server *s = NULL;
    const char *comes_from = text(r, side(to_new));
    int code = open_server(r, &s, e);
    if (code == 0)
        code = note_tables(r, s, text(r, "database"), !to_new, e);
    if (code == 0)
        code = note_objects(r, s, text(r, "database"), !to_new, e);
    if (code == 0)
        code = note_tables(r, s, comes_from, to_new, e);
    if (code == 0 && !json_object_get(json_object_get(r->beside, "objects"), side(to_new)))
        code = note_objects(r, s, comes_from, to_new, e);
    return code;
}

static bool listed(const json_t *names, const char *name)
{
    for (size_t i = 0; i < json_array_size(names); i++)
        if (strcmp(json_string_value(json_array_get(names, i)), name) == 0)
            return true;
    return false;
}

static void add_move(char **moves, const char *from, const char *to, const char *table)
{
    _cleanup_free_ char *a = sql_name_quoted_table(from, table),
                        *b = sql_name_quoted_table(to, table);
    xappendf(moves, "%s%s TO %s", **moves ? ", " : "", a, b);
}

/* Those of the tables that lie in `from`, to `to`. */
static int add_moves(struct server *s, const json_t *tables, const char *from, const char *to,
    char **moves, struct err *e)
{
    _cleanup_json_ json_t *there = NULL;
    int code = tables_in(s, from, &there, e);
    for (size_t i = 0; code == 0 && i < json_array_size(tables); i++) {
        const char *name = json_string_value(json_array_get(tables, i));
        if (listed(there, name))
            add_move(moves, from, to, name);
    }
    return code;
}

/* Brings the tables to a side: those of the other one leave the live database first. A name may be
 * one of both sides: then the table in the live database is the other side's exactly as long as
 * this side's still lies in its own. */
static int move_tables(struct restore *r, struct server *s, bool to_new, struct err *e)
{
    const json_t *tables = json_object_get(r->beside, "tables");
    const char *live = text(r, "database"), *home = text(r, side(to_new)),
               *away = text(r, side(!to_new));
    _cleanup_json_ json_t *gone = NULL, *here = NULL, *leaving = json_array();
    const json_t *ours = json_object_get(tables, side(to_new)),
                 *theirs = json_object_get(tables, side(!to_new));
    _cleanup_free_ char *moves = xstrdup("");
    int code = tables_in(s, away, &gone, e);
    if (code == 0)
        code = tables_in(s, home, &here, e);
    for (size_t i = 0; code == 0 && i < json_array_size(theirs); i++) {
        json_t *name = json_array_get(theirs, i);
        const char *n = json_string_value(name);
        if (!listed(gone, n) && (!listed(ours, n) || listed(here, n)))
            (void)json_array_append(leaving, name);
    }
    if (code == 0)
        code = add_moves(s, leaving, live, away, &moves, e);
    if (code == 0)
        code = add_moves(s, ours, home, live, &moves, e);
    if (code == 0 && *moves)
        code = server_exec(s, e, "RENAME TABLE %s", moves);
    return code;
}

int beside_settle(struct restore *r, bool to_new, struct err *e)
{
    const char *const all[] = {text(r, "database"), text(r, "new"), text(r, "old")};
    _cleanup_server_ struct server *s = NULL;
    int code = open_server(r, &s, e);
    run_phase(r->run, r->run->s.dump_type, "swap", 0);
    if (code == 0 && server_is_mysql(s)) /* there nothing of ours has SUPER */
        code = import_account_trust(s, r->run->s.journal, e);
    for (size_t i = 0; code == 0 && i < 3; i++) {
        _cleanup_free_ char *name = sql_name_quoted(all[i]);
        code = server_exec(s, e, "CREATE DATABASE IF NOT EXISTS %s %s", name, text(r, "like"));
        if (code == 0)
            code = objects_drop(s, all[i], e);
    }
    if (code == 0)
        code = move_tables(r, s, to_new, e);
    if (code == 0)
        code = objects_make(
            s, all[0], json_object_get(json_object_get(r->beside, "objects"), side(to_new)), e);
    return s ? import_account_distrust(s, r->run->s.journal, code, e) : code;
}
