/*
 * A restore from SQL text, into the Elexis database only. The text is looked through, then read
 * into a copy of the data directory in a server that nobody can reach (sql_stage.c), while
 * everybody works; what it would lose is told and asked about; and then the folders change places
 * as those of any other restore do (exchange.c). Nothing is dropped on the live server, and what it
 * holds now is what `undo` brings back.
 */
#include "backup/restore/sql.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "backup/hooks.h"
#include "backup/job.h"
#include "backup/restore/restore.h"
#include "backup/restore/sql_stage.h"
#include "backup/restore/sql_text.h"
#include "common/clock.h"
#include "common/exit_codes.h"

#define AT(line) (unsigned long long)(line)

/* What judge() says, in German: an SQL file is what the admin chose, and can choose anew. */
static void judge_de(const struct sql_stage *q)
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
static int judge(const struct sql_stage *q, struct err *e)
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

bool restore_sql_names(const char *word, enum sql_names *out)
{
    if (strcmp(word, "live") != 0 && strcmp(word, "file") != 0)
        return false;
    *out = *word == 'l' ? SQL_NAMES_LIVE : SQL_NAMES_FILE;
    return true;
}

static void tell_restored(const struct sql_stage *q, const struct restore *r)
{
    run_event(json_pack("{s:s, s:s, s:s, s:[s], s:I, s:I, s:I, s:b, s:O?}", "event", "restored",
        "run", r->suffix, "method", "dump", "types", q->run->s.dump_type, "blocked_ms",
        (json_int_t)r->blocked_for_ms, "tables", (json_int_t)q->text.scan.tables, "statements",
        (json_int_t)q->text.scan.statements, "new_live", true, "difference", q->difference));
}

/* Up to the swap nothing live has been touched, and staging goes. */
static int replace(struct sql_stage *q, struct restore *r, struct err *e)
{
    const char *types = q->run->s.dump_type;
    int code = sql_stage(q, r, e);
    if (code != 0 || q->options->dry_run)
        return restore_give_up_staging(r, code, e);
    code = hook_before(q->run, "before_restore", types, e);
    if (code != 0)
        code = restore_give_up_staging(r, code, e);
    else
        code = restore_exchange(r, true, e);
    if (code == 0)
        tell_restored(q, r);
    hook_after(q->run, "after_restore", types, job_exit_code(code), code ? e->text : NULL);
    return code;
}

/* What is known to be good text goes in. */
static int carry_out(struct sql_stage *q, struct err *e)
{
    struct restore r = {.run = q->run, .started_ms = clock_wall_ms()};
    r.journal = xasprintf("%s/restore.json", q->run->s.state_dir);
    int code = restore_read_layout(q->run, &q->layout, e);
    if (code == 0)
        code = restore_database_ready(q->run, e);
    if (code == 0)
        code = replace(q, &r, e);
    restore_clear(&r);
    return code;
}

int restore_sql(struct run *run, const char *path, const struct sql_options *o, struct err *e)
{
    struct sql_stage q = {.run = run,
        .options = o,
        .text = {.run = run, .spool = -1},
        .database = config_str(run->s.config, "database", NULL, "name")};
    int code = sql_text_from_file(&q.text, path, q.database, e);
    if (code == 0)
        code = judge(&q, e);
    if (code == 0)
        code = store_free_suffix(
            run->s.folder, run->started_ms / 1000, &cron_zone_local, run->suffix, e);
    if (code == 0)
        code = carry_out(&q, e);
    sql_stage_clear(&q);
    return code;
}

int restore_dump(struct run *run, const char *folder, const struct store_item *dump,
    const struct sql_options *o, struct err *e)
{
    struct sql_stage q = {.run = run,
        .options = o,
        .text = {.run = run, .spool = -1},
        .database = config_str(run->s.config, "database", NULL, "name")};
    snprintf(run->suffix, sizeof run->suffix, "%s", dump->run);
    sql_text_from_archive(&q.text, folder, dump);
    int code = sql_text_scan(&q.text, q.database, e);
    if (code == 0)
        code = judge(&q, e);
    if (code == 0)
        code = carry_out(&q, e);
    sql_stage_clear(&q);
    return code;
}
