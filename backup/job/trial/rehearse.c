#include "backup/job/trial/rehearse.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include "backup/job/trial/copy_check.h"
#include "backup/job/trial/throwaway.h"
#include "backup/rules/sql_lexer.h"
#include "common/clock.h"
#include "common/error_phrase.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/json_get.h"
#include "common/lang.h"
#include "common/said.h"
#include "common/sql_name.h"

#define QUERIES_MAX   (8u << 20)
#define STATEMENT_MAX (1u << 20)
#define FAILURES_MAX  50
#define QUERY_S       60

struct state {
    struct run *run;
    const struct rehearsal *what;
    json_t *page; /* the event */
    bool unsafe;
};

static json_t *list(struct state *s, const char *key)
{
    json_t *l = json_object_get(s->page, key);
    if (!l) {
        l = json_array();
        (void)json_object_set_new(s->page, key, l);
    }
    return l;
}

/* --- rows of the server into lists of the page --- */

static int note_pair(void *ctx, const struct server_row *row, struct err *e)
{
    (void)e;
    json_t *o = json_pack("{s:o}", "name", json_text(row->text[0] ? row->text[0] : ""));
    if (row->n > 1 && row->text[1])
        (void)json_object_set_new(o, "value", json_text(row->text[1]));
    return json_array_append_new(ctx, o) == 0 ? 0 : -ENOMEM;
}

/* Those of the live server's settings that somebody has made, and those that decide what statements
 * mean; "name" and "value". The copy's server has none of them by itself. */
static int settings_of(struct server *s, bool set, json_t *to, struct err *e)
{
    return server_rows(s, note_pair, to, e,
        "SELECT LOWER(VARIABLE_NAME), COALESCE(%s, '') FROM information_schema.SYSTEM_VARIABLES WHERE %s ORDER BY 1",
        set ? "GLOBAL_VALUE_PATH" : "DEFAULT_VALUE",
        set ? "GLOBAL_VALUE_ORIGIN IN ('CONFIG', 'COMMAND-LINE')"
            : "VARIABLE_NAME IN ('SQL_MODE', 'OLD_MODE', 'CHARACTER_SET_SERVER', 'COLLATION_SERVER', 'CHARACTER_SET_COLLATIONS', 'INNODB_SNAPSHOT_ISOLATION', 'INNODB_DEFAULT_ROW_FORMAT', 'DEFAULT_STORAGE_ENGINE', 'EXPLICIT_DEFAULTS_FOR_TIMESTAMP', 'BINLOG_FORMAT', 'REQUIRE_SECURE_TRANSPORT')");
}

static bool has_variable(struct server *s, const char *name)
{
    uint64_t n = 1;
    _cleanup_free_ char *quoted = server_quote_text(s, name);
    return server_u64(s, &n, NULL,
               "SELECT COUNT(*) FROM information_schema.SYSTEM_VARIABLES WHERE VARIABLE_NAME=%s",
               quoted) < 0 ||
           n > 0;
}

/* A plugin that the copy's server does not load brings its own. */
static bool of_a_plugin(const json_t *plugins, const char *name)
{
    size_t i;
    const json_t *p;
    json_array_foreach ((json_t *)(uintptr_t)plugins, i, p) {
        const char *plugin = json_get_text(p, "name");
        if (*plugin && strncasecmp(plugin, name, strlen(plugin)) == 0)
            return true;
    }
    return false;
}

/* What the server of today was told and the newer one does not know: it would not start. */
static void find_removed(struct state *s, struct server *fresh, struct server *live)
{
    json_t *set = json_array(), *plugins = list(s, "plugins"), *o;
    size_t i;
    if (server_rows(live, note_pair, plugins, NULL,
            "SELECT PLUGIN_NAME, PLUGIN_LIBRARY FROM information_schema.PLUGINS WHERE PLUGIN_LIBRARY IS NOT NULL ORDER BY 1") <
            0 ||
        settings_of(live, true, set, NULL) < 0)
        run_note("the live server does not tell its settings: they are not compared");
    json_array_foreach (set, i, o) {
        const char *name = json_get_text(o, "name");
        if (!has_variable(fresh, name) && !of_a_plugin(plugins, name))
            (void)json_array_append(list(s, "removed"), o);
    }
    json_decref(set);
}

static void find_changed(struct state *s, struct server *fresh, struct server *live)
{
    _cleanup_json_ json_t *before = json_array(), *after = json_array();
    json_t *a, *b;
    size_t i, k;
    if (settings_of(live, false, before, NULL) == 0 && settings_of(fresh, false, after, NULL) == 0)
        json_array_foreach (after, i, a) {
            const char *was = NULL;
            json_array_foreach (before, k, b)
                if (!strcmp(json_get_text(a, "name"), json_get_text(b, "name")))
                    was = json_get_text(b, "value");
            if (strcmp(was ? was : "", json_get_text(a, "value")) != 0)
                (void)json_array_append_new(list(s, "changed"),
                    json_pack("{s:s, s:s?, s:s}", "name", json_get_text(a, "name"), "before", was,
                        "after", json_get_text(a, "value")));
        }
}

/* --- what the copy holds --- */

static int find_in_copy(struct state *s, struct server *fresh, struct err *e)
{
    int r = server_rows(fresh, note_pair, list(s, "accounts"), e,
        "SELECT CONCAT(User, '@', Host), COALESCE(JSON_VALUE(Priv, '$.plugin'), '') FROM mysql.global_priv WHERE COALESCE(JSON_VALUE(Priv, '$.is_role'), 0) = 0 ORDER BY 1");
    if (r == 0)
        r = server_rows(fresh, note_pair, list(s, "no_login"), e,
            "SELECT CONCAT(User, '@', Host), JSON_VALUE(Priv, '$.plugin') FROM mysql.global_priv WHERE COALESCE(JSON_VALUE(Priv, '$.plugin'), '') <> '' AND JSON_VALUE(Priv, '$.plugin') NOT IN (SELECT PLUGIN_NAME FROM information_schema.PLUGINS WHERE PLUGIN_TYPE='AUTHENTICATION' AND PLUGIN_STATUS='ACTIVE') ORDER BY 1");
    if (r == 0)
        r = server_rows(fresh, note_pair, list(s, "collations"), e,
            "SELECT DISTINCT TABLE_COLLATION, IF(TABLE_COLLATION IN (SELECT FULL_COLLATION_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY), 'known', 'unknown') FROM information_schema.TABLES WHERE TABLE_TYPE <> 'VIEW' AND TABLE_COLLATION IS NOT NULL AND TABLE_SCHEMA NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema') ORDER BY 1");
    return r;
}

static void add_failure(json_t *list, json_t *what, json_t *why)
{
    phrase_put(what, "value", why);
    (void)json_array_append_new(list, what);
}

static void find_views(struct state *s, struct server *fresh)
{
    json_t *views = json_array(), *v;
    size_t i;
    if (server_rows(fresh, note_pair, views, NULL,
            "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA <> 'sys' ORDER BY 1, 2") <
        0)
        run_note("the views of the copy cannot be listed");
    json_array_foreach (views, i, v) {
        struct err why = {0};
        const char *schema = json_get_text(v, "name"), *name = json_get_text(v, "value");
        _cleanup_free_ char *a = sql_name_quoted(schema), *b = sql_name_quoted(name);
        if (server_exec(fresh, &why, "SHOW CREATE VIEW %s.%s", a, b) < 0)
            add_failure(list(s, "views"), json_pack("{s:o}", "name", json_text(name)),
                error_phrase_json(&why));
    }
    json_decref(views);
}

/* --- the practice's own questions --- */

static bool only_reads(const struct sql_statement *q)
{
    static const char *const words[] = {"SELECT", "WITH", "SHOW", "EXPLAIN"};
    for (size_t i = 0; q->n_tokens && i < sizeof words / sizeof words[0]; i++)
        if (sql_token_is(q, 0, words[i]))
            return true;
    return false;
}

static void replay_one(
    struct state *s, struct server *fresh, const struct sql_statement *q, json_t *counts)
{
    struct err said = {0};
    struct server_reply reply;
    const char *key = only_reads(q) ? "ran" : "skipped";
    (void)json_object_set_new(counts, key, json_integer(json_get_int(counts, key) + 1));
    if (strcmp(key, "ran") != 0)
        return;
    unsigned number = server_send(fresh, q->text, q->len, &reply);
    if (number == 0 || number == SERVER_EMPTY_QUERY)
        return;
    if (json_array_size(list(s, "queries_failed")) < FAILURES_MAX)
        add_failure(list(s, "queries_failed"), json_pack("{s:I}", "line", (json_int_t)q->line),
            phrase("%s", said_of_theirs(number, reply.state, &said)));
}

static int replay(struct state *s, struct server *fresh, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    size_t n = 0;
    struct sql_statement q;
    if (!s->what->queries)
        return 0;
    int r = file_read(s->what->queries, QUERIES_MAX, &text, &n, e);
    _cleanup_free_ char *name = sql_name_quoted(
        config_str(s->run->s.config, "database", NULL, "name"));
    if (r == 0)
        r = server_limit(fresh, QUERY_S, e);
    if (r == 0)
        r = server_exec(fresh, e, "USE %s", name);
    if (r < 0)
        return r;
    json_t *counts = json_pack("{s:i, s:i}", "ran", 0, "skipped", 0);
    struct sql_lexer *l = sql_lexer_new(true, STATEMENT_MAX);
    sql_lexer_feed(l, text, n);
    sql_lexer_end(l);
    int more;
    while ((more = sql_lexer_next(l, &q)) > 0)
        replay_one(s, fresh, &q, counts);
    if (more < 0)
        r = err_set(e, EINVAL, "%s, line %llu: %s", s->what->queries,
            (unsigned long long)sql_lexer_line(l), sql_refusal_words(sql_lexer_refused(l)));
    sql_lexer_free(l);
    (void)json_object_set_new(s->page, "queries", counts);
    return r;
}

/* --- the whole --- */

static int begun(void *ctx, struct throwaway *t, struct err *e)
{
    struct state *s = ctx;
    struct server *live = NULL, *fresh = throwaway_server(t);
    struct err why = {0};
    (void)e;
    (void)json_object_set_new(s->page, "to", json_text(server_version(fresh)));
    if (server_connect(&s->run->s.target, "elexgate-job", &live, &why) < 0)
        run_tell_of(&why, "the live server cannot be asked for its settings");
    else {
        find_removed(s, fresh, live);
        find_changed(s, fresh, live);
    }
    server_close(live);
    return 0;
}

static int checked(void *ctx, struct throwaway *t, struct err *e)
{
    struct state *s = ctx;
    int r = find_in_copy(s, throwaway_server(t), e);
    if (r == 0)
        find_views(s, throwaway_server(t));
    return r == 0 ? replay(s, throwaway_server(t), e) : r;
}

static bool unknown_collation(const struct state *s)
{
    size_t i;
    const json_t *o;
    json_array_foreach (json_object_get(s->page, "collations"), i, o)
        if (strcmp(json_get_text(o, "value"), "unknown") == 0)
            return true;
    return false;
}

/* Each of these keeps the server from starting, somebody from working, or a table from being read.
 */
static void judge(struct state *s, int code, struct err *e)
{
    static const char *const keys[] = {"removed", "no_login", "views", "queries_failed"};
    static const char *const words[] = {
        N_("settings of the present configuration that the newer server does not know"),
        N_("accounts that cannot log in there"), N_("views that do not work there"),
        N_("statements that fail there")};
    s->unsafe = code != 0;
    if (code != 0)
        error_phrase_put_as(s->page, "problem", e);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        size_t n = json_array_size(json_object_get(s->page, keys[i]));
        if (n > 0 && !s->unsafe)
            err_set(e, EINVAL, "not safe to upgrade: %zu %s", n, words[i]);
        s->unsafe |= n > 0;
    }
    if (unknown_collation(s) && !s->unsafe)
        err_set(e, EINVAL, "not safe to upgrade: a collation is not known there");
    s->unsafe |= unknown_collation(s);
}

int rehearse(struct run *run, const struct store_item *it, const struct rehearsal *what,
    const char *datadir, const char *scratch, struct err *e)
{
    uint64_t start = clock_mono_ms();
    char made[CLOCK_ISO_LEN];
    struct state s = {.run = run, .what = what};
    _cleanup_free_ char *archive = store_path(run->s.folder, it, ARCHIVE_NAME_ARCHIVE);
    _cleanup_free_ char *manifest = store_path(run->s.folder, it, ARCHIVE_NAME_MANIFEST);
    struct copy_check c = {.run = run,
        .item = it,
        .archive = archive,
        .manifest = manifest,
        .datadir = datadir,
        .scratch = scratch,
        .program = what->program ? what->program : "/usr/sbin/mariadbd",
        .root = what->root,
        .rehearsal = true,
        .begun = begun,
        .checked = checked,
        .ctx = &s};
    s.page = json_pack("{s:s, s:s, s:s, s:s?}", "event", "rehearsal", "run", it->run, "made",
        clock_iso(it->manifest.started_ms, made), "from", it->manifest.server.version);
    int code = copy_check_extract(&c, e);
    if (code == 0)
        code = copy_check_boot(&c, e);
    if (code == 0 || code == EXIT_INCONSISTENT) {
        judge(&s, code, e);
        (void)json_object_set_new(s.page, "safe", json_boolean(!s.unsafe));
        (void)json_object_set_new(s.page, "across", json_boolean(c.across));
        (void)json_object_set_new(s.page, "tables", json_integer(c.proof.tables));
        (void)json_object_set_new(s.page, "rows", json_integer(c.proof.rows));
        (void)json_object_set_new(s.page, "checksums", json_integer(c.proof.checksums));
        (void)json_object_set_new(
            s.page, "ms", json_integer((json_int_t)(clock_mono_ms() - start)));
        run_event(json_incref(s.page));
        code = s.unsafe ? EXIT_INCONSISTENT : 0;
    }
    json_decref(s.page);
    return code;
}
