#include "backup/job/restore/carry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "common/json_get.h"
#include "common/process.h"
#include "backup/job/trial/client_login.h"
#include "backup/job/trial/import.h"
#include "backup/job/restore/throwaway_of.h"
#include "common/hex.h"
#include "common/sql_name.h"

/* Tables of the server's own that say something of the practice. Not those of logs, of statistics
 * and of help, which each server writes by itself. */
static const struct {
    const char *name, *schema; /* schema: the column that says whose a row is; NULL = everybody's */
} own_tables[] = {
    {"global_priv", NULL},
    {"db", NULL},
    {"tables_priv", NULL},
    {"columns_priv", NULL},
    {"procs_priv", NULL},
    {"proxies_priv", NULL},
    {"roles_mapping", NULL},
    {"proc", "db"},
    {"event", "db"},
    {"func", NULL},
    {"plugin", NULL},
    {"servers", NULL},
    {"time_zone", NULL},
    {"time_zone_name", NULL},
    {"time_zone_transition", NULL},
    {"time_zone_transition_type", NULL},
    {"time_zone_leap_second", NULL},
};
#define OWN_TABLES (sizeof own_tables / sizeof own_tables[0])

static int note_schema(void *ctx, const struct server_row *row, struct err *e)
{
    (void)e;
    (void)json_object_set_new((json_t *)ctx, row->text[0], json_stringn(row->text[1], row->len[1]));
    return 0;
}

int carry_schemas(struct server *s, const char *database, json_t **out, struct err *e)
{
    _cleanup_json_ json_t *o = json_object();
    _cleanup_free_ char *name = server_quote_text(s, database);
    int code = server_rows(s, note_schema, o, e,
        "SELECT SCHEMA_NAME, CAST(CONVERT(SCHEMA_NAME USING filename) AS CHAR CHARACTER SET binary) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN ('information_schema', 'performance_schema', 'mysql') AND SCHEMA_NAME <> %s",
        name);
    if (code == 0)
        *out = json_incref(o);
    return code;
}

/* --- what has changed --- */

struct changes {
    json_t *gone, *changed; /* names of databases */
    bool own[OWN_TABLES], any_own;
};

static int look_at_own(struct carry *c, bool all, struct changes *out, struct err *e)
{
    static const char *const ends[] = {"frm", "MAI", "MAD", "MYI", "MYD", "ibd"};
    for (size_t i = 0; i < OWN_TABLES; i++) {
        int code = all;
        for (size_t k = 0; code == 0 && k < sizeof ends / sizeof ends[0]; k++) {
            char path[80];
            snprintf(path, sizeof path, "mysql/%s.%s", own_tables[i].name, ends[k]);
            code = live_copy_changed(c->copy, path, e);
        }
        if (code < 0)
            return code;
        out->own[i] = code == 1;
        out->any_own |= code == 1;
    }
    return 0;
}

static int look_at_schemas(
    struct carry *c, const json_t *now, bool all, struct changes *out, struct err *e)
{
    const char *name;
    json_t *folder;
    json_object_foreach ((json_t *)(uintptr_t)now, name, folder) {
        int code = all || !json_object_get(c->schemas, name)
                       ? 1
                       : live_copy_changed(c->copy, json_string_value(folder), e);
        if (code < 0)
            return code;
        if (code == 1)
            (void)json_array_append_new(out->changed, json_string(name));
    }
    json_object_foreach (c->schemas, name, folder)
        if (!json_object_get(now, name))
            (void)json_array_append_new(out->gone, json_string(name));
    return 0;
}

/* --- whole databases: the stock dump and the stock client, from a server of ours to another --- */

static size_t dump_args(const struct carry *c, const char *options, const struct changes *ch,
    const char **argv, size_t max)
{
    const char *const fixed[] = {config_str(c->run->s.config, "backup", NULL, "dump_program"),
        options, "--skip-lock-tables", "--skip-add-locks", "--quick", "--hex-blob", "--triggers",
        "--skip-routines", "--skip-events", "--add-drop-database", "--no-tablespaces",
        "--default-character-set=utf8mb4", "--max-allowed-packet=1G", "--databases", "--"};
    size_t n = 0, i;
    json_t *name;
    for (; n < sizeof fixed / sizeof fixed[0]; n++)
        argv[n] = fixed[n];
    json_array_foreach (ch->changed, i, name) {
        CHECK(n + 1 < max);
        argv[n++] = json_string_value(name);
    }
    argv[n] = NULL;
    return n;
}

static int pipe_databases(
    struct carry *c, const struct changes *ch, struct throwaway *t, struct err *e)
{
    char options[64];
    size_t max = 20 + json_array_size(ch->changed);
    _cleanup_free_ const char **from_argv = xcalloc(max, sizeof *from_argv);
    _cleanup_fd_ int words = memfd_create("said", MFD_CLOEXEC), login = -1, into = -1, from = -1;
    struct server_target target = throwaway_target(t);
    int ends[2];
    int code = client_login(&c->run->s.target, &login, e);
    if (code < 0)
        return code;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_sys(e, errno, "cannot make a pipe");
    from = ends[0];
    into = ends[1];
    snprintf(options, sizeof options, "--defaults-file=/proc/self/fd/%d", login);
    (void)dump_args(c, options, ch, from_argv, max);
    struct process dump = {0};
    struct process_options od = {.argv = from_argv, .out = into, .err = words, .keep = login};
    code = process_start(&od, &dump, e);
    cleanup_fd(&into);
    into = -1;
    if (code == 0) /* their triggers are not ours: no client may cut this either */
        code = import_sql(c->run, &target, from, "mysql", e);
    cleanup_fd(&from);
    from = -1;
    if (code == 0)
        code = process_finish(&dump, &od, -1, NULL, NULL, e) == 0 ? 0 : -EIO;
    process_end(&dump, 1000);
    return code;
}

/* --- rows of the server's own tables --- */

struct rows {
    struct server *to;
    const char *table;
    bool failed;
};

static int put_row(void *ctx, const struct server_row *row, struct err *e)
{
    struct rows *r = ctx;
    _cleanup_free_ char *values = NULL;
    for (unsigned i = 0; i < row->n; i++) {
        const char *comma = i ? "," : "";
        if (!row->text[i]) {
            xappendf(&values, "%sNULL", comma);
        } else if (strlen(row->text[i]) == row->len[i]) {
            _cleanup_free_ char *quoted = server_quote_text(r->to, row->text[i]);
            xappendf(&values, "%s%s", comma, quoted);
        } else { /* bytes: with a NUL among them */
            _cleanup_free_ char *hex = hex_text(
                row->text[i], row->len[i], xmalloc(2 * row->len[i] + 1));
            xappendf(&values, "%sx'%s'", comma, hex);
        }
    }
    return server_exec(r->to, e, "REPLACE INTO mysql.%s VALUES (%s)", r->table, values);
}

static int carry_table(
    struct carry *c, struct server *from, struct server *to, size_t i, struct err *e)
{
    const char *table = own_tables[i].name;
    _cleanup_free_ char *text = server_quote_text(from, c->database);
    _cleanup_free_ char *which = own_tables[i].schema
                                     ? xasprintf("%s <> %s", own_tables[i].schema, text)
                                     : xstrdup("1");
    struct rows r = {.to = to, .table = table};
    int code = server_exec(to, e, "DELETE FROM mysql.%s WHERE %s", table, which);
    if (code == 0)
        code = server_rows(from, put_row, &r, e, "SELECT * FROM mysql.%s WHERE %s", table, which);
    return code < 0 ? err_prefix(e, code, "mysql.%s", table) : 0;
}

static int carry_tables(
    struct carry *c, const struct changes *ch, struct throwaway *t, struct err *e)
{
    static const char as_it_is[] = "SET NAMES binary, SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO'";
    struct server *from = NULL, *to = throwaway_server(t);
    int code = server_connect(&c->run->s.target, "elexgate-job", &from, e);
    if (code == 0)
        code = server_exec(from, e, as_it_is);
    if (code == 0)
        code = server_exec(to, e, as_it_is);
    for (size_t i = 0; code == 0 && i < OWN_TABLES; i++)
        if (ch->own[i])
            code = carry_table(c, from, to, i, e);
    server_close(from);
    return code;
}

static int drop_gone(const struct changes *ch, struct throwaway *t, struct err *e)
{
    struct server *s = throwaway_server(t);
    int code = server_exec(s, e, "SET SESSION foreign_key_checks=0");
    size_t i;
    json_t *name;
    json_array_foreach (ch->gone, i, name) {
        _cleanup_free_ char *quoted = sql_name_quoted(json_string_value(name));
        if (code == 0)
            code = server_exec(s, e, "DROP DATABASE IF EXISTS %s", quoted);
    }
    return code;
}

static int carry(struct carry *c, const struct changes *ch, struct err *e)
{
    struct throwaway *t = NULL;
    run_phase(c->run, c->run->s.physical_type, "carry", 0);
    int code = throwaway_of_copy(c->run, c->layout, c->fresh, c->scratch, NULL, &t, e);
    if (code == 0)
        code = drop_gone(ch, t, e);
    if (code == 0 && json_array_size(ch->changed) > 0)
        code = pipe_databases(c, ch, t, e);
    if (code == 0)
        code = carry_tables(c, ch, t, e);
    if (code == 0)
        code = throwaway_stop(t, e);
    throwaway_drop(t);
    if (code != 0)
        return err_prefix(e, code,
            "what was written to other databases or accounts since the copy cannot be carried over");
    json_t *all = json_deep_copy(ch->changed);
    (void)json_array_extend(all, ch->gone);
    run_event(json_pack(
        "{s:s, s:o, s:b}", "event", "carried", "databases", all, "accounts", ch->any_own));
    return 0;
}

int carry_over(struct carry *c, struct err *e)
{
    struct changes ch = {.gone = json_array(), .changed = json_array()};
    _cleanup_json_ json_t *now = NULL;
    int code = live_copy_freeze(c->copy, &c->lock, e);
    bool all = code == 1;
    if (code >= 0)
        code = carry_schemas(c->lock, c->database, &now, e);
    if (code == 0)
        code = look_at_schemas(c, now, all, &ch, e);
    if (code == 0)
        code = look_at_own(c, all, &ch, e);
    if (code == 0 && (json_array_size(ch.gone) || json_array_size(ch.changed) || ch.any_own))
        code = carry(c, &ch, e);
    json_decref(ch.gone);
    json_decref(ch.changed);
    return code;
}
