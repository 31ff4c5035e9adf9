#include "backup/job/trial/definers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/json_get.h"
#include "common/sql_name.h"

struct task {
    struct server *s;
    const char *database;
    char *importer; /* `user`@`localhost`, as SHOW CREATE writes it */
    char *worker;   /* the account that works with this database, or NULL */
    const struct definers *d;
};

void definers_add(struct definers *d, const struct sql_definer *one)
{
    d->list = xrealloc(d->list, (d->n + 1) * sizeof *d->list);
    d->list[d->n++] = *one;
}

void definers_clear(struct definers *d)
{
    free(d->list);
    *d = (struct definers){0};
}

static char *quoted_account(const char *user, const char *host)
{
    _cleanup_free_ char *u = sql_name_quoted(user), *h = sql_name_quoted(host);
    return *host ? xasprintf("%s@%s", u, h) : xstrdup(u);
}

/* As the text's last word on it has it, by its exact name: beside root's `trg` anybody may make a
 * `TRG`, and must not become its owner's. NULL: it named nobody. Without a host it is a role, which
 * is how the server would read it if there is one of that name. */
static const struct sql_definer *named(
    const struct definers *d, enum sql_object object, const char *name)
{
    for (size_t i = d->n; i > 0; i--)
        if (d->list[i - 1].object == object && strcmp(d->list[i - 1].name, name) == 0)
            return d->list[i - 1].user[0] ? &d->list[i - 1] : NULL;
    return NULL;
}

/* In a statement; NULL: it stays the importer's. malloc'ed */
static char *owner_in_sql(const struct task *t, enum sql_object object, const char *name)
{
    const struct sql_definer *d = named(t->d, object, name);
    if (d)
        return quoted_account(d->user, d->host);
    return t->worker ? xstrdup(t->worker) : NULL;
}

/* --- routines and events: a column of the system tables --- */

static int put_right_row(struct task *t, const char *table, enum sql_object object,
    const char *type, const char *name, struct err *e)
{
    const struct sql_definer *d = named(t->d, object, name);
    _cleanup_free_ char *plain = d ? sql_name_account(d->user, *d->host ? d->host : "%") : NULL;
    _cleanup_free_ char *owner = plain ? server_quote_text(t->s, plain) : NULL;
    _cleanup_free_ char *db = server_quote_text(t->s, t->database);
    _cleanup_free_ char *text = server_quote_text(t->s, name);
    if (!owner && !t->worker)
        return 0;
    return server_exec(t->s, e, "UPDATE mysql.%s SET definer=%s WHERE db=%s AND name=%s%s%s%s",
        table, owner ? owner : "@worker", db, text, type ? " AND type='" : "", type ? type : "",
        type ? "'" : "");
}

/* --- views and triggers: made anew --- */

struct row {
    char *name, *text, *client, *collation, *mode;
};

static void row_clear(struct row *r)
{
    free(r->name);
    free(r->text);
    free(r->client);
    free(r->collation);
    free(r->mode);
    *r = (struct row){0};
}

static int take_view(void *ctx, const struct server_row *row, struct err *e)
{
    struct row *r = ctx;
    (void)e;
    if (row->n >= 4 && !r->text)
        *r = (struct row){.text = xstrdup(row->text[1]),
            .client = xstrdup(row->text[2]),
            .collation = xstrdup(row->text[3])};
    return 0;
}

static int take_trigger(void *ctx, const struct server_row *row, struct err *e)
{
    struct row *r = ctx;
    (void)e;
    if (row->n >= 5 && !r->text)
        *r = (struct row){.mode = xstrdup(row->text[1]),
            .text = xstrdup(row->text[2]),
            .client = xstrdup(row->text[3]),
            .collation = xstrdup(row->text[4])};
    return 0;
}

/* "CREATE ... DEFINER=importer ...", with another owner behind another first word; malloc'ed, NULL:
 * not so. A trigger remembers its text with the quotes of the sql_mode that it was made in. */
static char *with_owner(
    const struct task *t, const char *create, const char *text, const char *owner)
{
    _cleanup_free_ char *plain = xasprintf(" DEFINER=%s ", t->importer), *ansi = xstrdup(plain);
    for (char *c = ansi; *c; c++)
        *c = *c == '`' ? '"' : *c;
    const char *at = strstr(text, plain);
    if (!at)
        at = strstr(text, ansi);
    if (!at || strncmp(text, "CREATE ", 7) != 0)
        return NULL;
    return xasprintf(
        "%s%.*s DEFINER=%s %s", create, (int)(at - text - 6), text + 6, owner, at + strlen(plain));
}

/* Read and written in the character set that it was made in, which it remembers. */
static int make_anew(struct task *t, enum sql_object object, const char *name, struct err *e)
{
    bool view = object == SQL_VIEW;
    struct row r = {0};
    _cleanup_free_ char *quoted = sql_name_quoted(name);
    _cleanup_free_ char *owner = owner_in_sql(t, object, name);
    if (!owner)
        return 0;
    const char *show = view ? "VIEW" : "TRIGGER";
    server_row_fn *take = view ? take_view : take_trigger;
    int code = server_exec(t->s, e, "SET character_set_results=utf8mb4");
    if (code == 0)
        code = server_rows(t->s, take, &r, e, "SHOW CREATE %s %s", show, quoted);
    _cleanup_free_ char *client = r.client ? xstrdup(r.client) : NULL;
    _cleanup_free_ char *collation = r.collation ? xstrdup(r.collation) : NULL;
    row_clear(&r);
    if (code == 0 && client)
        code = server_exec(t->s, e, "SET character_set_results=%s", client);
    if (code == 0)
        code = server_rows(t->s, take, &r, e, "SHOW CREATE %s %s", show, quoted);
    if (code == 0 && r.mode) {
        _cleanup_free_ char *mode = server_quote_text(t->s, r.mode);
        code = server_exec(t->s, e, "SET sql_mode=%s", mode);
    }
    _cleanup_free_ char *text = r.text ? with_owner(t, "CREATE OR REPLACE", r.text, owner) : NULL;
    if (code == 0 && !text)
        code = err_set(e, EIO, "the server does not show how %s was made", quoted);
    if (code == 0)
        code = server_exec(
            t->s, e, "SET character_set_client=%s, collation_connection=%s", client, collation);
    if (code == 0)
        code = server_exec(t->s, e, "%s", text);
    row_clear(&r);
    struct err unset = {0};
    if (server_exec(t->s, code == 0 ? e : &unset, "SET NAMES utf8mb4, sql_mode=''") < 0 &&
        code == 0)
        code = -EIO;
    return code;
}

/* --- all of them --- */

struct found {
    struct {
        enum sql_object object;
        char *name;
    } * list;
    size_t n;
};

static bool object_of(const char *kind, enum sql_object *out)
{
    static const char *const kinds[] = {
        "VIEW", "PROCEDURE", "FUNCTION", "PACKAGE", "PACKAGE BODY", "TRIGGER", "EVENT"};
    for (size_t k = 0; k < SQL_OBJECTS; k++)
        if (strcmp(kind, kinds[k]) == 0) {
            *out = (enum sql_object)k;
            return true;
        }
    return false;
}

static int take_found(void *ctx, const struct server_row *row, struct err *e)
{
    struct found *f = ctx;
    (void)e;
    enum sql_object object;
    if (row->n < 2 || !row->text[0] || !row->text[1] || !object_of(row->text[0], &object))
        return 0;
    f->list = xrealloc(f->list, (f->n + 1) * sizeof *f->list);
    f->list[f->n].object = object;
    f->list[f->n++].name = xstrdup(row->text[1]);
    return 0;
}

static int put_right_one(struct task *t, enum sql_object object, const char *name, struct err *e)
{
    static const char *const types[] = {[SQL_PROCEDURE] = "PROCEDURE",
        [SQL_FUNCTION] = "FUNCTION",
        [SQL_PACKAGE] = "PACKAGE",
        [SQL_PACKAGE_BODY] = "PACKAGE BODY"};
    if (object == SQL_VIEW || object == SQL_TRIGGER)
        return make_anew(t, object, name, e);
    return object == SQL_EVENT ? put_right_row(t, "event", object, NULL, name, e)
                               : put_right_row(t, "proc", object, types[object], name, e);
}

/* An account that may make routines here and has no rights on all of the server: the practice's
 * own. @worker for a column, t->worker for a statement. */
static int find_worker(struct task *t, struct err *e)
{
    _cleanup_free_ char *db = server_quote_text(t->s, t->database);
    _cleanup_free_ char *user = NULL, *host = NULL;
    int code = server_exec(t->s, e, "SET @worker=NULL, @u=NULL, @h=NULL");
    if (code == 0)
        code = server_exec(t->s, e,
            "SELECT d.User, d.Host INTO @u, @h FROM mysql.db d JOIN mysql.user u ON u.User=d.User AND u.Host=d.Host WHERE REPLACE(d.Db, '\\\\', '')=%s AND d.Execute_priv='Y' AND d.Create_routine_priv='Y' AND u.Super_priv='N' AND d.User NOT IN ('', %s) ORDER BY d.Trigger_priv='Y' DESC, 1, 2 LIMIT 1",
            db, "'" DEFINERS_IMPORTER "'");
    if (code == 0)
        code = server_text(t->s, &user, e, "SELECT @u");
    if (code == 0)
        code = server_text(t->s, &host, e, "SELECT @h");
    if (code == 0 && user && host) {
        t->worker = quoted_account(user, host);
        code = server_exec(t->s, e, "SET @worker=CONCAT(@u, '@', @h)");
    }
    return code;
}

static int put_all_right(struct task *t, struct err *e)
{
    struct found f = {0};
    _cleanup_free_ char *db = server_quote_text(t->s, t->database);
    _cleanup_free_ char *who = server_quote_text(t->s, DEFINERS_IMPORTER "@localhost");
    /* triggers in their order: each one that is made anew comes last in its turn */
    int code = server_rows(t->s, take_found, &f, e,
        "SELECT 'VIEW', TABLE_NAME, 1 FROM information_schema.VIEWS WHERE TABLE_SCHEMA=%s AND DEFINER=%s UNION ALL SELECT ROUTINE_TYPE, ROUTINE_NAME, 2 FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA=%s AND DEFINER=%s UNION ALL SELECT 'EVENT', EVENT_NAME, 3 FROM information_schema.EVENTS WHERE EVENT_SCHEMA=%s AND "
        "DEFINER=%s UNION ALL (SELECT 'TRIGGER', TRIGGER_NAME, 4 + ACTION_ORDER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA=%s AND DEFINER=%s) ORDER BY 3",
        db, who, db, who, db, who, db, who);
    for (size_t i = 0; i < f.n; i++) {
        if (code == 0)
            code = put_right_one(t, f.list[i].object, f.list[i].name, e);
        free(f.list[i].name);
    }
    free(f.list);
    return code;
}

static int not_put_right(int code, struct err *e)
{
    return code < 0 ? err_prefix(e, code, "whom what was read in belongs to could not be put right")
                    : 0;
}

int definers_put_right(
    struct server *s, const char *database, const struct definers *d, struct err *e)
{
    struct task t = {.s = s, .database = database, .d = d};
    _cleanup_free_ char *name = sql_name_quoted(database);
    t.importer = quoted_account(DEFINERS_IMPORTER, "localhost");
    int code = server_exec(s, e, "USE %s", name);
    if (code == 0)
        code = find_worker(&t, e);
    if (code == 0)
        code = put_all_right(&t, e);
    free(t.importer);
    free(t.worker);
    return not_put_right(code, e);
}

static int put_statement_right(const struct task *t, json_t *o, struct err *e)
{
    enum sql_object object;
    const char *name = json_get_str(o, "name"), *create = json_get_str(o, "create");
    if (!object_of(json_get_str(o, "kind"), &object))
        return err_set(e, EINVAL, "%s is of an unknown kind", name);
    _cleanup_free_ char *owner = owner_in_sql(t, object, name);
    _cleanup_free_ char *text = with_owner(t, "CREATE", create, owner ? owner : t->importer);
    if (!text)
        return err_set(e, EIO, "the server does not show how %s was made", name);
    return json_object_set_new(o, "create", json_string(text));
}

int definers_in_statements(struct server *s, const char *database, const char *host,
    const struct definers *d, json_t *objects, struct err *e)
{
    struct task t = {.s = s, .database = database, .d = d};
    json_t *o;
    size_t i;
    t.importer = quoted_account(DEFINERS_IMPORTER, host);
    int code = find_worker(&t, e);
    json_array_foreach (objects, i, o)
        if (code == 0)
            code = put_statement_right(&t, o, e);
    free(t.importer);
    free(t.worker);
    return not_put_right(code, e);
}
