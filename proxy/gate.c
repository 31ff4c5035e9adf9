#include "proxy/gate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "common/clock.h"
#include "common/file.h"
#include "common/json_get.h"
#include "common/json_lines.h"
#include "common/log.h"
#include "common/phrase.h"
#include "common/utf8.h"
#include "proxy/proxy.h"

#define BLOCK_FILE_MAX 65536u
#define REASON_MAX     300u  /* of what somebody types */
#define PHRASE_MAX     2048u /* of a phrase's JSON */

static const char being_restored[] = N_("The practice database is being restored");

const char *gate_state_name(const struct gate *g)
{
    static const char *const names[] = {"open", "draining", "blocked"};
    return names[g->state];
}

const struct notice *gate_notice(const struct gate *g)
{
    return g->notice;
}

static void make_notice(struct gate *g)
{
    json_t *said = json_incref(g->reason);
    if (g->until_ms) {
        char at[16];
        clock_local(g->until_ms, "%H:%M", at, sizeof at);
        json_t *until = phrase("%s (expected until %s)", "", at);
        phrase_set(until, 0, said);
        said = until;
    }
    notice_unref(g->notice);
    g->notice = notice_make(&g->proxy->settings->tongues, said);
}

static char *path_of(const struct gate *g)
{
    return xasprintf("%s/block.json", g->proxy->settings->state_dir);
}

static int save(const struct gate *g, struct err *e)
{
    if (g->handed_over)
        return 0;
    _cleanup_free_ char *path = path_of(g);
    if (g->state != GATE_BLOCKED) {
        if (unlink(path) < 0 && errno != ENOENT)
            return err_sys(e, errno, "cannot remove %s", path);
        return 0;
    }
    json_t *o = json_pack(
        "{s:I, s:I}", "until_ms", (json_int_t)g->until_ms, "since_ms", (json_int_t)g->since_ms);
    phrase_put(o, "reason", json_incref(g->reason));
    size_t n;
    _cleanup_free_ char *line = json_line(o, &n);
    json_decref(o);
    return file_publish(path, line, n, 0600, e);
}

/* what: a phrase, or a text; NULL, or a phrase that is too long for one of ours: english. */
static void set_words(struct gate *g, const json_t *what, const char *english)
{
    const char *typed = json_string_value(what);
    json_decref(g->reason);
    g->reason = typed ? phrase("%s", UTF8_SHORT(typed, REASON_MAX))
                : json_is_array(what) && json_dumpb(what, NULL, 0, JSON_COMPACT) <= PHRASE_MAX
                    ? json_deep_copy(what)
                    : phrase_of(english);
}

/* A block file that cannot be read still means blocked: to open is a person's decision. */
static int load(struct gate *g, struct err *e)
{
    _cleanup_free_ char *path = path_of(g);
    char *data = NULL;
    size_t n = 0;
    int r = file_read(path, BLOCK_FILE_MAX, &data, &n, e);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    json_int_t until = 0, since = clock_wall_ms();
    _cleanup_json_ json_t *o = json_loadb(data, n, 0, NULL);
    const json_t *reason = phrase_got(o, "reason");
    if (!reason || json_unpack(o, "{s:I, s:I}", "until_ms", &until, "since_ms", &since) < 0) {
        log_event(LOG_WARNING, "block-file-damaged", LOG_S("file", path),
            LOG_S("meaning", "clients stay blocked until `elexgate open`"));
        until = 0;
    }
    g->state = GATE_BLOCKED;
    g->until_ms = until;
    g->since_ms = since;
    set_words(g, reason, being_restored);
    make_notice(g);
    free(data);
    _cleanup_free_ char *words = phrase_words(LANG_EN, g->reason);
    log_event(LOG_WARNING, "still-blocked", LOG_S("reason", words),
        LOG_S("hint", "`elexgate open` lets clients in"));
    return 0;
}

int gate_init(struct gate *g, struct proxy *p, struct err *e)
{
    *g = (struct gate){.proxy = p, .since_ms = clock_wall_ms()};
    CHECK(uv_timer_init(&p->loop, &g->drain_timer) == 0);
    CHECK(uv_timer_init(&p->loop, &g->hold_timer) == 0);
    g->drain_timer.data = g->hold_timer.data = g;
    return load(g, e);
}

static void finish(struct gate *g, json_t *answer)
{
    gate_done_cb *done = g->done;
    g->done = NULL;
    json_decref(g->addresses);
    g->addresses = NULL;
    if (done)
        done(g->done_ctx, answer);
    else
        json_decref(answer);
}

static void all_ended(struct gate *g)
{
    uint64_t ms = clock_mono_ms() - g->asked_ms;
    log_event(LOG_INFO, "all-ended", LOG_S("state", gate_state_name(g)), LOG_U("ended", g->ended),
        LOG_U("ms", ms));
    finish(g, json_pack("{s:b, s:i, s:I, s:O}", "ok", 1, "ended", (int)g->ended, "waited_ms",
                  (json_int_t)ms, "addresses", g->addresses));
}

/* Ends every session: those between transactions at once, the others after grace_ms. */
static void end_all(struct gate *g, uint64_t grace_ms)
{
    g->waiting = g->proxy->n_workers;
    g->block_round = ++g->round;
    g->ended = 0;
    g->addresses = json_array();
    for (unsigned i = 0; i < g->proxy->n_workers; i++)
        worker_block(&g->proxy->workers[i], g->block_round, g->notice, grace_ms);
}

void gate_start(struct gate *g)
{
    if (g->state == GATE_BLOCKED) {
        g->asked_ms = clock_mono_ms();
        end_all(g, 0);
    }
}

void gate_on_blocked(struct gate *g, uint64_t round, unsigned ended, json_t *addresses)
{
    if (g->waiting == 0 || round != g->block_round) { /* opened in the mean time */
        json_decref(addresses);
        return;
    }
    g->ended += ended;
    (void)json_array_extend(g->addresses, addresses);
    json_decref(addresses);
    if (--g->waiting == 0)
        all_ended(g);
}

static int enter(struct gate *g, enum gate_state state, const json_t *reason, const char *english,
    int64_t until_ms, struct err *e)
{
    if (g->handed_over &&
        g->state == GATE_DRAINING) { /* our own end gives way to a restore's block */
        g->waiting = 0;
        uv_timer_stop(&g->drain_timer);
        if (g->done)
            finish(g, json_error(ECANCELED, "another block or drain came"));
    }
    if (g->waiting > 0 || g->done)
        return err_set(e, EBUSY, "a block or drain is being carried out already");
    gate_release(g);
    enum gate_state before = g->state;
    g->state = state;
    g->until_ms = until_ms;
    g->since_ms = clock_wall_ms();
    set_words(g, reason, english);
    int r = save(g, e);
    if (r < 0) {
        g->state = before;
        return r;
    }
    make_notice(g);
    g->asked_ms = clock_mono_ms();
    _cleanup_free_ char *words = phrase_words(LANG_EN, g->reason);
    log_event(LOG_WARNING, "gate", LOG_S("state", gate_state_name(g)), LOG_S("reason", words));
    return 0;
}

int gate_block(
    struct gate *g, const struct gate_block *b, gate_done_cb *done, void *ctx, struct err *e)
{
    int r = enter(g, GATE_BLOCKED, b->reason, being_restored, b->until_ms, e);
    if (r < 0)
        return r;
    uv_timer_stop(&g->drain_timer);
    g->done = done;
    g->done_ctx = ctx;
    end_all(g, b->grace_ms);
    return 0;
}

static void on_drain_over(uv_timer_t *t)
{
    struct gate *g = t->data;
    log_event(LOG_WARNING, "drain-timeout",
        LOG_U("sessions", worker_sessions(g->proxy->workers, g->proxy->n_workers)),
        LOG_S("meaning", "the remaining sessions are ended"));
    end_all(g, g->proxy->settings->grace_ms);
}

static void drained(struct gate *g)
{
    uv_timer_stop(&g->drain_timer);
    g->ended = 0;
    g->addresses = json_array();
    all_ended(g);
}

int gate_drain(struct gate *g, const struct gate_block *words, uint64_t timeout_ms,
    gate_done_cb *done, void *ctx, struct err *e)
{
    int r = enter(g, GATE_DRAINING, words ? words->reason : NULL,
        N_("The database proxy is in maintenance; please try again soon"),
        words ? words->until_ms : 0, e);
    if (r < 0)
        return r;
    g->done = done;
    g->done_ctx = ctx;
    CHECK(uv_timer_start(&g->drain_timer, on_drain_over, timeout_ms, 0) == 0);
    /* First ask to be told, then look: a session that goes in between is seen either way. */
    for (unsigned i = 0; i < g->proxy->n_workers; i++)
        atomic_store(&g->proxy->workers[i].watch_gone, true);
    gate_on_session_gone(g);
    return 0;
}

void gate_on_session_gone(struct gate *g)
{
    if (g->state == GATE_DRAINING && g->done && g->waiting == 0 &&
        worker_sessions(g->proxy->workers, g->proxy->n_workers) == 0)
        drained(g);
}

int gate_open(struct gate *g, struct err *e)
{
    enum gate_state before = g->state;
    g->state = GATE_OPEN;
    int r = save(g, e);
    if (r < 0) {
        g->state = before;
        return r;
    }
    uv_timer_stop(&g->drain_timer);
    gate_release(g);
    g->waiting = 0;
    notice_unref(g->notice);
    g->notice = NULL;
    g->until_ms = 0;
    g->since_ms = clock_wall_ms();
    for (unsigned i = 0; i < g->proxy->n_workers; i++) {
        atomic_store(&g->proxy->workers[i].watch_gone, false);
        worker_open(&g->proxy->workers[i]);
    }
    if (before != GATE_OPEN)
        log_event(LOG_INFO, "gate", LOG_S("state", "open"));
    if (g->done)
        finish(g, json_error(ECANCELED, "the gate was opened before all sessions had ended"));
    return 0;
}

static void hold_answer(struct gate *g, json_t *answer)
{
    gate_done_cb *done = g->hold_done;
    g->hold_done = NULL;
    if (done)
        done(g->hold_ctx, answer);
    else
        json_decref(answer);
}

static void on_hold_timer(uv_timer_t *t)
{
    struct gate *g = t->data;
    if (g->hold_waiting == 0) {
        log_event(LOG_WARNING, "hold-too-long", LOG_U("max_ms", g->hold_max_ms),
            LOG_S("meaning", "clients are let go on"));
        gate_release(g);
        return;
    }
    struct idle_report idle = {0};
    for (unsigned i = 0; i < g->proxy->n_workers; i++) {
        idle.in_flight += SLOT_GET(g->proxy->workers[i].idle.in_flight);
        idle.transactions += SLOT_GET(g->proxy->workers[i].idle.transactions) +
                             SLOT_GET(g->proxy->workers[i].idle.unknown);
    }
    json_t *answer = json_error(ETIMEDOUT,
        "%u sessions with a statement in flight and %u with an open transaction did not come to rest",
        idle.in_flight, idle.transactions);
    hold_answer(g, answer);
    gate_release(g);
}

int gate_hold(struct gate *g, uint64_t timeout_ms, uint64_t max_ms, gate_done_cb *done, void *ctx,
    struct err *e)
{
    /* Blocked is held already: a backup on the evening of an upgrade needs no more. Whoever opens
     * releases it, as with any hold. */
    if (g->state == GATE_DRAINING || g->waiting > 0)
        return err_set(e, EPERM, "the gate is %s: sessions are being ended", gate_state_name(g));
    if (g->holding)
        return err_set(e, EBUSY, "clients are held already");
    g->holding = true;
    g->hold_waiting = g->proxy->n_workers;
    g->hold_round = ++g->round;
    g->hold_done = done;
    g->hold_ctx = ctx;
    g->hold_max_ms = max_ms;
    CHECK(uv_timer_start(&g->hold_timer, on_hold_timer, timeout_ms, 0) == 0);
    for (unsigned i = 0; i < g->proxy->n_workers; i++)
        worker_hold(&g->proxy->workers[i], g->hold_round);
    return 0;
}

void gate_on_held(struct gate *g, uint64_t round)
{
    if (!g->holding || round != g->hold_round || g->hold_waiting == 0 || --g->hold_waiting > 0)
        return;
    CHECK(uv_timer_start(&g->hold_timer, on_hold_timer, g->hold_max_ms, 0) == 0);
    hold_answer(g, json_pack("{s:b, s:b}", "ok", 1, "held", 1));
}

void gate_release(struct gate *g)
{
    if (!g->holding)
        return;
    g->holding = false;
    uv_timer_stop(&g->hold_timer);
    for (unsigned i = 0; i < g->proxy->n_workers; i++)
        worker_release(&g->proxy->workers[i]);
    if (g->hold_done)
        hold_answer(g, json_error(ECANCELED, "the hold was called off"));
}

void gate_close(struct gate *g)
{
    uv_close((uv_handle_t *)&g->drain_timer, NULL);
    uv_close((uv_handle_t *)&g->hold_timer, NULL);
    json_decref(g->reason);
    json_decref(g->addresses);
    notice_unref(g->notice);
    /* Workers that were just stopped may have answered; the mailbox delivers that when it closes.
     */
    g->addresses = NULL;
    g->block_round = g->hold_round = 0;
    g->holding = false;
}
