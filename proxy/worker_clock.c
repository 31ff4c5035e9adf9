/*
 * What is due at a worker: the phases' deadlines, logins that take long while others wait, the end
 * of a block's grace, peers that owe an answer.
 */
#include "proxy/session/session.h"

/* How fine phase deadlines and the grace of a block are looked at. */
#define TICK_MS 50u
/* How often links are looked at whose peer owes an answer: user_timeout_ms is minutes. */
#define PULSE_MS 1000u
/* So old a login must be before it gives way to others. */
#define LOGIN_AGE_MIN_MS 1000u
/* So many times the limit are a crowd; more are a flood. */
#define LOGINS_CROWD 4u

static void tick_one(struct session *s, void *ctx)
{
    session_tick(s, *(const uint64_t *)ctx);
}

static void ask_one(struct session *s, void *ctx)
{
    (void)ctx;
    session_ask_tick(s);
}

static void end_now(struct session *s, void *ctx)
{
    struct worker *w = ctx;
    session_end_now(s, w->notice, "blocked: grace period over");
}

/* Too many are logging in: who has taken long gives way, but not for being in a crowd. Beyond the
 * crowd it is a flood, and the oldest go at any age; never a session that is logged in. */
void worker_shed_logins(struct worker *w, uint64_t now)
{
    struct session *oldest;
    while (SLOT_GET(w->idle.pending) > w->logins_pending_max &&
           (oldest = TAILQ_FIRST(&w->pending)) != NULL &&
           (now - oldest->last_activity_ms >= LOGIN_AGE_MIN_MS ||
               SLOT_GET(w->idle.pending) > LOGINS_CROWD * w->logins_pending_max)) {
        SLOT_ADD(w->totals.refused[REFUSAL_MAX_LOGINS], 1);
        if (!session_login_give_up(oldest, &session_too_many))
            session_drop(oldest, session_too_many.reason, NULL);
    }
}

static void end_if_silent(struct session *s, void *ctx)
{
    uint64_t now = *(const uint64_t *)ctx, limit = s->settings->user_timeout_ms;
    if (link_silent(&s->client, now, limit))
        session_drop(s, "client lost", "it has acknowledged nothing for too long");
    else if (link_silent(&s->server, now, limit))
        session_server_silent(s);
}

/* It was not we who ran all the time: a machine that was stopped, a processor that others had. What
 * came meanwhile has not been read, and whoever is judged by the clock now is judged unheard: the
 * timer's next turn comes behind the sockets. *last: its last turn that was worked. */
static bool comes_late(uint64_t *last, uint64_t now, uint64_t period)
{
    bool late = *last && now - *last > 2 * period;
    *last = late ? 0 : now;
    return late;
}

static void on_pulse(uv_timer_t *t)
{
    struct worker *w = t->data;
    uint64_t now = uv_now(&w->loop);
    if (comes_late(&w->pulsed_ms, now, PULSE_MS))
        return;
    worker_each(&w->pending, end_if_silent, &now);
    worker_each(&w->relaying, end_if_silent, &now);
    worker_each(&w->leaving, end_if_silent, &now);
}

static void on_tick(uv_timer_t *t)
{
    struct worker *w = t->data;
    uint64_t now = uv_now(&w->loop);
    if (comes_late(&w->ticked_ms, now, TICK_MS))
        return;
    worker_shed_logins(w, now);
    worker_each(&w->pending, tick_one, &now);
    worker_each(&w->leaving, tick_one, &now);
    bool unknown = SLOT_GET(w->idle.unknown) > 0;
    if (unknown)
        worker_each(&w->relaying, ask_one, NULL);
    if (w->blocking && now >= w->grace_until)
        worker_each(&w->relaying, end_now, w);
    if (TAILQ_EMPTY(&w->pending) && TAILQ_EMPTY(&w->leaving) && !w->blocking && !unknown) {
        uv_timer_stop(t);
        w->ticking = false;
    }
}

void worker_want_tick(struct worker *w)
{
    if (w->ticking || w->stopping)
        return;
    w->ticking = true;
    w->ticked_ms = uv_now(&w->loop);
    CHECK(uv_timer_start(&w->tick, on_tick, TICK_MS, TICK_MS) == 0);
}

void worker_clock_start(struct worker *w)
{
    CHECK(uv_timer_init(&w->loop, &w->tick) == 0);
    CHECK(uv_timer_init(&w->loop, &w->pulse) == 0);
    CHECK(uv_timer_start(&w->pulse, on_pulse, PULSE_MS, PULSE_MS) == 0);
    w->tick.data = w->pulse.data = w;
}
