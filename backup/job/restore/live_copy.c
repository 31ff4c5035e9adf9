#include "backup/job/restore/live_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "backup/job/restore/database.h"
#include "backup/job/restore/clients.h"
#include "backup/server/fence.h"
#include "backup/job/restore/mirror.h"
#include "common/clock.h"
#include "common/exit_codes.h"

/* What is left for the last try is little; a server that writes for its life gets longer. */
#define BYTES_A_MS     50000
#define AGAIN_PAUSE_MS 2000

struct live_copy {
    struct restore *r;
    const struct layout *layout;
    char *into;
    struct mirror *mirror;
    struct fence *fence;
    uint64_t size;
    bool blocked;
};

static bool skip(void *ctx, const char *path)
{
    const struct live_copy *c = ctx;
    return layout_skips(c->layout, path);
}

static bool go_on(void *ctx)
{
    const struct live_copy *c = ctx;
    return run_go_on(c->r->run) && !(c->fence && fence_lost(c->fence));
}

static void progress(void *ctx, uint64_t bytes, const char *path)
{
    const struct live_copy *c = ctx;
    run_progress(c->r->run, bytes, 0, 0, path);
}

/* Aria's control file before its logs, InnoDB's log after everything else. */
static const char *const first[] = {"aria_log_control", NULL};
static const char *const last[] = {"ib_logfile0", NULL};

static int pass(struct live_copy *c, struct err *e)
{
    int code = mirror_pass(c->mirror, e);
    return code < 0 ? run_pack_result(code, e) : code;
}

static int pause_run(struct live_copy *c, unsigned ms)
{
    for (uint64_t end = clock_mono_ms() + ms; clock_mono_ms() < end; usleep(20000))
        if (!run_go_on(c->r->run))
            return EXIT_CANCELLED;
    return 0;
}

/* 0: copied. 1: try again, *e says why. */
static int attempt(struct live_copy *c, struct err *e)
{
    struct fence_marks marks;
    struct err moved = {0};
    int code = fence_take(c->fence, &marks, e);
    if (code != 0)
        return code > 0 ? 1 : code;
    code = layout_check_log(c->layout, marks.checkpoint_lsn, e);
    code = code == 1 ? EXIT_REFUSED : code;
    if (code == 0)
        code = pass(c, e);
    int changed = code == 0 ? mirror_compare(c->mirror, NULL, e) : 0;
    enum fence_verdict verdict = fence_check(c->fence, changed == 1, &moved);
    bool lost = fence_lost(c->fence);
    fence_release(c->fence);
    if (changed < 0 || (code != 0 && !lost))
        return code == 1 ? run_pack_result(PACK_STOPPED, e) : code ? code : changed;
    if (!lost &&
        verdict != FENCE_REJECT) /* a log that moved on is read when a server starts on it */
        return 0;
    (void)err_prefix(e, err_copy(e, EBUSY, &moved), "the copy of the live data made way");
    return 1;
}

static int fence(struct live_copy *c, bool yield, struct err *e)
{
    const struct backup_settings *s = &c->r->run->s;
    const struct fence_options o = {
        .target = s->target,
        .program = "elexgate-job",
        .journal = s->journal,
        .proxy_socket = c->blocked ? NULL : s->proxy_socket,
        .yield = yield,
        .settle_ms = c->blocked ? 0 : (unsigned)config_int(s->config, "backup", NULL, "settle"),
        .hold_ms = (unsigned)config_int(s->config, "backup", NULL, "hold"),
    };
    return fence_open(&o, &c->fence, e);
}

static int put_away(struct live_copy *c, int code, struct err *e)
{
    struct err left = {0};
    if (fence_close(c->fence, &left) < 0) {
        run_tell(&left);
        if (code == 0) {
            *e = left;
            code = EXIT_FAILED;
        }
    }
    c->fence = NULL;
    return code;
}

static int attempts(struct live_copy *c, struct err *e)
{
    struct run *run = c->r->run;
    int64_t max = config_int(run->s.config, "backup", NULL, "attempts");
    int code = fence(c, true, e);
    if (code == 0 && (code = pass(c, e)) == 1) /* meanwhile the server settles */
        code = run_pack_result(PACK_STOPPED, e);
    for (int64_t n = 1; code == 0; n++) {
        if ((code = pause_run(c, fence_settling(c->fence))) == 0)
            code = attempt(c, e);
        if (code != 1 || n == max)
            break;
        run_again(run->s.physical_type, n + 1, e);
        code = pause_run(c, AGAIN_PAUSE_MS);
    }
    if (code == EXIT_CANCELLED)
        run_pack_result(PACK_STOPPED, e);
    return put_away(c, code, e);
}

/* Writers left it no moment: they are kept out for it. */
static int blocked_attempt(struct live_copy *c, struct err *e)
{
    struct err open = {0};
    run_tell_of(e, "clients are kept out while the rest is copied");
    c->r->expected_ms = 60000 + c->size / BYTES_A_MS;
    c->r->clients_out = true; /* a recovery lets them in */
    int code = restore_journal_save(c->r, RESTORE_STAGING, e);
    if (code == 0)
        code = restore_block(c->r, e);
    if (code < 0)
        return code;
    c->blocked = true;
    run_phase(c->r->run, c->r->run->s.physical_type, "copy", c->size);
    code = fence(c, false, e);
    if (code == 0)
        code = attempt(c, e);
    code = put_away(c, code, e);
    c->r->expected_ms = 0;
    json_decref(c->r->addresses); /* they see the data that they know: nobody need start anew */
    c->r->addresses = NULL;
    if (restore_let_in(c->r, &open) < 0)
        return err_prefix(e, code ? code : -EIO,
            "CLIENTS STAY BLOCKED (%s); let them in with `elexgate open`", err_words(&open));
    c->r->clients_out = false;
    int saved = restore_journal_save(c->r, RESTORE_STAGING, code == 0 ? e : NULL);
    return code == 1 ? EXIT_NOT_IDLE : code ? code : saved;
}

/* As a server locks it. The leases of restore_database_stop would be broken by our own reading. */
static int hold(const struct live_copy *c, const char *name, int *fd, struct err *e)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    _cleanup_free_ char *path = xasprintf("%s/%s", c->layout->datadir, name);
    *fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (*fd < 0)
        return errno == ENOENT ? 0 : err_sys(e, errno, "cannot open %s", path);
    return fcntl(*fd, F_OFD_SETLK, &l) == 0 ? 0 : err_sys(e, errno, "cannot lock %s", path);
}

/* Nobody writes, and whoever would start the server finds its files locked. */
static int copy_at_rest(struct live_copy *c, struct err *e)
{
    _cleanup_fd_ int aria = -1, innodb = -1;
    int code = restore_database_stop(c->r, e);
    restore_database_unlock(c->r);
    if (code == 0)
        code = hold(c, "aria_log_control", &aria, e);
    if (code == 0)
        code = hold(c, "ibdata1", &innodb, e);
    if (code == 0 && (code = pass(c, e)) == 1)
        code = run_pack_result(PACK_STOPPED, e);
    return code;
}

int live_copy_take(
    struct restore *r, const struct layout *l, bool runs, struct live_copy **out, struct err *e)
{
    struct live_copy *c = xcalloc(1, sizeof *c);
    *c = (struct live_copy){.r = r, .layout = l};
    c->into = xasprintf("%s/new", restore_database(r)->root);
    c->mirror = mirror_create(&(struct mirror_options){.from = l->datadir,
        .into = c->into,
        .first = first,
        .last = last,
        .skip = skip,
        .go_on = go_on,
        .progress = progress,
        .ctx = c});
    int code = layout_size(l->datadir, &c->size, e);
    run_phase(r->run, r->run->s.physical_type, "copy", c->size);
    if (code == 0)
        code = runs ? attempts(c, e) : copy_at_rest(c, e);
    if (code == 1)
        code = blocked_attempt(c, e);
    if (code != 0) {
        live_copy_drop(c);
        return code;
    }
    *out = c;
    return 0;
}

void live_copy_drop(struct live_copy *c)
{
    if (!c)
        return;
    mirror_drop(c->mirror);
    free(c->into);
    free(c);
}

int live_copy_freeze(struct live_copy *c, struct server **lock, struct err *e)
{
    _cleanup_free_ char *now = NULL;
    _cleanup_server_ struct server *s = NULL;
    int code = server_connect(&c->r->run->s.target, "elexgate-job", &s, e);
    if (code == 0)
        code = server_variable(s, "innodb_log_checkpoint_now", &now, e);
    if (code == 0)
        code = server_limit(s, 0, e);
    if (code == 0)
        code = server_exec(s, e, "FLUSH TABLES WITH READ LOCK");
    if (code == 0 && now)
        code = server_exec(s, e, "SET GLOBAL innodb_log_checkpoint_now=ON");
    if (code < 0)
        return code;
    *lock = s;
    s = NULL;
    return now ? 0 : 1;
}

int live_copy_changed(struct live_copy *c, const char *path, struct err *e)
{
    return mirror_compare(c->mirror, path, e);
}
