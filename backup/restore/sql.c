/*
 * A restore from SQL text, into the Elexis database only: looked through first, then a safety dump,
 * clients blocked, database made anew, import through the stock client with its own commands
 * disabled. If anything fails after the block, the safety dump comes back by the same way. The
 * journal names that dump, so that a killed import is undone as well.
 */
#include "backup/restore/sql.h"

#include <errno.h>
#include <stdio.h>
#include "backup/hooks.h"
#include "backup/job.h"
#include "backup/restore/restore.h"
#include "backup/restore/sql_text.h"
#include "common/clock.h"
#include "common/exit_codes.h"

struct sql_restore {
    struct run *run;
    const char *database;
    struct sql_text text;
};

#define AT(line) (unsigned long long)(line)

/* What judge() says, in German: an SQL file is what the admin chose, and can choose anew. */
static void judge_de(const struct sql_restore *q)
{
    const struct sql_scan *s = &q->text.scan;
    const char *path = q->text.name ? q->text.name : "der SQL-Text";
#define SAY(fmt, ...) run_error_de(q->run, "%s" fmt, path, __VA_ARGS__)
    if (s->nul_line)
        SAY(" ist kein SQL-Text: Zeile %llu hat ein NUL-Byte", AT(s->nul_line));
    else if (s->statements == 0)
        SAY("%s", " enthält keinen SQL-Befehl");
    else if (s->command_line)
        SAY(", Zeile %llu: \"%s\" ist ein Befehl des Client-Programms und nicht SQL; ein Dump "
            "enthält keinen, und er würde auf dieser Maschine ausgeführt",
            AT(s->command_line), s->command);
    else if (s->other_line)
        SAY(", Zeile %llu, betrifft die Datenbank \"%s\"; zurückgespielt wird nur \"%s\": den Dump "
            "mit `mariadb-dump %s` machen, ohne --databases und --all-databases",
            AT(s->other_line), s->other, q->database, q->database);
    else if (s->account_line)
        SAY(", Zeile %llu, ändert Konten oder Rechte; ein Dump einer Datenbank tut das nicht",
            AT(s->account_line));
    else if (s->collation_line)
        SAY(", Zeile %llu: Die Sortierung utf8mb4_0900_... gehört zu MySQL 8, dieser Server hat "
            "sie nicht; ersetzen, zum Beispiel mit: sed "
            "'s/utf8mb4_0900_ai_ci/utf8mb4_unicode_520_ci/g'",
            AT(s->collation_line));
    else
        SAY(" ist nach Zeile %llu abgeschnitten: Er endet nicht mit \"-- Dump completed\" wie "
            "jeder ganze Dump von mariadb-dump und mysqldump (mit --skip-comments gemacht? Dann "
            "die "
            "Zeile anfügen)",
            AT(s->lines));
#undef SAY
}

/* Each refusal says what is wrong, where, and what would help. */
static int judge(const struct sql_restore *q, struct err *e)
{
    const struct sql_scan *s = &q->text.scan;
    const char *path = q->text.name ? q->text.name : "the SQL text";
    if (s->nul_line)
        err_set(e, EINVAL, "%s is no SQL text: line %llu has a NUL byte", path, AT(s->nul_line));
    else if (s->statements == 0)
        err_set(e, EINVAL, "%s has no SQL statement in it", path);
    else if (s->command_line)
        err_set(e, EINVAL,
            "%s, line %llu: \"%s\" is a command of the client program, not SQL; a dump has none, "
            "and it "
            "would be run on this machine",
            path, AT(s->command_line), s->command);
    else if (s->other_line)
        err_set(e, EINVAL,
            "%s, line %llu, is about the database \"%s\"; only \"%s\" is restored: make the dump "
            "with "
            "`mariadb-dump %s`, without --databases or --all-databases",
            path, AT(s->other_line), s->other, q->database, q->database);
    else if (s->account_line)
        err_set(e, EINVAL,
            "%s, line %llu, changes accounts or rights; a dump of one database does not", path,
            AT(s->account_line));
    else if (s->collation_line)
        err_set(e, EINVAL,
            "%s, line %llu: the collation utf8mb4_0900_... is MySQL 8's, which this server does "
            "not have; "
            "replace it, for example with: sed 's/utf8mb4_0900_ai_ci/utf8mb4_unicode_520_ci/g'",
            path, AT(s->collation_line));
    else if (s->open || !s->complete)
        err_set(e, EINVAL,
            "%s is cut off after line %llu: it does not end with \"-- Dump completed\", as every "
            "whole "
            "dump of mariadb-dump or mysqldump does (made with --skip-comments? then add that "
            "line)",
            path, AT(s->lines));
    else
        return 0;
    judge_de(q);
    return s->open || (!s->complete && s->statements) ? EXIT_INCONSISTENT : EXIT_REFUSED;
}

/* The tables of rights show all accounts' to one that may read mysql.*: only our own count. */
#define OURS                                                                                       \
    "GRANTEE = CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@', "                       \
    "QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)))"
#define NEEDED  "PRIVILEGE_TYPE IN ('CREATE', 'DROP', 'INSERT', 'ALTER', 'CREATE ROUTINE')"
#define NEEDS_N 5

/* May the admin account write to the one database? */
static int may_write(struct sql_restore *q, struct server *s, struct err *e)
{
    uint64_t n = 0, global = 0;
    _cleanup_free_ char *name = server_quote_text(s, q->database);
    int code = server_u64(s, &n, e,
        "SELECT COUNT(*) FROM information_schema.SCHEMA_PRIVILEGES WHERE " OURS " AND " NEEDED
        " AND TABLE_SCHEMA IN (%s, REPLACE(%s, '_', '\\\\_'))",
        name, name);
    if (code == 0)
        code = server_u64(s, &global, e,
            "SELECT COUNT(*) FROM information_schema.USER_PRIVILEGES WHERE " OURS " AND " NEEDED);
    if (code < 0 || n >= NEEDS_N || global >= NEEDS_N)
        return code;
    err_set(e, EACCES,
        "the admin account may not write to %s; to restore from SQL run once: GRANT ALL PRIVILEGES "
        "ON "
        "`%s`.* TO '%s'@'localhost'",
        q->database, q->database, q->run->s.target.user);
    return EXIT_REFUSED;
}

/* Drops and makes the database with the character set that it had. */
static int make_anew(struct sql_restore *q, struct err *e)
{
    struct server *s = NULL;
    char *charset = NULL, *order = NULL;
    _cleanup_free_ char *name = server_quote_name(q->database);
    int code = server_connect(&q->run->s.target, "elexgate-job", &s, e);
    _cleanup_free_ char *text = code == 0 ? server_quote_text(s, q->database) : NULL;
    if (code == 0)
        code = server_text(s, &charset, e,
            "SELECT DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA WHERE "
            "SCHEMA_NAME=%s",
            text);
    if (code == 0)
        code = server_text(s, &order, e,
            "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME=%s",
            text);
    if (code == 0)
        code = server_exec(s, e, "DROP DATABASE IF EXISTS %s", name);
    if (code == 0)
        code = server_exec(s, e, "CREATE DATABASE %s CHARACTER SET %s COLLATE %s", name,
            charset ? charset : "utf8mb4", order ? order : "utf8mb4_general_ci");
    free(charset);
    free(order);
    server_close(s);
    return code;
}

static int import(
    struct sql_restore *q, const struct sql_text *text, const char *phase, struct err *e)
{
    int code = make_anew(q, e);
    return code == 0 ? sql_text_import(text, phase, &q->run->s.target, q->database, e) : code;
}

int restore_sql_undo(struct restore *r, struct err *e)
{
    struct sql_restore q = {
        .run = r->run, .database = config_str(r->run->s.config, "database", NULL, "name")};
    struct sql_text safety = {.run = r->run, .spool = -1};
    struct store_list found = {0};
    r->run->finishing = true; /* half a database is no state to stop in */
    int code = store_find(r->run->s.folder, r->suffix, r->run->s.dump_type, &found, e);
    if (code == 0 && found.count != 1)
        code = err_set(e, ENOENT, "the safety dump of %s is not there", r->suffix);
    if (code == 0) {
        sql_text_from_archive(&safety, found.folder, &found.items[0]);
        r->expected_ms = sql_text_expected_ms(&safety);
        code = restore_block(r, e);
    }
    if (code == 0)
        code = import(&q, &safety, "undo", e);
    sql_text_clear(&safety);
    store_list_clear(&found);
    if (code == 0)
        code = restore_let_in(r, e);
    return code == 0 ? restore_journal_remove(r, e) : code;
}

static int replace(struct sql_restore *q, struct restore *r, struct err *e)
{
    r->expected_ms = sql_text_expected_ms(&q->text);
    int code = restore_journal_save(r, RESTORE_IMPORTING, e);
    if (code == 0)
        code = restore_block(r, e);
    if (code == 0)
        code = import(q, &q->text, "import", e);
    if (code == 0) {
        code = restore_let_in(r, e);
        return code == 0 ? restore_journal_remove(r, e) : code;
    }
    struct err back = {0};
    run_note("the import failed, the safety dump comes back: %s", e->text);
    if (restore_sql_undo(r, &back) == 0)
        return err_prefix(e, code, "the database is as it was before, and clients are let in");
    return err_prefix(e, code,
        "CLIENTS STAY BLOCKED, because the safety dump of %s did not come back (%.200s); put that "
        "right, then run `elexgate restore recover`",
        r->suffix, back.text);
}

/* The safety dump is a backup like any other. */
static int replace_with_safety(struct sql_restore *q, struct err *e)
{
    struct run *run = q->run;
    struct restore r = {.run = run, .started_ms = clock_wall_ms()};
    r.journal = xasprintf("%s/restore.json", run->s.state_dir);
    int code = store_free_suffix(
        run->s.folder, run->started_ms / 1000, &cron_zone_local, run->suffix, e);
    if (code == 0)
        code = dump_backup(run, e);
    snprintf(r.suffix, sizeof r.suffix, "%s", run->suffix);
    if (code == 0)
        code = replace(q, &r, e);
    const struct store_item *it = q->text.item;
    if (code == 0)
        run_event(json_pack("{s:s, s:s*, s:s, s:s, s:I, s:I, s:I, s:b}", "event", "restored", "run",
            it ? it->run : NULL, "safety", r.suffix, "safety_type", run->s.dump_type, "blocked_ms",
            (json_int_t)r.blocked_for_ms, "tables", (json_int_t)q->text.scan.tables, "statements",
            (json_int_t)q->text.scan.statements, "new_live", true));
    if (it)
        snprintf(run->suffix, sizeof run->suffix, "%s", it->run);
    restore_clear(&r);
    return code;
}

/* What is known to be good text goes in, unless the account or the admin's hook says no. */
static int carry_out(struct sql_restore *q, bool dry_run, struct err *e)
{
    struct run *run = q->run;
    struct server *s = NULL;
    int code = server_connect(&run->s.target, "elexgate-job", &s, e);
    if (code == 0)
        code = may_write(q, s, e);
    server_close(s);
    if (code != 0 || dry_run)
        return code;
    code = hook_before(run, "before_restore", run->s.dump_type, e);
    if (code == 0)
        code = replace_with_safety(q, e);
    hook_after(run, "after_restore", run->s.dump_type, job_exit_code(code), code ? e->text : NULL);
    return code;
}

int restore_sql(struct run *run, const char *path, bool dry_run, struct err *e)
{
    struct sql_restore q = {.run = run,
        .text = {.run = run, .spool = -1},
        .database = config_str(run->s.config, "database", NULL, "name")};
    int code = sql_text_from_file(&q.text, path, q.database, e);
    if (code == 0)
        code = judge(&q, e);
    if (code == 0)
        code = carry_out(&q, dry_run, e);
    sql_text_clear(&q.text);
    return code;
}

int restore_dump(
    struct run *run, const char *folder, const struct store_item *dump, bool dry_run, struct err *e)
{
    struct sql_restore q = {.run = run,
        .text = {.run = run, .spool = -1},
        .database = config_str(run->s.config, "database", NULL, "name")};
    snprintf(run->suffix, sizeof run->suffix, "%s", dump->run);
    sql_text_from_archive(&q.text, folder, dump);
    int code = sql_text_scan(&q.text, q.database, e);
    if (code == 0)
        code = judge(&q, e);
    if (code == 0)
        code = carry_out(&q, dry_run, e);
    sql_text_clear(&q.text);
    return code;
}
