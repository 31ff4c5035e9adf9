#include "backup/job/restore/rescue_write.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/lang.h"
#include "common/utf8.h"

#define NAMED                  10 /* rows in a message */
#define STATEMENT_S            60
#define ER_DUP_ENTRY           1062
#define ER_ROW_IS_REFERENCED   1451
#define ER_NO_REFERENCED_ROW_2 1452

static int refuse(struct err *e, const char *table, const char *why)
{
    return err_outcome(e, EXIT_REFUSED, EINVAL, "%s %s", table, why);
}

/* --- what the table is --- */

/* Once the transaction has looked at the table, its definition stays as it is. */
static int nothing_else_runs(struct rescue *r, struct err *e)
{
    uint64_t triggers = 0, deletes = 0, updates = 0;
    _cleanup_free_ char *schema = server_quote_text(r->live, r->now.schema),
                        *name = server_quote_text(r->live, r->now.name);
    int code = server_u64(r->live, &triggers, e,
        "SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA=%s AND EVENT_OBJECT_TABLE=%s",
        schema, name);
    if (code == 0)
        code = server_u64(r->live, &deletes, e,
            "SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE UNIQUE_CONSTRAINT_SCHEMA=%s AND REFERENCED_TABLE_NAME=%s AND DELETE_RULE IN ('CASCADE','SET NULL','SET DEFAULT')",
            schema, name);
    if (code == 0)
        code = server_u64(r->live, &updates, e,
            "SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS c JOIN information_schema.KEY_COLUMN_USAGE k ON k.CONSTRAINT_SCHEMA=c.CONSTRAINT_SCHEMA AND k.CONSTRAINT_NAME=c.CONSTRAINT_NAME AND k.TABLE_NAME=c.TABLE_NAME WHERE c.UNIQUE_CONSTRAINT_SCHEMA=%s AND c.REFERENCED_TABLE_NAME=%s AND c.UPDATE_RULE IN ('CASCADE','SET NULL','SET DEFAULT') AND NOT EXISTS (SELECT 1 FROM information_schema.STATISTICS p WHERE p.TABLE_SCHEMA=%s AND p.TABLE_NAME=%s AND p.INDEX_NAME='PRIMARY' AND p.COLUMN_NAME=k.REFERENCED_COLUMN_NAME)",
            schema, name, schema, name);
    if (code != 0)
        return code;
    if (triggers)
        return refuse(e, r->now.name,
            N_("has triggers, which would run for each row that is written: bring the rows back by hand (elexgate restore --into DIR --serve SOCKET)"));
    if (deletes && r->exact)
        return refuse(e, r->now.name,
            N_("is referred to by a table whose rows would be deleted or changed with its own: --exact is not done"));
    if (updates)
        return refuse(e, r->now.name,
            N_("is referred to, by other columns than its primary key, by a table whose rows would change with its own"));
    return 0;
}

int rescue_open_live(struct rescue *r, const char *schema, const char *name, struct err *e)
{
    int code = server_connect(&r->run->s.target, "elexgate-job", &r->live, e);
    if (code == 0) {
        server_take_role(r->live);
        code = server_limit(r->live, STATEMENT_S, e);
    }
    if (code == 0)
        code = server_exec(r->live, e,
            "SET SESSION character_set_results=NULL, sql_mode='STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO', innodb_lock_wait_timeout=5, foreign_key_checks=1, unique_checks=1");
    if (code == 0)
        code = rescue_table_look(r->live, schema, name, N_("on the live server"), &r->now, e);
    if (code == 0 && strcmp(r->now.engine, "InnoDB") != 0)
        return refuse(e, r->now.name,
            N_("is no InnoDB table: its rows cannot be written back in one transaction"));
    return code == 0 ? nothing_else_runs(r, e) : code;
}

/* --- has it changed since? --- */

static int compare_locked(struct rescue *r, struct err *e)
{
    char digest[SHA256_HEX_LEN], names[NAMED * (RESCUE_LABEL + 2) + 8] = "";
    size_t changed = 0;
    for (size_t i = 0; i < r->n; i++) {
        const struct rescue_change *c = &r->changes[i];
        int code = rescue_digest(r->live, &r->now, c->is, true, digest, e);
        if (code != 0)
            return code;
        if (!run_go_on(r->run))
            return run_pack_result(PACK_STOPPED, e);
        if (strcmp(digest, c->live) == 0)
            continue;
        if (changed++ < NAMED)
            utf8_format(names, sizeof names, "%s%s%s", names, *names ? ", " : "", c->label);
    }
    if (changed == 0)
        return 0;
    return err_outcome(e, EXIT_REFUSED, EBUSY,
        "%zu rows of %s were changed by somebody since they were compared (%s%s): nothing is written. Run it again, and look at the difference anew",
        changed, r->now.name, names, changed > NAMED ? ", …" : "");
}

/* --- statements --- */

/* "a=1, b=2" without the key, or "a, b" and "1, 2"; malloc'ed. */
static char *pairs(const struct rescue_table *t, char *const *values)
{
    char *all = xstrdup("");
    for (size_t i = 0; i < t->n; i++) {
        const struct rescue_column *c = &t->columns[i];
        if (c->key || c->generated)
            continue;
        xappendf(&all, "%s%s=%s", *all ? ", " : "", c->quoted, values[i]);
    }
    return all;
}

static char *listed(const struct rescue_table *t, char *const *values)
{
    char *all = xstrdup("");
    for (size_t i = 0; i < t->n; i++) {
        const struct rescue_column *c = &t->columns[i];
        if (c->generated)
            continue;
        xappendf(&all, "%s%s", *all ? ", " : "", values ? values[i] : c->quoted);
    }
    return all;
}

/* values: NULL = the row goes; there: it is there now. NULL: nothing of it can change. */
static char *statement(
    const struct rescue_table *t, const char *is, char *const *values, bool there)
{
    if (!values)
        return xasprintf("DELETE FROM %s WHERE %s", t->quoted, is);
    if (there) {
        _cleanup_free_ char *set = pairs(t, values);
        return *set ? xasprintf("UPDATE %s SET %s WHERE %s", t->quoted, set, is) : NULL;
    }
    _cleanup_free_ char *columns = listed(t, NULL), *all = listed(t, values);
    return xasprintf("INSERT INTO %s (%s) VALUES (%s)", t->quoted, columns, all);
}

/* digest: what was compared, and shown, is what is written; the copy of then may lie where others
 * can write. */
static int values_of(struct server *s, const struct rescue_table *t, const struct rescue_change *c,
    const char *digest, char ***out, struct err *e)
{
    int code = 0;
    *out = rescue_values(s, t, c->is, digest, e, &code);
    if (code == 0 && !*out)
        code = err_set(
            e, EIO, "row %s of %s is not what it was when it was compared", c->label, t->name);
    return code;
}

/* A key would break: which row, and what to do. */
static int broken(struct rescue *r, const struct rescue_change *c, unsigned number, struct err *e)
{
    const char *why =
        number == ER_DUP_ENTRY
            ? N_("another row of today has a value that may be there once only (a unique key)")
        : number == ER_ROW_IS_REFERENCED
            ? N_("rows of another table refer to it (a foreign key)")
            : N_("a row of another table that it refers to is not there (a foreign key): rescue that table first");
    return err_outcome(e, EXIT_REFUSED, EEXIST,
        "row %s of %s cannot be written back: %s. Nothing is written", c->label, r->now.name, why);
}

static int write_one(struct rescue *r, const struct rescue_change *c, bool *waits, struct err *e)
{
    char **values = NULL;
    int code = *c->then ? values_of(r->then, &r->was, c, c->then, &values, e) : 0;
    if (code != 0)
        return code;
    _cleanup_free_ char *sql = statement(&r->now, c->is, values, *c->live != '\0');
    rescue_values_free(&r->was, values);
    code = sql ? server_exec(r->live, e, "%s", sql) : 0;
    unsigned number = code == 0 ? 0 : server_errno(r->live);
    if (number == ER_NO_REFERENCED_ROW_2 || number == ER_ROW_IS_REFERENCED)
        *waits = true;
    if (number == ER_DUP_ENTRY || *waits)
        return broken(r, c, number, e);
    return code;
}

/* A row may refer to another one of the same table that comes later. order: in which they went. */
static int write_all(struct rescue *r, size_t *order, struct err *e)
{
    _cleanup_free_ bool *done = xcalloc(r->n + 1, sizeof *done);
    size_t written = 0, before = r->n + 1;
    int code = 0;
    while (written < r->n && r->n - written < before) {
        before = r->n - written;
        for (size_t i = 0; i < r->n; i++) {
            bool waits = false;
            if (done[i])
                continue;
            code = run_go_on(r->run) ? write_one(r, &r->changes[i], &waits, e)
                                     : run_pack_result(PACK_STOPPED, e);
            if (code != 0 && !waits)
                return code;
            done[i] = code == 0;
            if (done[i])
                order[written++] = i;
        }
    }
    return written < r->n ? EXIT_REFUSED : 0;
}

/* --- the way back --- */

static int undo_of(struct rescue *r, const struct rescue_change *c, char **out, struct err *e)
{
    char **values = NULL;
    int code = *c->live ? values_of(r->live, &r->now, c, c->live, &values, e) : 0;
    if (code != 0)
        return code;
    *out = statement(&r->now, c->is, values, *c->then != '\0');
    rescue_values_free(&r->now, values);
    return 0;
}

/* Backwards, so that no key breaks on the way. */
static int write_undo(const struct rescue *r, char *const *statements, const size_t *order,
    const char *path, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    CHECK(f);
    fprintf(f,
        "-- Rows as they were before elexgate rescue: mariadb < this file takes it back.\nSET NAMES utf8mb4;\nSET time_zone='+00:00', sql_mode='STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO';\nSTART TRANSACTION;\n");
    for (size_t i = r->n; i > 0; i--)
        if (statements[order[i - 1]])
            fprintf(f, "%s;\n", statements[order[i - 1]]);
    fputs("COMMIT;\n", f);
    CHECK(fclose(f) == 0); /* in memory */
    return file_publish(path, text, n, 0600, e);
}

static int write_and_note(struct rescue *r, const char *undo, struct err *e)
{
    _cleanup_free_ char **statements = xcalloc(r->n + 1, sizeof *statements);
    _cleanup_free_ size_t *order = xcalloc(r->n + 1, sizeof *order);
    int code = 0;
    for (size_t i = 0; code == 0 && undo && i < r->n; i++)
        code = undo_of(r, &r->changes[i], &statements[i], e);
    if (code == 0)
        code = write_all(r, order, e);
    if (code == 0 && undo)
        code = write_undo(r, statements, order, undo, e);
    for (size_t i = 0; i < r->n; i++)
        free(statements[i]);
    return code;
}

int rescue_write(struct rescue *r, const char *undo, struct err *e)
{
    int code = server_exec(r->live, e, "START TRANSACTION");
    if (code == 0)
        code = compare_locked(r, e);
    if (code == 0)
        code = nothing_else_runs(r, e);
    if (code == 0)
        code = write_and_note(r, undo, e);
    if (code == 0 && undo) {
        code = server_exec(r->live, e, "COMMIT");
        return code == 0 ? 0
                         : err_prefix(e, code, "whether it was written is not known; run it again");
    }
    int back = server_exec(r->live, code == 0 ? e : NULL, "ROLLBACK");
    return code == 0 ? back : code;
}
