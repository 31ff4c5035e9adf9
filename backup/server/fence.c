#include "backup/server/fence.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "backup/server/globals.h"
#include "backup/server/proxy_link.h"
#include "backup/server/witness.h"
#include "common/clock.h"
#include "common/lang.h"

/* Statement limits in seconds, while nobody waits for us, and under the lock. */
#define PREPARE_LIMIT 60
#define LOCKED_LIMIT  5
/* How long the proxy holds at most if we die between lock and release. */
#define HOLD_MAX_MS 10000
/* Patience with open transactions before the lock, and the time between two looks: INNODB_TRX is a
 * cache that is filled again only when nobody has read it for 100 ms, so who asks more often gets
 * the same old answer for ever. */
#define BUSY_MS       2000
#define BUSY_PAUSE_US 150000
/* Reading the counters until all is written: usually the first time; without
 * innodb_log_checkpoint_now the page cleaner takes its seconds. */
#define READY_MS       1000
#define READY_OLD_MS   6000
#define READY_PAUSE_US 25000
#define OLD_FLUSH_MS   20000

struct fence {
    struct fence_options o;
    struct server *lock;  /* holds the lock; only it runs FLUSH and UNLOCK */
    struct server *admin; /* puts settings back, whatever happened to the lock */
    struct globals *globals;
    struct witness *witness;
    struct proxy_hold *hold;
    pthread_mutex_t lock_busy; /* the lock connection is running a statement */
    uint64_t settled_at;       /* monotonic ms */
    uint64_t age_limit;
    bool has_checkpoint_now;
    bool behind; /* all pages are written, but an old server would not make its last checkpoint */
    atomic_bool standing; /* between FLUSH TABLES WITH READ LOCK and UNLOCK */
    atomic_bool lost;
    struct err why;
    struct fence_marks marks;
};

const char *fence_verdict_name(enum fence_verdict v)
{
    static const char *const names[] = {"clean", "recoverable", "reject"};
    return names[v];
}

/* In the witness's thread: lets go at once. While the copy runs the lock connection is idle, and
 * UNLOCK TABLES takes well under a millisecond. While the fence is being set up that connection is
 * in the middle of a statement (up to 5 s in the purge wait): then it is killed, which drops the
 * lock. */
static void let_go(void *ctx, struct server *own, const struct err *why)
{
    struct fence *f = ctx;
    f->why = *why;
    atomic_store(&f->lost, true);
    if (pthread_mutex_trylock(&f->lock_busy) == 0) {
        int r = server_exec(f->lock, NULL, "UNLOCK TABLES");
        pthread_mutex_unlock(&f->lock_busy);
        if (r == 0)
            return;
    }
    /* An error here means that the connection, and with it the lock, is gone already. */
    int r = server_exec(own, NULL, "KILL CONNECTION %" PRIu64, server_thread_id(f->lock));
    (void)r;
}

static int connect_lock(struct fence *f, struct err *e)
{
    server_close(f->lock); /* whatever lock it still held is gone with it */
    f->lock = NULL;
    return server_connect(&f->o.target, f->o.program, &f->lock, e);
}

/* What a copy while the server runs stands on: a series that has dropped one of them is told by its
 * name, before anything is held. */
static int check_means(struct fence *f, struct err *e)
{
    static const char *const means[] = {
        "aria_checkpoint_interval", "innodb_max_purge_lag_wait", "innodb_max_dirty_pages_pct"};
    for (size_t i = 0; i < sizeof means / sizeof means[0]; i++) {
        _cleanup_free_ char *value = NULL;
        int r = server_variable(f->admin, means[i], &value, e);
        if (r < 0)
            return r;
        if (!value)
            return err_set(e, ENOTSUP,
                "this server (%s) has no %s, without which its files cannot be held still; use method = dump",
                server_version(f->admin), means[i]);
    }
    return 0;
}

static int look_at_server(struct fence *f, struct err *e)
{
    _cleanup_free_ char *now = NULL, *crypt = NULL;
    int r = check_means(f, e);
    if (r == 0)
        r = server_variable(f->admin, "innodb_log_checkpoint_now", &now, e);
    if (r == 0)
        r = server_variable(f->admin, "innodb_encrypt_log", &crypt, e);
    if (r < 0)
        return r;
    f->has_checkpoint_now = now && !f->o.old_server;
    f->age_limit = crypt && strcmp(crypt, "ON") == 0 ? 24 : 16;
    return 0;
}

int fence_open(const struct fence_options *o, struct fence **out, struct err *e)
{
    struct fence *f = xcalloc(1, sizeof *f);
    f->o = *o;
    pthread_mutex_init(&f->lock_busy, NULL);
    int r = server_connect(&o->target, o->program, &f->admin, e);
    if (r == 0)
        r = connect_lock(f, e);
    if (r == 0)
        r = globals_open(f->admin, o->journal, &f->globals, NULL, e);
    if (r == 0)
        r = look_at_server(f, e);
    /* The statistics thread writes about 9.4 s after a large change, even under the lock; switched
     * off less than that before the lock it still does. */
    _cleanup_free_ char *recalc = NULL;
    if (r == 0)
        r = server_variable(f->admin, "innodb_stats_auto_recalc", &recalc, e);
    if (r == 0 && recalc && strcmp(recalc, "ON") == 0) {
        r = globals_set(f->globals, f->admin, "innodb_stats_auto_recalc", "OFF", e);
        f->settled_at = clock_mono_ms() + o->settle_ms;
    }
    if (r == 0 && o->yield)
        r = witness_start(&o->target, o->program, o->proxy_socket, let_go, f, &f->witness, e);
    if (r < 0) {
        int c = fence_close(f, NULL);
        (void)c; /* the first error is the one to tell */
        return r;
    }
    *out = f;
    return 0;
}

unsigned fence_settling(const struct fence *f)
{
    uint64_t now = clock_mono_ms();
    return f->settled_at > now ? (unsigned)(f->settled_at - now) : 0;
}

static void arm(struct fence *f, enum witness_sign signs)
{
    if (f->witness)
        witness_arm(f->witness, signs, f->lock ? server_thread_id(f->lock) : 0);
}

/* An open transaction that has changed or locked something writes when it ends, even under the
 * lock. One that has only read does not; should it hold back the purge, the history length shows
 * it. */
static int find_transaction(struct fence *f, struct err *e)
{
    _cleanup_free_ char *who = NULL;
    int r = server_text(f->lock, &who, e,
        "SELECT CONCAT('connection ', trx_mysql_thread_id, ' has had a transaction open since ', trx_started, ' UTC') FROM information_schema.INNODB_TRX WHERE trx_rows_modified>0 OR trx_rows_locked>0 OR trx_state<>'RUNNING' LIMIT 1");
    if (r < 0)
        return r;
    if (!who)
        return 0;
    err_set(e, EBUSY, "%s", who);
    return FENCE_BUSY;
}

/* Transactions of a program are short; one that is open for longer than this is left open. */
static int check_transactions(struct fence *f, struct err *e)
{
    uint64_t end = clock_mono_ms() + BUSY_MS;
    int r;
    while ((r = find_transaction(f, e)) == FENCE_BUSY && clock_mono_ms() < end)
        usleep(BUSY_PAUSE_US);
    return r;
}

/* Once more under the lock, where only what came before the lock can be open. */
static int check_transactions_again(struct fence *f, struct err *e)
{
    usleep(BUSY_PAUSE_US);
    return find_transaction(f, e);
}

static int read_marks(struct server *s, struct fence_marks *m, struct err *e)
{
    struct server_counter counters[] = {
        {"Innodb_lsn_current", &m->lsn},
        {"Innodb_lsn_last_checkpoint", &m->checkpoint_lsn},
        {"Innodb_buffer_pool_pages_flushed", &m->pages_flushed},
        {"Innodb_buffer_pool_pages_dirty", &m->pages_dirty},
        {"Innodb_history_list_length", &m->history},
        {"Innodb_checkpoint_age", &m->checkpoint_age},
    };
    return server_counters(s, counters, sizeof counters / sizeof counters[0], e);
}

/* Without innodb_log_checkpoint_now: the page cleaner is told to write all it has, at full speed.
 * It looks once a second, hence the patience. */
static int flush_old_server(struct fence *f, struct err *e)
{
    static const char *const changes[][2] = {{"innodb_io_capacity_max", "40000"},
        {"innodb_io_capacity", "20000"}, {"innodb_max_dirty_pages_pct", "0"}};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        int r = globals_set(f->globals, f->admin, changes[i][0], changes[i][1], e);
        if (r < 0)
            return r;
    }
    uint64_t end = clock_mono_ms() + OLD_FLUSH_MS;
    int r;
    while ((r = read_marks(f->lock, &f->marks, e)) == 0 && f->marks.pages_dirty > 0 &&
           clock_mono_ms() < end)
        usleep(READY_PAUSE_US);
    return r;
}

/* The heavy flush, 0.2 to 1.4 s, happens while nobody has to wait. */
static int flush_before_lock(struct fence *f, struct err *e)
{
    uint64_t start = clock_mono_ms();
    int r = server_limit(f->lock, PREPARE_LIMIT, e);
    if (r == 0 && f->has_checkpoint_now)
        r = server_exec(f->lock, e, "SET GLOBAL innodb_log_checkpoint_now=ON");
    else if (r == 0)
        r = flush_old_server(f, e);
    if (r == 0)
        r = server_limit(f->lock, LOCKED_LIMIT, e);
    f->marks.flush_ms = (unsigned)(clock_mono_ms() - start);
    return r;
}

/* Hangs while an old read view is open, so the statement limit ends it, and that without an error:
 * the history length is read afterwards, in read_marks. */
static int wait_for_purge(struct fence *f, struct err *e)
{
    int r = server_exec(f->lock, e, "SET GLOBAL innodb_max_purge_lag_wait=0");
    /* -EIO: unknown to this server; the history length decides */
    return r == -ETIMEDOUT || r == -EIO ? 0 : r;
}

static int write_all_pages(struct fence *f, struct err *e)
{
    if (f->has_checkpoint_now)
        return server_exec(f->lock, e, "SET GLOBAL innodb_log_checkpoint_now=ON");
    return 0; /* the page cleaner is at it since before the lock */
}

static int not_ready(const struct fence *f, struct err *e)
{
    const struct fence_marks *m = &f->marks;
    err_set(e, EBUSY,
        "the server could not finish writing: history %" PRIu64 "%s, %" PRIu64
        " dirty pages, checkpoint age %" PRIu64,
        m->history, m->history ? N_(" (an open transaction that reads holds it back)") : "",
        m->pages_dirty, m->checkpoint_age);
    return FENCE_BUSY;
}

static int wait_until_ready(struct fence *f, struct err *e)
{
    struct fence_marks *m = &f->marks;
    uint64_t end = clock_mono_ms() + (f->has_checkpoint_now ? READY_MS : READY_OLD_MS);
    while (!atomic_load(&f->lost)) {
        int r = read_marks(f->lock, m, e);
        if (r < 0)
            return r;
        if (m->pages_dirty == 0 && m->history == 0 && m->checkpoint_age <= f->age_limit)
            return 0;
        /* Putting the limit back wakes the page cleaner, which then finds nothing to write and
         * makes the checkpoint that an old server cannot be asked for. */
        if (m->pages_dirty == 0 &&
            (r = globals_restore_one(f->globals, f->admin, "innodb_max_dirty_pages_pct", e)) < 0)
            return r;
        bool late = clock_mono_ms() >= end;
        if (late && !f->has_checkpoint_now && m->pages_dirty == 0 && m->history == 0) {
            f->behind = true;
            return 0;
        }
        if (m->history != 0 || late) /* the purge has had its time */
            break;
        usleep(READY_PAUSE_US);
        if (f->has_checkpoint_now && (r = write_all_pages(f, e)) < 0)
            return r;
    }
    return not_ready(f, e);
}

/* A copy without it is as good; it only cannot be brought forward from. */
static void note_binlog(struct fence *f)
{
    struct err why = {0};
    struct fence_marks *m = &f->marks;
    _cleanup_free_ char *gtids = NULL;
    int r = server_binlog_place(f->lock, &m->binlog, &gtids, &why);
    snprintf(m->gtids, sizeof m->gtids, "%s", r == 0 ? gtids : "");
    if (r < 0)
        m->binlog_words = why;
}

/* From the lock to the fence standing; with the lock connection's mutex held. */
static int lock_and_quiesce(struct fence *f, struct err *e)
{
    arm(f, WITNESS_SERVER);
    uint64_t start = clock_mono_ms();
    /* Not BACKUP STAGE BLOCK_COMMIT: it lets a running UPDATE write on. */
    int r = server_exec(f->lock, e, "FLUSH TABLES WITH READ LOCK");
    uint64_t locked = clock_mono_ms();
    if (r == 0)
        atomic_store(&f->standing, true);
    if (f->hold) {
        f->marks.hold_ms = (unsigned)(locked - start);
        proxy_hold_release(f->hold);
        f->hold = NULL;
    }
    if (r == 0) {
        arm(f, atomic_load(&f->lost) ? WITNESS_OFF : WITNESS_BOTH);
        r = wait_for_purge(f, e);
    }
    if (r == 0)
        r = write_all_pages(f, e);
    /* Without this Aria's own checkpoint may come between the copying of its log and of its control
     * file; setting 0 makes one now and no further ones. */
    if (r >= 0)
        r = globals_set(f->globals, f->admin, "aria_checkpoint_interval", "0", e);
    if (r >= 0)
        r = server_exec(f->lock, e, "FLUSH LOCAL ENGINE LOGS");
    if (r == 0)
        r = wait_until_ready(f, e);
    /* Left on, a rollback in mid-copy gave copies that were damaged and started without a word. */
    if (r == 0)
        r = globals_restore_one(f->globals, f->admin, "innodb_max_dirty_pages_pct", e);
    if (r == 0)
        r = check_transactions_again(f, e);
    if (r == 0)
        r = read_marks(f->lock, &f->marks, e);
    if (r == 0)
        note_binlog(f);
    f->marks.lock_ms = (unsigned)(clock_mono_ms() - locked);
    clock_iso(clock_wall_ms(), f->marks.taken_at);
    return r;
}

static int prepare(struct fence *f, struct err *e)
{
    int r = f->lock ? server_exec(f->lock, NULL, "DO 1") : -EPIPE;
    if (r < 0)
        r = connect_lock(f, e);
    if (r == 0)
        r = check_transactions(f, e);
    if (r == 0)
        r = flush_before_lock(f, e);
    if (r == 0)
        r = wait_for_purge(f, e);
    /* A read view that holds the purge back would do so under the lock, too: do not even lock. */
    if (r == 0 && (r = read_marks(f->lock, &f->marks, e)) == 0 && f->marks.history > 0)
        return not_ready(f, e);
    if (r == 0 && f->o.proxy_socket) {
        r = proxy_hold_take(f->o.proxy_socket, f->o.hold_ms, HOLD_MAX_MS, &f->hold, e);
        if (r != 0) /* also when it cannot be asked: then it is not known to be quiet */
            return FENCE_BUSY;
    }
    return r;
}

int fence_take(struct fence *f, struct fence_marks *marks, struct err *e)
{
    CHECK(!atomic_load(&f->standing));
    memset(&f->marks, 0, sizeof f->marks);
    atomic_store(&f->lost, false);
    f->behind = false;
    pthread_mutex_lock(&f->lock_busy);
    int r = prepare(f, e);
    if (r == 0)
        r = lock_and_quiesce(f, e);
    pthread_mutex_unlock(&f->lock_busy);
    proxy_hold_release(f->hold);
    f->hold = NULL;
    if (r == 0 && !atomic_load(&f->lost)) {
        *marks = f->marks;
        return 0;
    }
    fence_release(f);
    if (atomic_load(&f->lost)) {
        (void)err_copy(e, EBUSY, &f->why);
        return FENCE_YIELDED;
    }
    if (r == -ETIMEDOUT)
        return FENCE_BUSY; /* the lock was not to be had within lock_wait_timeout */
    return r;
}

bool fence_lost(const struct fence *f)
{
    return atomic_load(&f->lost);
}

enum fence_verdict fence_check(struct fence *f, bool files_changed, struct err *moved)
{
    struct fence_marks now = {0};
    pthread_mutex_lock(&f->lock_busy);
    int r = read_marks(f->lock, &now, moved);
    pthread_mutex_unlock(&f->lock_busy);
    const struct fence_marks *m = &f->marks;
    if (atomic_load(&f->lost))
        (void)err_copy(moved, EBUSY, &f->why);
    else if (r < 0)
        (void)err_prefix(moved, r, "the lock was lost");
    else if (files_changed)
        (void)err_set(moved, EBUSY, "a file changed while it was copied");
    else if (now.pages_flushed != m->pages_flushed || now.checkpoint_lsn != m->checkpoint_lsn)
        (void)err_set(moved, EBUSY,
            "the server wrote %" PRIu64 " pages, checkpoint %" PRIu64 " -> %" PRIu64,
            now.pages_flushed - m->pages_flushed, m->checkpoint_lsn, now.checkpoint_lsn);
    else if (now.lsn != m->lsn) {
        (void)err_set(moved, EBUSY, "the log moved from %" PRIu64 " to %" PRIu64, m->lsn, now.lsn);
        return FENCE_RECOVERABLE;
    } else if (f->behind) {
        (void)err_set(
            moved, EBUSY, "the last checkpoint is %" PRIu64 " bytes behind", m->checkpoint_age);
        return FENCE_RECOVERABLE;
    } else {
        return FENCE_CLEAN;
    }
    return FENCE_REJECT;
}

void fence_release(struct fence *f)
{
    arm(f, WITNESS_OFF);
    if (atomic_exchange(&f->standing, false) && f->lock) {
        if (server_exec(f->lock, NULL, "UNLOCK TABLES") < 0) {
            server_close(f->lock); /* that unlocks too */
            f->lock = NULL;
        }
    }
    /* A failure keeps them in the journal; fence_close and the next run try again. */
    int r = globals_restore_one(f->globals, f->admin, "innodb_max_dirty_pages_pct", NULL);
    if (r == 0)
        r = globals_restore_one(f->globals, f->admin, "aria_checkpoint_interval", NULL);
    (void)r;
}

int fence_close(struct fence *f, struct err *e)
{
    if (!f)
        return 0;
    int r = 0;
    if (f->globals)
        fence_release(f);
    witness_stop(f->witness);
    if (f->globals)
        r = globals_restore(f->globals, f->admin, e);
    if (r < 0 && f->globals) { /* the admin connection may be what is lost */
        struct server *s = NULL;
        if (server_connect(&f->o.target, f->o.program, &s, NULL) == 0)
            r = globals_restore(f->globals, s, e);
        server_close(s);
    }
    globals_close(f->globals);
    server_close(f->lock);
    server_close(f->admin);
    pthread_mutex_destroy(&f->lock_busy);
    free(f);
    return r;
}
