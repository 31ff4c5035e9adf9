#include "backup/job/binlog/prove_live.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "backup/job/binlog/follow.h"
#include "backup/job/method/layout.h"
#include "backup/job/trial/table_sums.h"
#include "backup/server/binlog_client.h"
#include "common/exit_codes.h"
#include "common/json_get.h"

#define LOOK_US 20000

struct place {
    struct binlog_place at;
    char *gtids;
};

/* 0, EXIT_REFUSED: it writes no log. */
static int ask_place(struct server *s, struct place *out, struct err *e)
{
    int code = server_binlog_place(s, &out->at, &out->gtids, e);
    if (code != 1)
        return code;
    return err_outcome(e, EXIT_REFUSED, ENODATA, "the server writes no binary log (log_bin)");
}

/* "Waiting for table metadata lock", "Waiting for table level lock": for what we read. */
static int somebody_waits(struct server *s, struct err *e)
{
    uint64_t n = 0;
    int r = server_u64(s, &n, e,
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table%%'");
    if (r < 0 || n == 0)
        return r;
    return err_outcome(e, EXIT_NOT_IDLE, EBUSY, "somebody waits for a table that is being read");
}

static int read_sums(struct run *r, struct server *s, struct manifest *m, struct err *e)
{
    struct table_sums *sums = NULL;
    size_t done = 0, total = 0;
    _cleanup_json_ json_t *broken = json_object();
    int code = table_sums_open(
        &r->s.target, "elexgate-job", &(struct table_sums_options){0}, &sums, e);
    if (code == 0)
        code = table_sums_start(sums, e);
    while (code == 0 && !table_sums_done(sums, &done, &total)) {
        code = run_stopped() ? run_pack_result(PACK_STOPPED, e) : somebody_waits(s, e);
        run_progress(r, 0, 0, done, NULL);
        usleep(LOOK_US);
    }
    if (code == 0)
        code = table_sums_take(sums, m, broken, e);
    table_sums_close(sums);
    return code;
}

static int describe(
    struct run *r, struct server *s, const struct place *at, struct manifest *m, struct err *e)
{
    struct layout l = {0};
    json_t *missing = NULL;
    int code = layout_read(s, config_str(r->s.config, "backup", NULL, "datadir"), &l, e);
    if (code != 0)
        return code == 1 ? EXIT_REFUSED : code;
    code = layout_tables(s, &l, e);
    if (code == 0 || code == -ENOLINK) /* told by each backup */
        code = layout_missing(s, &l, &missing, e);
    run_manifest(r, m, MANIFEST_PHYSICAL);
    m->has_server = true;
    m->server.version = xstrdup(l.version);
    m->server.page_size = l.page_size;
    m->server.lower_case_table_names = l.lower_case_table_names;
    m->server.state = xstrdup("clean");
    memcpy(m->server.binlog.file, at->at.file, sizeof m->server.binlog.file);
    m->server.binlog.position = at->at.position;
    m->server.binlog.gtids = xstrdup(at->gtids);
    m->info = json_pack("{s:O, s:o*}", "server_settings", l.settings, "missing", missing);
    layout_clear(&l);
    if (code < 0)
        return code;
    return binlog_client_created(&r->s.target,
        (uint32_t)config_int(r->s.config, "binlog", NULL, "server_id") - 1, m->server.binlog.file,
        &m->server.binlog.created, e);
}

int prove_live_read(struct run *r, struct manifest *out, struct err *e)
{
    struct server *s = NULL;
    struct place before = {.gtids = NULL}, after = {.gtids = NULL};
    run_phase(r, r->s.physical_type, "checksums", 0);
    int code = server_connect(&r->s.target, "elexgate-job", &s, e);
    if (code == 0 && binlog_restore_pending(r))
        code = err_outcome(
            e, EXIT_NOT_IDLE, EBUSY, "the stream has not taken note of the last restore yet");
    if (code == 0)
        code = ask_place(s, &before, e);
    if (code == 0)
        code = describe(r, s, &before, out, e);
    if (code == 0)
        code = read_sums(r, s, out, e);
    if (code == 0)
        code = ask_place(s, &after, e);
    if (code == 0 &&
        (strcmp(before.at.file, after.at.file) != 0 || before.at.position != after.at.position))
        code = err_outcome(e, EXIT_NOT_IDLE, EBUSY, "somebody wrote while the tables were read");
    server_close(s);
    free(before.gtids);
    free(after.gtids);
    return code;
}
