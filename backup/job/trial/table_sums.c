#include "backup/job/trial/table_sums.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "backup/job/trial/broken_tables.h"
#include "common/error_phrase.h"
#include "common/sql_name.h"

struct table {
    char *schema, *name, *engine, *checksum;
    json_t *why; /* it could not be read: a phrase */
    bool gone;   /* dropped since it was listed */
    char *clock; /* SQL: when its newest record was written, in ms; NULL = it does not tell */
    int64_t rows, newest_ms;
    bool transactional, versioned;
};

struct table_sums {
    struct server_target target;
    const char *program;
    struct table_sums_options o;
    struct server *server;
    struct table *tables;
    size_t count, locked_count; /* those that need the lock come first */
    atomic_size_t read;
    atomic_bool stop, done;
    bool started;
    pthread_t thread;
    struct err error;
};

static int add_table(void *ctx, const struct server_row *row, struct err *e)
{
    (void)e;
    struct table_sums *ts = ctx;
    ts->tables = xrealloc(ts->tables, (ts->count + 1) * sizeof *ts->tables);
    struct table *t = &ts->tables[ts->count++];
    *t = (struct table){.schema = xstrdup(row->text[0]),
        .name = xstrdup(row->text[1]),
        .engine = xstrdup(row->text[2]),
        .transactional = row->text[3] && strcmp(row->text[3], "1") == 0,
        .versioned = row->text[4] && strcmp(row->text[4], "1") == 0,
        .rows = -1};
    if (!t->transactional)
        ts->locked_count = ts->count;
    return 0;
}

/* Elexis writes the time of each change into lastupdate; other programs let the server do so. What
 * lies in the future is a wrong clock's. */
static int add_clock(void *ctx, const struct server_row *row, struct err *e)
{
    (void)e;
    struct table_sums *ts = ctx;
    _cleanup_free_ char *column = sql_name_quoted(row->text[3]);
    for (size_t i = 0; i < ts->count; i++) {
        struct table *t = &ts->tables[i];
        if (t->clock || strcmp(t->schema, row->text[0]) != 0 || strcmp(t->name, row->text[1]) != 0)
            continue;
        t->clock = strcmp(row->text[2], "bigint") == 0
                       ? xasprintf("MAX(IF(%s<=UNIX_TIMESTAMP()*1000,%s,NULL))", column, column)
                       : xasprintf("ROUND(MAX(IF(%s<=NOW(6),UNIX_TIMESTAMP(%s),NULL))*1000)",
                             column, column);
        break;
    }
    return 0;
}

static int list_clocks(struct table_sums *ts, struct err *e)
{
    _cleanup_free_ char *schema = ts->o.schema ? server_quote_text(ts->server, ts->o.schema) : NULL;
    return server_rows(ts->server, add_clock, ts, e,
        "SELECT TABLE_SCHEMA, TABLE_NAME, DATA_TYPE, COLUMN_NAME FROM information_schema.COLUMNS WHERE (LOWER(COLUMN_NAME)='lastupdate' AND DATA_TYPE='bigint' OR DATA_TYPE IN ('timestamp','datetime') AND (COLUMN_DEFAULT LIKE 'current_timestamp%%' OR EXTRA LIKE 'on update current_timestamp%%')) AND TABLE_SCHEMA NOT IN ('information_schema','performance_schema','sys','mysql') %s%s ORDER BY DATA_TYPE='bigint' DESC, EXTRA LIKE 'on update%%' DESC, ORDINAL_POSITION",
        schema ? "AND TABLE_SCHEMA=" : "", schema ? schema : "");
}

/* MEMORY tables are empty after every start; the logs grow by being looked at; the GTID position
 * follows the binary log, which a drill's server does not have. A precise history (columns of
 * transaction numbers) does not go into a dump. */
static int list_all_tables(struct table_sums *ts, struct err *e)
{
    _cleanup_free_ char *schema = ts->o.schema ? server_quote_text(ts->server, ts->o.schema) : NULL;
    return server_rows(ts->server, add_table, ts, e,
        "SELECT t.TABLE_SCHEMA, t.TABLE_NAME, COALESCE(t.ENGINE,''), t.ENGINE='InnoDB', t.TABLE_TYPE='SYSTEM VERSIONED' AND NOT EXISTS (SELECT 1 FROM information_schema.COLUMNS c WHERE c.TABLE_SCHEMA=t.TABLE_SCHEMA AND c.TABLE_NAME=t.TABLE_NAME AND c.GENERATION_EXPRESSION='ROW START' AND c.DATA_TYPE='bigint') FROM information_schema.TABLES t "
        "WHERE t.TABLE_TYPE IN ('BASE TABLE','SEQUENCE','SYSTEM VERSIONED') AND (COALESCE(t.ENGINE,'')<>'MEMORY' OR %d) AND t.TABLE_SCHEMA NOT IN ('information_schema','performance_schema','sys') AND NOT (t.TABLE_SCHEMA='mysql' AND t.TABLE_NAME IN ('general_log','slow_log','gtid_slave_pos','innodb_table_stats','innodb_index_stats')) %s%s ORDER BY t.ENGINE='InnoDB', 1, 2",
        ts->o.all || ts->o.rows_only, schema ? "AND t.TABLE_SCHEMA=" : "", schema ? schema : "");
}

static int list_tables(struct table_sums *ts, struct err *e)
{
    int r = list_all_tables(ts, e);
    return r == 0 ? list_clocks(ts, e) : r;
}

static int touch_table(struct server *s, const struct table *t, struct err *e)
{
    _cleanup_free_ char *table = server_base_table(t->schema, t->name, false);
    return server_exec(s, e, "SELECT 1 FROM %s LIMIT 1", table);
}

static int take_counts(void *ctx, const struct server_row *row, struct err *e)
{
    (void)e;
    struct table *t = ctx;
    t->rows = row->text[0] ? strtoll(row->text[0], NULL, 10) : -1;
    t->newest_ms = row->n > 1 && row->text[1] ? strtoll(row->text[1], NULL, 10) : 0;
    return 0;
}

static int read_table(
    struct server *s, const struct table_sums_options *o, struct table *t, struct err *e)
{
    if (o->rows_only && !o->all && !t->transactional)
        return 0; /* no snapshot covers it */
    _cleanup_free_ char *schema = sql_name_quoted(t->schema);
    _cleanup_free_ char *name = sql_name_quoted(t->name);
    _cleanup_free_ char *table = server_base_table(t->schema, t->name, o->history && t->versioned);
    int r = server_rows(s, take_counts, t, e, "SELECT COUNT(*)%s%s FROM %s", t->clock ? "," : "",
        t->clock ? t->clock : "", table);
    if (r == 0 && !o->rows_only) /* it opens a view, and reads nothing */
        r = server_second(s, &t->checksum, e, "CHECKSUM TABLE %s.%s EXTENDED", schema, name);
    if (r != 0) {
        t->rows = -1;
        t->why = phrase("%s", server_error(s));
        t->gone = broken_tables_dropped(s, t->schema, t->name);
    }
    return r;
}

static void free_tables(struct table_sums *ts)
{
    for (size_t i = 0; i < ts->count; i++) {
        free(ts->tables[i].schema);
        free(ts->tables[i].name);
        free(ts->tables[i].engine);
        free(ts->tables[i].checksum);
        json_decref(ts->tables[i].why);
        free(ts->tables[i].clock);
    }
    free(ts->tables);
}

int table_sums_open(const struct server_target *t, const char *program,
    const struct table_sums_options *o, struct table_sums **out, struct err *e)
{
    struct table_sums *ts = xcalloc(1, sizeof *ts);
    ts->o = *o;
    ts->target = *t;
    ts->program = program;
    int r = server_connect(t, program, &ts->server, e);
    if (r == 0)
        r = server_limit(ts->server, 0, e);
    if (r == 0)
        r = list_tables(ts, e);
    for (size_t i = 0; r == 0 && i < ts->count; i++) {
        /* dropped since it was listed, or broken: the thread that reads it tells */
        if (touch_table(ts->server, &ts->tables[i], e) == -EPIPE)
            r = -EPIPE;
    }
    if (r < 0) {
        table_sums_close(ts);
        return r;
    }
    *out = ts;
    return 0;
}

static void *thread_main(void *arg)
{
    struct table_sums *ts = arg;
    for (size_t i = 0; i < ts->count && !atomic_load(&ts->stop); i++) {
        if (read_table(ts->server, &ts->o, &ts->tables[i], &ts->error) == -EPIPE)
            break;
        atomic_store(&ts->read, i + 1);
    }
    /* The snapshot would hold back the purge. */
    int r = server_exec(ts->server, NULL, "COMMIT");
    (void)r;
    atomic_store(&ts->done, true);
    return NULL;
}

int table_sums_start(struct table_sums *ts, struct err *e)
{
    int r = server_exec(ts->server, e, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    if (r == 0)
        r = server_exec(ts->server, e, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY");
    if (r < 0)
        return r;
    int code = pthread_create(&ts->thread, NULL, thread_main, ts);
    if (code)
        return err_sys(e, code, "cannot start the thread that reads the tables");
    ts->started = true;
    return 0;
}

bool table_sums_locked_part_done(struct table_sums *ts)
{
    return atomic_load(&ts->done) || atomic_load(&ts->read) >= ts->locked_count;
}

bool table_sums_done(struct table_sums *ts, size_t *read, size_t *total)
{
    *read = atomic_load(&ts->read);
    *total = ts->count;
    return atomic_load(&ts->done);
}

static void add_to_manifest(struct table_sums *ts, struct manifest *m, json_t *broken)
{
    for (size_t i = 0; i < ts->count; i++) {
        const struct table *t = &ts->tables[i];
        _cleanup_free_ char *both = sql_name_table(t->schema, t->name);
        if (t->gone) {
            if (!json_object_get(m->info, "dropped"))
                (void)json_object_set_new(m->info, "dropped", json_object());
            (void)json_object_set_new(json_object_get(m->info, "dropped"), both, json_true());
            continue;
        }
        manifest_add_table(m, t->schema, t->name, t->engine, t->rows, t->checksum);
        if (t->newest_ms > 0)
            manifest_add_newest(m, t->schema, t->name, t->newest_ms);
        if (t->why)
            (void)json_object_set(broken, both, t->why);
    }
}

int table_sums_take(struct table_sums *ts, struct manifest *m, json_t *broken, struct err *e)
{
    if (ts->started) {
        pthread_join(ts->thread, NULL);
        ts->started = false;
    }
    if (atomic_load(&ts->read) < ts->count)
        return err_prefix(e, err_copy(e, EIO, &ts->error), "the tables could not be counted");
    add_to_manifest(ts, m, broken);
    return 0;
}

void table_sums_close(struct table_sums *ts)
{
    if (!ts)
        return;
    if (ts->started) {
        atomic_store(&ts->stop, true);
        struct server *other = NULL;
        if (!atomic_load(&ts->done) &&
            server_connect(&ts->target, ts->program, &other, NULL) == 0) {
            int r = server_exec(other, NULL, "KILL QUERY %" PRIu64, server_thread_id(ts->server));
            (void)r; /* it has ended by itself */
            server_close(other);
        }
        pthread_join(ts->thread, NULL);
    }
    server_close(ts->server);
    free_tables(ts);
    free(ts);
}

int table_sums_read(struct server *s, const struct table_sums_options *o, struct manifest *m,
    json_t *broken, bool (*go_on)(void *ctx), void *ctx, struct err *e)
{
    struct table_sums ts = {.server = s, .o = *o};
    int r = server_limit(s, 0, e);
    if (r == 0)
        r = list_tables(&ts, e);
    for (size_t i = 0; r == 0 && i < ts.count; i++)
        if (go_on && !go_on(ctx))
            r = 1;
        else if (read_table(s, o, &ts.tables[i], e) == -EPIPE)
            r = -EPIPE; /* all else is told table by table */
    if (r == 0)
        add_to_manifest(&ts, m, broken);
    free_tables(&ts);
    return r;
}
