/*
 * A restore from SQL text, into the Elexis database only. The text is looked through, then read
 * into a copy of the data directory in a server that nobody can reach (sql_stage.c), while
 * everybody works; what it would lose is told and asked about; and then the folders change places
 * as those of any other restore do (exchange.c). Nothing is dropped on the live server, and what it
 * holds now is what `undo` brings back.
 */
#include "backup/job/restore/sql.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "backup/job/restore/exchange.h"
#include "backup/job/restore/database.h"
#include "backup/job/hooks.h"
#include "backup/job/restore/beside.h"
#include "backup/job/restore/restore.h"
#include "backup/job/restore/sql_stage.h"
#include "backup/job/restore/sql_text.h"
#include "common/exit_codes.h"
#include "common/sql_name.h"
#include "common/utf8.h"
#include "common/error_phrase.h"

/* Why a text is not taken: what is wrong, where, and what would help. english: of the catalogue,
 * its first argument NAME(q). */
#define NAME(q) ((q)->text.name ? (q)->text.name : "")
PRINTF(4, 5)
static int refuse(const struct sql_stage *q, int code, struct err *e, const char *english, ...)
{
    va_list ap;
    va_start(ap, english);
    json_t *said = phrase_v(english, ap);
    va_end(ap);
    if (!q->text.name)
        phrase_set(said, 0, phrase_of(N_("the SQL text")));
    (void)error_phrase_set(e, EINVAL, said);
    return code;
}

#define AT(line) (unsigned long long)(line)

/* What the lexer has refused. */
static int judge_form(struct sql_stage *q, struct err *e)
{
    const struct sql_scan *s = &q->text.scan;
    switch (s->refused) {
    case SQL_ACCEPTED:
    case SQL_OPEN:
        return 0;
    case SQL_NUL:
        return refuse(q, EXIT_REFUSED, e, N_("%s is no SQL text: line %llu has a NUL byte"),
            NAME(q), AT(s->refused_line));
    case SQL_COMMAND:
    case SQL_BACKSLASH:
        return refuse(q, EXIT_REFUSED, e,
            N_("%s, line %llu: \"%s\" is a command of the client program, not SQL; a dump has none"),
            NAME(q), AT(s->refused_line), s->command);
    default: {
        json_t *said = phrase("%s, line %llu: %s", NAME(q), AT(s->refused_line), "");
        phrase_set(said, 2, phrase_of(sql_refusal_words(s->refused)));
        if (!q->text.name)
            phrase_set(said, 0, phrase_of(N_("the SQL text")));
        (void)error_phrase_set(e, EINVAL, said);
        return EXIT_REFUSED;
    }
    }
}

static int judge(struct sql_stage *q, struct err *e)
{
    const struct sql_scan *s = &q->text.scan;
    int code = judge_form(q, e);
    if (code != 0)
        return code;
    if (s->statements == 0 && s->refused == SQL_ACCEPTED)
        return refuse(q, EXIT_REFUSED, e, N_("%s has no SQL statement in it"), NAME(q));
    if (s->other_line)
        return refuse(q, EXIT_REFUSED, e,
            N_("%s, line %llu, is about the database \"%s\"; only \"%s\" is restored: make the dump with `mariadb-dump %s`, without --databases or --all-databases"),
            NAME(q), AT(s->other_line), s->other, q->database, q->database);
    if (s->account_line)
        return refuse(q, EXIT_REFUSED, e,
            N_("%s, line %llu, changes accounts or rights; a dump of one database does not"),
            NAME(q), AT(s->account_line));
    if (s->refused == SQL_OPEN || !s->complete)
        return refuse(q, EXIT_INCONSISTENT, e,
            N_("%s is cut off after line %llu: it does not end with \"-- Dump completed\", as every whole dump of mariadb-dump or mysqldump does (made with --skip-comments? then add that line)"),
            NAME(q), AT(s->lines));
    return 0;
}

/* --- what it asks of this server --- */

/* Errors of the server: unknown character set, unknown collation, unknown variable. */
static bool is_unknown(const struct err *e)
{
    return strstr(e->text, "(error 1115)") || strstr(e->text, "(error 1273)") ||
           strstr(e->text, "(error 1193)");
}

static bool lacks(struct server *s, const struct sql_scan_need *n)
{
    struct err why = {0};
    _cleanup_free_ char *name = sql_name_quoted(n->name);
    int code = n->collation ? server_exec(s, &why, "DO _utf8mb4'' COLLATE %s", name)
                            : server_exec(s, &why, "DO CONVERT('' USING %s)", name);
    return code < 0 && is_unknown(&why);
}

static int judge_needs(struct sql_stage *q, struct server *s, struct err *e)
{
    const struct sql_scan *scan = &q->text.scan;
    for (size_t i = 0; i < scan->n_needs; i++) {
        const struct sql_scan_need *n = &scan->needs[i];
        if (!lacks(s, n))
            continue;
        const char *whose = strncasecmp(n->name, "utf8mb4_0900", 12) == 0 ? " (MySQL 8)" : "";
        return refuse(q, EXIT_REFUSED, e,
            n->collation
                ? N_("%s, line %llu: this server does not have the collation %s%s; replace it, for example with: sed 's/%s/utf8mb4_unicode_520_ci/g'")
                : N_("%s, line %llu: this server does not have the character set %s%s; replace it, for example with: sed 's/%s/utf8mb4/g'"),
            NAME(q), AT(n->line), n->name, whose, n->name);
    }
    struct err why = {0};
    if (scan->gtid_line && server_exec(s, &why, "DO @@GLOBAL.GTID_PURGED") < 0 && is_unknown(&why))
        return refuse(q, EXIT_REFUSED, e,
            N_("%s, line %llu, sets GTID_PURGED, which is MySQL's alone: make the dump with --set-gtid-purged=OFF, or take the line out"),
            NAME(q), AT(scan->gtid_line));
    return 0;
}

/* "10.11" is newer than "10.6"; another product counts by itself. */
static void note_origin(const struct sql_stage *q, struct server *s)
{
    const char *theirs = q->text.scan.server, *ours = server_version(s);
    unsigned a = 0, b = 0, c = 0, d = 0;
    bool mysql = !strstr(theirs, "MariaDB");
    if (sscanf(theirs, "%u.%u", &a, &b) != 2 || sscanf(ours, "%u.%u", &c, &d) != 2)
        return;
    if (mysql != server_is_mysql(s) ? mysql && a >= 8 : a > c || (a == c && b > d))
        run_note(
            "the dump is of a newer server (%s), this one is %s: what only that one knows is an error when it is tried out, before anybody is kept out",
            UTF8_SHORT(theirs, 40), UTF8_SHORT(ours, 40));
}

/* A server that does not run answers nothing; then reading the text in shows it. */
static int ask_server(struct sql_stage *q, struct err *e)
{
    _cleanup_server_ struct server *s = NULL;
    if (server_connect(&q->run->s.target, "elexgate-job", &s, NULL) < 0)
        return 0;
    note_origin(q, s);
    return judge_needs(q, s, e);
}

static void tell_restored(const struct sql_stage *q, const struct restore *r)
{
    run_event(json_pack("{s:s, s:s, s:s, s:[s], s:I, s:I, s:I, s:b, s:O?}", "event", "restored",
        "run", r->suffix, "method", "dump", "types", q->run->s.dump_type, "blocked_ms",
        (json_int_t)r->blocked_for_ms, "tables", (json_int_t)q->text.scan.n_tables, "statements",
        (json_int_t)q->text.scan.statements, "new_live", true, "difference", q->difference));
}

/* Up to the swap nothing live has been touched, and staging goes. */
static int replace(struct sql_stage *q, struct restore *r, struct err *e)
{
    const char *types = q->run->s.dump_type;
    int code = q->beside ? beside_stage(q, r, e) : sql_stage(q, r, e);
    if (code != 0 || q->options->dry_run)
        return restore_give_up_staging(r, code, e);
    code = hook_before(q->run, "before_restore", types, e);
    if (code != 0)
        code = restore_give_up_staging(r, code, e);
    else
        code = restore_exchange(r, true, e);
    if (code == 0)
        tell_restored(q, r);
    hook_after(q->run, "after_restore", types, exit_code_of(code), code ? e->text : NULL);
    return code;
}

/* By way of the files, where they can be reached and a server can be started on them; else beside
 * the live database, in the server itself. */
static int choose_way(struct sql_stage *q, struct err *e)
{
    int code = site_look(q->run, &q->site, e);
    bool answers = q->site.server == SITE_ANSWERS;
    if (code == 0 && answers && (!q->site.known || q->site.tables.code)) {
        *e = q->site.known ? q->site.tables : q->site.why;
        code = EXIT_REFUSED;
    }
    if (code == 0)
        code = restore_database_ready(q->run, e);
    if (code == 0 && q->site.server == SITE_REFUSES) {
        (void)err_prefix(e, err_copy(e, EACCES, &q->site.why),
            "the server runs and does not let the keeper in: put the account right (`elexgate doctor`), or stop the server and try again");
        return EXIT_REFUSED;
    }
    if (code == 0 || !answers)
        return code;
    run_note(
        "the way by the files is closed (%s); the SQL goes into a database beside the live one",
        err_words(e));
    q->beside = true;
    return 0;
}

/* What is known to be good text goes in. */
static int carry_out(struct sql_stage *q, struct err *e)
{
    CLEANUP(restore_clear) struct restore r;
    restore_init(&r, q->run);
    int code = choose_way(q, e);
    return code == 0 ? replace(q, &r, e) : code;
}

int restore_sql(struct run *run, const char *path, const struct sql_options *o, struct err *e)
{
    CLEANUP(sql_stage_clear)
    struct sql_stage q = {.run = run,
        .options = o,
        .text = {.run = run, .spool = -1},
        .database = config_str(run->s.config, "database", NULL, "name")};
    int code = sql_text_from_file(&q.text, path, q.database, e);
    if (code == 0)
        code = judge(&q, e);
    if (code == 0)
        code = ask_server(&q, e);
    if (code == 0)
        code = store_free_suffix(
            run->s.folder, run->started_ms / 1000, &cron_zone_local, run->suffix, e);
    return code == 0 ? carry_out(&q, e) : code;
}

int restore_dump(struct run *run, const char *folder, const struct store_item *dump,
    const struct sql_options *o, struct err *e)
{
    CLEANUP(sql_stage_clear)
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
        code = ask_server(&q, e);
    return code == 0 ? carry_out(&q, e) : code;
}
