#include "backup/job/method/dump_rows.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>
#include "backup/job/trial/table_sums.h"
#include "backup/server/dialect.h"
#include "common/clock.h"
#include "common/json_get.h"

#define LOCK_S   5    /* a statement that holds up the block for longer: counting is given up */
#define BEGIN_MS 5000 /* the same for a dump program that does not begin */
#define POLL_US  10000

struct dump_rows {
    struct server *gate; /* keeps commits waiting; NULL once they may go on */
    struct table_sums *sums;
};

int dump_rows_begin(const struct server_target *t, const char *database, bool history,
    struct dump_rows **out, struct err *e)
{
    struct dump_rows *d = xcalloc(1, sizeof *d);
    struct table_sums_options o = {.schema = database, .rows_only = true, .history = history};
    int r = table_sums_open(t, "elexgate-job", &o, &d->sums, e);
    if (r == 0)
        r = server_connect(t, "elexgate-job", &d->gate, e);
    if (r == 0)
        r = dialect_hold_commits(d->gate, LOCK_S, e);
    if (r == 0)
        r = table_sums_start(d->sums, e);
    if (r < 0) {
        dump_rows_close(d);
        return r;
    }
    *out = d;
    return 0;
}

/* The dump program logs in as we do, after us, and opens a transaction. */
static bool has_snapshot(struct dump_rows *d)
{
    uint64_t n = 0;
    int r = server_u64(d->gate, &n, NULL,
        "SELECT COUNT(*) FROM information_schema.INNODB_TRX JOIN information_schema.PROCESSLIST p ON p.ID=trx_mysql_thread_id WHERE p.ID>%" PRIu64
        " AND p.USER=SUBSTRING_INDEX(USER(),'@',1)",
        server_thread_id(d->gate));
    return r == 0 && n > 0;
}

int dump_rows_go(struct dump_rows *d, bool (*begun)(void *ctx), void *ctx, struct err *e)
{
    if (!d)
        return 0;
    uint64_t end = clock_mono_ms() + BEGIN_MS;
    bool good = false;
    while (!(good = begun(ctx) || has_snapshot(d)) && clock_mono_ms() < end)
        usleep(POLL_US);
    server_close(d->gate); /* its end is the end of the wait */
    d->gate = NULL;
    if (good)
        return 0;
    return err_set(
        e, ETIMEDOUT, "the dump program opened no transaction within %d s", BEGIN_MS / 1000);
}

static void drop_tables(struct manifest *m)
{
    for (size_t i = 0; i < m->table_count; i++) {
        free(m->tables[i].schema);
        free(m->tables[i].name);
        free(m->tables[i].engine);
        free(m->tables[i].checksum);
    }
    m->table_count = 0;
}

int dump_rows_take(
    struct dump_rows *d, struct manifest *m, bool (*go_on)(void *ctx), void *ctx, struct err *e)
{
    size_t done = 0, total = 0;
    _cleanup_json_ json_t *broken = json_object();
    while (!table_sums_done(d->sums, &done, &total)) {
        if (!go_on(ctx))
            return 1;
        usleep(POLL_US);
    }
    CLEANUP(manifest_clear) struct manifest counted = {0};
    int r = table_sums_take(d->sums, &counted, broken, e);
    if (r == 0) {
        drop_tables(m);
        for (size_t i = 0; i < counted.table_count; i++) {
            const struct manifest_table *t = &counted.tables[i];
            manifest_add_table(m, t->schema, t->name, t->engine, t->rows, NULL);
            int64_t newest = manifest_newest(&counted, t->schema, t->name);
            if (newest > 0)
                manifest_add_newest(m, t->schema, t->name, newest);
        }
    }
    return r;
}

void dump_rows_close(struct dump_rows *d)
{
    if (!d)
        return;
    server_close(d->gate);
    table_sums_close(d->sums);
    free(d);
}
