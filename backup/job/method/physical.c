/*
 * The physical method: the data directory, copied while the fence stands.
 */
#include "backup/job/run.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "backup/archive/elsewhere.h"
#include "backup/job/trial/broken_tables.h"
#include "backup/job/trial/drill.h"
#include "backup/server/binlog_client.h"
#include "backup/server/fence.h"
#include "backup/job/method/layout.h"
#include "backup/job/method/layout_logs.h"
#include "backup/job/method/layout_memory.h"
#include "backup/job/trial/table_sums.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/json_get.h"
#include "link/control.h"
#include "common/lang.h"
#include "common/phrase.h"

/* A pause before the next attempt of a run that a person asked for. */
#define AGAIN_PAUSE_MS 2000
#define PROXY_MS       3000

/* Who may make tables must not be able to end all backups with one. */
#define MISSING N_("these tables are not in the backup, or not whole; all others are: %s")

struct physical {
    struct run *run;
    struct layout layout;
    struct fence *fence;
    struct table_sums *sums;
    json_t *broken;  /* tables that could not be read, of the present attempt */
    json_t *missing; /* and those that are not copied; NULL = none */
    uint64_t size;   /* of the data directory */
    /* of the present attempt */
    struct fence_marks marks;
    struct pack *pack;
    enum fence_verdict verdict;
    struct err moved;
};

static enum pack_select choose(void *ctx, const char *path, const struct stat *st)
{
    const struct physical *p = ctx;
    if (layout_skips(&p->layout, path) || layout_lacks(&p->layout, path, st))
        return PACK_SKIP;
    if (elsewhere_is(path, st))
        return PACK_ELSEWHERE;
    if (layout_logs_is_table(path))
        return PACK_GROWS;
    /* Aria's control file before its logs, InnoDB's log after everything else. */
    if (strcmp(path, "aria_log_control") == 0)
        return PACK_FIRST;
    if (strcmp(path, "ib_logfile0") == 0)
        return PACK_LAST;
    return PACK_TAKE;
}

static bool lost(void *ctx)
{
    return fence_lost(ctx);
}

static int pause_run(unsigned ms)
{
    for (uint64_t end = clock_mono_ms() + ms; clock_mono_ms() < end;) {
        if (run_stopped())
            return EXIT_CANCELLED;
        usleep(20000);
    }
    return 0;
}

/* Copies while the fence stands. 0, PACK_CHANGED, PACK_STOPPED (signal or fence lost), negative. */
static int copy(struct physical *p, struct err *e)
{
    struct run *r = p->run;
    struct pack_options o = run_pack_options(r, r->s.physical_type, true);
    run_phase(r, r->s.physical_type, "copy", p->size);
    run_be_modest(r);
    int code = pack_open(&o, &p->pack, e);
    if (code == 0)
        code = pack_tree(p->pack, p->layout.datadir, "", choose, p, e);
    while (code == 0 && p->sums && !table_sums_locked_part_done(p->sums)) {
        if (!run_go_on(r))
            code = PACK_STOPPED;
        usleep(5000);
    }
    return code == 0 ? pack_recheck(p->pack, e) : code;
}

static int wait_for_sums(struct physical *p, struct manifest *m, struct err *e)
{
    if (!p->sums)
        return 0;
    size_t done = 0, total = 0;
    run_phase(p->run, p->run->s.physical_type, "checksums", 0);
    while (!table_sums_done(p->sums, &done, &total)) {
        if (run_stopped())
            return run_pack_result(PACK_STOPPED, e);
        usleep(20000);
    }
    int r = table_sums_take(p->sums, m, p->broken, e);
    if (r < 0) { /* the archive is as good without; the drill then has less to compare */
        run_tell(e);
        r = 0;
    }
    return r;
}

/* A table that nobody can read is in the copy as it is, broken: said at once and on the archive,
 * not by the drill in a week. */
static int judge_tables(struct physical *p, struct err *e)
{
    struct run *r = p->run;
    struct store_status status = {0};
    const char *type = r->s.physical_type;
    if (json_object_size(p->broken) == 0)
        return 0;
    _cleanup_free_ char *words = broken_tables_words(p->broken);
    run_note("tables that cannot be read, and are in the backup as they are: %s", words);
    _cleanup_json_ json_t *ours = broken_tables_ours(
        p->broken, config_str(r->s.config, "database", NULL, "name"));
    if (json_object_size(ours) == 0)
        return 0;
    _cleanup_free_ char *these = broken_tables_words(ours);
    (void)err_set(&r->doubt, EIO,
        N_("the backup was made and is kept, but these tables of the server cannot be read: %s; see `elexgate doctor`"),
        these);
    const struct ledger_entry *made = ledger_find(&r->trust.ledger, type, r->suffix, NULL, NULL);
    CHECK(made);
    status.proven_ms = clock_wall_ms();
    status.proven_good = false;
    status.proven_words = r->doubt;
    return store_status_write(r->s.folder, type, r->suffix, made->digest, &r->trust, &status, e);
}

/* When the log's file was begun cannot be asked under the lock, which is short. */
static void note_binlog(struct physical *p, struct manifest *m)
{
    struct err why = {0};
    const struct fence_marks *marks = &p->marks;
    const struct backup_settings *s = &p->run->s;
    if (marks->binlog_words.code)
        manifest_add_note(
            m, "where the binary log stood is not known: %s", err_words(&marks->binlog_words));
    if (!marks->binlog.file[0])
        return;
    memcpy(m->server.binlog.file, marks->binlog.file, sizeof m->server.binlog.file);
    m->server.binlog.position = marks->binlog.position;
    m->server.binlog.gtids = xstrdup(marks->gtids);
    if (config_bool(s->config, "binlog", NULL, "archive") &&
        binlog_client_created(&s->target,
            (uint32_t)config_int(s->config, "binlog", NULL, "server_id") - 1, marks->binlog.file,
            &m->server.binlog.created, &why) < 0)
        manifest_add_note(m, "when the binary log was begun is not known: %s", err_words(&why));
}

/* Which tables are not in the copy, while the lock stands. */
static int find_missing(struct physical *p, struct err *e)
{
    _cleanup_server_ struct server *s = NULL;
    json_keep(&p->missing, NULL);
    if (json_object_size(p->layout.missing) == 0)
        return 0;
    int code = server_connect(&p->run->s.target, "elexgate-job", &s, e);
    if (code == 0)
        code = layout_missing(s, &p->layout, &p->missing, e);
    return code;
}

/* And why, for the manifest and whoever restores it. */
static void note_missing(struct physical *p, struct manifest *m)
{
    if (p->missing == NULL)
        return;
    _cleanup_free_ char *words = broken_tables_words(p->layout.missing);
    manifest_add_note(m, MISSING, words);
    (void)json_object_set(m->info, "missing", p->missing);
    run_warn("table", phrase(MISSING, words));
}

static int fill_manifest(struct physical *p, struct manifest *m, struct err *e)
{
    run_manifest(p->run, m, MANIFEST_PHYSICAL);
    m->has_server = true;
    m->server.version = xstrdup(p->layout.version);
    m->server.page_size = p->layout.page_size;
    m->server.lower_case_table_names = p->layout.lower_case_table_names;
    m->server.lsn = p->marks.lsn;
    m->server.state = xstrdup(fence_verdict_name(p->verdict));
    note_binlog(p, m);
    if (p->moved.code)
        manifest_add_note(m, "%s", err_words(&p->moved));
    m->info = json_pack("{sisisisssO}", "lock_ms", (int)p->marks.lock_ms, "flush_ms",
        (int)p->marks.flush_ms, "hold_ms", (int)p->marks.hold_ms, "fence_at", p->marks.taken_at,
        "server_settings", p->layout.settings);
    CHECK(m->info);
    int code = wait_for_sums(p, m, e);
    note_missing(p, m);
    if (code == 0 && json_object_size(p->broken) > 0) {
        _cleanup_free_ char *words = broken_tables_words(p->broken);
        manifest_add_note(m, "not readable when this was made: %s", words);
    }
    return code;
}

/* The log moved, but no page was written: right after crash recovery in every trial, so it counts
 * only once it has been restored. */
static int prove(struct physical *p, struct err *e)
{
    run_tell_of(&p->moved, "the archive counts only if it can be restored");
    struct store_list found;
    int r = run_find(p->run, p->run->suffix, p->run->s.physical_type, false, &found, e);
    if (r == 0)
        r = found.count == 1 ? drill_item(p->run, &found.items[0], e) : EXIT_INCONSISTENT;
    store_list_clear(&found);
    if (r != 0) {
        int removed = store_remove(
            p->run->s.folder, p->run->s.physical_type, p->run->suffix, &p->run->trust, NULL);
        (void)removed;
        json_array_clear(p->run->archives);
    }
    return r;
}

/* One attempt. 0: published. EXIT_NOT_IDLE, EXIT_INCONSISTENT: may be tried again. */
static int attempt(struct physical *p, bool last, struct err *e)
{
    struct run *r = p->run;
    run_phase(r, r->s.physical_type, "hold", 0);
    int code = fence_take(p->fence, &p->marks, e);
    if (code != 0)
        return code > 0 ? EXIT_NOT_IDLE : code;
    r->also_stop = lost;
    r->also_ctx = p->fence;
    code = layout_check_log(&p->layout, p->marks.checkpoint_lsn, e);
    code = code == 1 ? EXIT_REFUSED : code;
    if (code == 0 && p->sums)
        code = table_sums_start(p->sums, e);
    if (code == 0)
        code = copy(p, e);
    if (code == 0)
        code = find_missing(p, e);
    p->moved = (struct err){0};
    p->verdict = fence_check(p->fence, code == PACK_CHANGED, &p->moved);
    bool yielded = fence_lost(p->fence);
    fence_release(p->fence);
    r->also_stop = NULL;
    if (yielded) {
        (void)err_prefix(e, err_copy(e, EBUSY, &p->moved), "the backup made way");
        return EXIT_NOT_IDLE;
    }
    if (code != 0)
        return run_pack_result(code, e);
    if (p->verdict == FENCE_REJECT || (p->verdict == FENCE_RECOVERABLE && !last)) {
        (void)err_prefix(e, err_copy(e, EIO, &p->moved), "the copy was discarded");
        return EXIT_INCONSISTENT;
    }
    struct manifest m;
    code = fill_manifest(p, &m, e);
    if (code == 0)
        code = run_publish(r, p->pack, &m, m.server.state, e);
    manifest_clear(&m);
    if (code == 0 && p->verdict == FENCE_RECOVERABLE)
        code = prove(p, e);
    return code == 0 ? judge_tables(p, e) : code;
}

static int find_broken(struct physical *p, struct err *e)
{
    _cleanup_server_ struct server *s = NULL;
    _cleanup_json_ json_t *broken = NULL;
    int code = server_connect(&p->run->s.target, "elexgate-job", &s, e);
    if (code == 0)
        code = broken_tables_find(s, &broken, e);
    json_object_update(p->broken, broken);
    return code;
}

static int open_sums(struct physical *p, struct err *e)
{
    if (!config_bool(p->run->s.config, "backup", NULL, "checksums")) /* they are opened at least */
        return find_broken(p, e);
    return table_sums_open(
        &p->run->s.target, "elexgate-job", &(struct table_sums_options){0}, &p->sums, e);
}

static int attempts(struct physical *p, struct err *e)
{
    struct run *r = p->run;
    int64_t max = config_int(r->s.config, "backup", NULL, "attempts");
    int code = 0;
    for (int64_t n = 1; n <= max; n++) {
        if ((code = open_sums(p, e)) == 0 &&
            (code = pause_run(n == 1 ? fence_settling(p->fence) : 0)) == 0)
            code = attempt(p, n == max, e);
        pack_drop(p->pack);
        p->pack = NULL;
        table_sums_close(p->sums);
        p->sums = NULL;
        json_object_clear(p->broken);
        bool again = code == EXIT_INCONSISTENT || (code == EXIT_NOT_IDLE && r->now);
        if (!again || n == max)
            break;
        run_again(r->s.physical_type, n + 1, e);
        if ((code = pause_run(AGAIN_PAUSE_MS)) != 0)
            break;
    }
    if (code == EXIT_CANCELLED)
        run_pack_result(PACK_STOPPED, e);
    return code;
}

static int look_at_layout(struct physical *p, struct err *e)
{
    struct server *s = NULL;
    int r = server_connect(&p->run->s.target, "elexgate-job", &s, e);
    if (r == 0)
        r = layout_read(s, config_str(p->run->s.config, "backup", NULL, "datadir"), &p->layout, e);
    if (r == 0)
        layout_remember(&p->run->s, s, &p->layout);
    if (r == 0)
        r = layout_tables(s, &p->layout, e);
    if (r == -ENOLINK) /* said once the backup is made */
        r = 0;
    server_close(s);
    if (r == 1)
        return EXIT_REFUSED;
    return r < 0 ? r : layout_size(p->layout.datadir, &p->size, e);
}

/* A proxy that does not answer: not known to be idle, and the run does not begin. A person who says
 * "now" means now; who bypasses the proxy is seen by the server's own sign, and so is everybody. */
static int check_proxy(struct run *r, struct fence_options *o, struct err *e)
{
    struct control *c = NULL;
    if (!o->proxy_socket || control_connect(o->proxy_socket, PROXY_MS, &c, e) == 0) {
        control_close(c);
        return 0;
    }
    if (!r->now) {
        err_prefix(e, -EBUSY, "not known to be idle");
        return EXIT_NOT_IDLE;
    }
    run_note("the proxy does not answer; nobody is held, writers are seen by the server alone");
    o->proxy_socket = NULL;
    return 0;
}

int physical_backup(struct run *r, struct err *e)
{
    struct physical p = {.run = r, .broken = json_object()};
    const struct config *c = r->s.config;
    struct fence_options o = {
        .target = r->s.target,
        .program = "elexgate-job",
        .journal = r->s.journal,
        .proxy_socket = r->s.proxy_socket,
        .yield = r->yield,
        .settle_ms = (unsigned)config_int(c, "backup", NULL, "settle"),
        .hold_ms = (unsigned)config_int(c, "backup", NULL, "hold"),
    };
    run_phase(r, r->s.physical_type, "settle", 0);
    int code = check_proxy(r, &o, e);
    if (code == 0)
        code = look_at_layout(&p, e);
    if (code == 0)
        code = fence_open(&o, &p.fence, e);
    if (code == 0)
        code = attempts(&p, e);
    struct err put_back = {0};
    if (fence_close(p.fence, &put_back) < 0) {
        run_tell(&put_back);
        if (code == 0) {
            *e = put_back;
            code = EXIT_FAILED;
        }
    }
    layout_clear(&p.layout);
    json_decref(p.broken);
    json_decref(p.missing);
    return code;
}
