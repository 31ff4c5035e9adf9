#include "proxy/worker.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "common/loop.h"
#include "common/clock.h"
#include "proxy/session/session.h"

/* Watchers hear of writes at most this often. */
#define WRITE_NEWS_MS 50u

void worker_each(struct session_list *list, void (*fn)(struct session *s, void *ctx), void *ctx)
{
    struct session *s = TAILQ_FIRST(list);
    while (s) {
        struct session *next = TAILQ_NEXT(s, entry); /* fn may move s to another list */
        fn(s, ctx);
        s = next;
    }
}

/* Orders: from the main thread to the worker. */

struct order {
    struct task task;
    struct worker *w;
    int fd;
    uint64_t id, grace_ms;
    struct settings *settings;
    size_t listener;
    struct sockaddr_storage peer;
    struct notice *notice;
    char *name;
    void (*found)(void *ctx, bool found);
    void (*listed)(void *ctx, json_t *array);
    void *ctx;
};

static struct order *order_of(struct task *t)
{
    return (struct order *)t; /* task is the first member */
}

static void order_send(struct worker *w, void (*run)(struct task *), struct order o)
{
    struct order *p = xmalloc(sizeof *p);
    *p = o;
    p->w = w;
    p->task.run = run;
    mailbox_post(&w->mail, &p->task);
}

/* News: from the worker to the main thread. */

struct news {
    struct task task;
    struct worker *w;
    uint64_t id;
    unsigned n;
    json_t *object;
    bool found;
    void (*found_cb)(void *ctx, bool found);
    void (*listed_cb)(void *ctx, json_t *array);
    void *ctx;
};

static void news_send(struct worker *w, void (*run)(struct task *), struct news n)
{
    struct news *p = xmalloc(sizeof *p);
    *p = n;
    p->w = w;
    p->task.run = run;
    mailbox_post(w->to_main, &p->task);
}

#define NEWS(name, body)                                                                           \
    static void name(struct task *t)                                                               \
    {                                                                                              \
        struct news *n = (struct news *)t;                                                         \
        const struct worker_events *ev = n->w->events;                                             \
        (void)ev;                                                                                  \
        body;                                                                                      \
        free(n);                                                                                   \
    }

NEWS(news_gone, ev->gone(ev->ctx))
NEWS(news_wrote, ev->wrote(ev->ctx, n->id))
NEWS(news_session, ev->session_event(ev->ctx, n->object))
NEWS(news_blocked, ev->blocked(ev->ctx, n->id, n->n, n->object))
NEWS(news_held, ev->held(ev->ctx, n->id))
NEWS(news_found, n->found_cb(n->ctx, n->found))
NEWS(news_listed, n->listed_cb(n->ctx, n->object))

void worker_session_gone(struct worker *w, const struct address *peer)
{
    peers_remove(w->peers, peer);
    atomic_fetch_sub(&w->assigned, 1);
    if (atomic_load(&w->watch_gone))
        news_send(w, news_gone, (struct news){0});
}

void worker_tell_session(struct worker *w, json_t *object)
{
    news_send(w, news_session, (struct news){.object = object});
}

void worker_tell_write(struct worker *w, uint64_t session_id)
{
    if (!atomic_load_explicit(&w->watch_writes, memory_order_relaxed))
        return;
    uint64_t now = uv_now(&w->loop);
    if (w->write_told_ms && now - w->write_told_ms < WRITE_NEWS_MS)
        return;
    w->write_told_ms = now;
    news_send(w, news_wrote, (struct news){.id = session_id});
}

void worker_check_held(struct worker *w)
{
    if (!w->holding || w->hold_told || SLOT_GET(w->idle.in_flight) > 0 ||
        SLOT_GET(w->idle.transactions) > 0 || SLOT_GET(w->idle.unknown) > 0)
        return;
    w->hold_told = true;
    news_send(w, news_held, (struct news){.id = w->hold_round});
}

void worker_check_blocked(struct worker *w)
{
    if (!w->blocking || !TAILQ_EMPTY(&w->relaying) || !TAILQ_EMPTY(&w->pending))
        return;
    w->blocking = false;
    news_send(w, news_blocked,
        (struct news){.id = w->block_round, .n = w->block_ended, .object = w->block_addresses});
    w->block_addresses = NULL;
}

static void run_accept(struct task *t)
{
    struct order *o = order_of(t);
    struct worker *w = o->w;
    w->logins_pending_max = (o->settings->max_logins_pending + o->settings->workers - 1) /
                            o->settings->workers;
    if (w->stopping)
        close(o->fd);
    else
        session_start(w, o->fd, o->id, o->settings, o->listener, &o->peer);
    worker_shed_logins(w, uv_now(&w->loop));
    settings_unref(o->settings);
    free(o);
}

void worker_accept(struct worker *w, int fd, uint64_t id, struct settings *settings,
    size_t listener, const struct sockaddr_storage *peer)
{
    atomic_fetch_add_explicit(&w->assigned, 1, memory_order_relaxed);
    order_send(w, run_accept,
        (struct order){.fd = fd,
            .id = id,
            .settings = settings_ref(settings),
            .listener = listener,
            .peer = *peer});
}

static void end_for(struct session *s, void *ctx)
{
    struct worker *w = ctx;
    char peer[ADDRESS_TEXT_MAX];
    if (s->state == SESSION_RELAY) {
        w->block_ended++;
        (void)json_array_append_new(w->block_addresses, json_string(address_text(&s->peer, peer)));
    }
    session_end_for(s, w->notice);
}

static void run_block(struct task *t)
{
    struct order *o = order_of(t);
    struct worker *w = o->w;
    notice_unref(w->notice);
    w->notice = o->notice;
    w->grace_until = uv_now(&w->loop) + o->grace_ms;
    json_decref(w->block_addresses);
    w->block_addresses = json_array();
    w->block_ended = 0;
    w->block_round = o->id;
    w->blocking = true;
    w->holding = false;
    worker_each(&w->pending, end_for, w);
    worker_each(&w->relaying, end_for, w);
    worker_want_tick(w);
    worker_check_blocked(w);
    free(o);
}

void worker_block(struct worker *w, uint64_t round, struct notice *notice, uint64_t grace_ms)
{
    order_send(w, run_block,
        (struct order){.id = round, .notice = notice_ref(notice), .grace_ms = grace_ms});
}

static void poll_again(struct session *s, void *ctx)
{
    (void)ctx;
    session_poll(s);
}

static void let_go(struct session *s, void *ctx)
{
    (void)ctx;
    s->end_asked = false;
    session_resume(s);
}

static void run_open(struct task *t)
{
    struct order *o = order_of(t);
    struct worker *w = o->w;
    notice_unref(w->notice);
    w->notice = NULL;
    w->blocking = w->holding = false;
    json_decref(w->block_addresses);
    w->block_addresses = NULL;
    worker_each(&w->relaying, let_go, NULL);
    free(o);
}

void worker_open(struct worker *w)
{
    order_send(w, run_open, (struct order){0});
}

static void run_hold(struct task *t)
{
    struct order *o = order_of(t);
    struct worker *w = o->w;
    w->holding = true;
    w->hold_round = o->id;
    w->hold_told = false;
    worker_each(&w->relaying, poll_again, NULL);
    worker_check_held(w);
    free(o);
}

void worker_hold(struct worker *w, uint64_t round)
{
    order_send(w, run_hold, (struct order){.id = round});
}

static void run_release(struct task *t)
{
    struct order *o = order_of(t);
    o->w->holding = false;
    worker_each(&o->w->relaying, let_go, NULL);
    free(o);
}

void worker_release(struct worker *w)
{
    order_send(w, run_release, (struct order){0});
}

static struct session *find_session(struct session_list *list, uint64_t id)
{
    struct session *s;
    TAILQ_FOREACH (s, list, entry)
        if (s->id == id)
            return s;
    return NULL;
}

static void run_kill(struct task *t)
{
    struct order *o = order_of(t);
    struct session *s = find_session(&o->w->relaying, o->id);
    if (!s)
        s = find_session(&o->w->pending, o->id);
    if (s)
        session_end_now(s, o->notice, "ended by the administrator");
    news_send(
        o->w, news_found, (struct news){.found = s != NULL, .found_cb = o->found, .ctx = o->ctx});
    notice_unref(o->notice);
    free(o);
}

void worker_kill(
    struct worker *w, uint64_t id, struct notice *n, void (*done)(void *ctx, bool found), void *ctx)
{
    order_send(
        w, run_kill, (struct order){.id = id, .notice = notice_ref(n), .found = done, .ctx = ctx});
}

static void run_end_backend(struct task *t)
{
    struct order *o = order_of(t);
    struct session_list *const lists[] = {&o->w->pending, &o->w->relaying};
    for (size_t i = 0; i < 2; i++) {
        struct session *s = TAILQ_FIRST(lists[i]);
        while (s) {
            struct session *next = TAILQ_NEXT(s, entry);
            if (s->backend && !strcmp(s->backend->name, o->name))
                session_end_now(s, o->notice, "another server is used now");
            s = next;
        }
    }
    notice_unref(o->notice);
    free(o->name);
    free(o);
}

void worker_end_backend(struct worker *w, const char *name, struct notice *n)
{
    order_send(w, run_end_backend, (struct order){.name = xstrdup(name), .notice = notice_ref(n)});
}

static void list_one(struct session *s, void *ctx)
{
    (void)json_array_append_new(ctx, session_json(s));
}

/* Nobody's any more, but the server still works for it. */
static void list_finishing(struct session *s, void *ctx)
{
    if (s->finish == SESSION_DRAIN)
        list_one(s, ctx);
}

static void run_list(struct task *t)
{
    struct order *o = order_of(t);
    json_t *array = json_array();
    worker_each(&o->w->relaying, list_one, array);
    worker_each(&o->w->pending, list_one, array);
    worker_each(&o->w->leaving, list_finishing, array);
    news_send(
        o->w, news_listed, (struct news){.object = array, .listed_cb = o->listed, .ctx = o->ctx});
    free(o);
}

void worker_list(struct worker *w, void (*done)(void *ctx, json_t *array), void *ctx)
{
    order_send(w, run_list, (struct order){.listed = done, .ctx = ctx});
}

static void drop_one(struct session *s, void *ctx)
{
    (void)ctx;
    session_drop(s, "proxy stops", NULL);
    if (s->finish)
        session_finished(s);
}

static void run_stop(struct task *t)
{
    struct order *o = order_of(t);
    struct worker *w = o->w;
    w->stopping = true;
    worker_each(&w->pending, drop_one, NULL);
    worker_each(&w->relaying, drop_one, NULL);
    worker_each(&w->leaving, drop_one, NULL);
    uv_close((uv_handle_t *)&w->tick, NULL);
    uv_close((uv_handle_t *)&w->pulse, NULL);
    loop_lag_stop(&w->lag);
    free(o);
    mailbox_close(&w->mail);
}

static void worker_thread(void *arg)
{
    struct worker *w = arg;
    sigset_t all;
    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&w->loop) == 0);
}

int worker_start(struct worker *w, unsigned index, struct peers *peers, struct mailbox *to_main,
    const struct worker_events *events, struct err *e)
{
    *w = (struct worker){.index = index, .peers = peers, .to_main = to_main, .events = events};
    TAILQ_INIT(&w->pending);
    TAILQ_INIT(&w->relaying);
    TAILQ_INIT(&w->leaving);
    int r = loop_init(&w->loop);
    if (r < 0)
        return err_uv(e, r, "cannot make a loop");
    r = mailbox_init(&w->mail, &w->loop, e);
    if (r < 0)
        return r;
    worker_clock_start(w);
    loop_lag_start(&w->lag, &w->loop);
    link_scratch_init(&w->scratch);
    backend_cache_init(&w->backend, &w->loop);
    SLOT_SET(w->idle.last_write_ms, clock_mono_ms());
    SLOT_SET(w->idle.last_statement_ms, clock_mono_ms());
    r = uv_thread_create(&w->thread, worker_thread, w);
    return r < 0 ? err_uv(e, r, "cannot start a thread") : 0;
}

void worker_stop(struct worker *w)
{
    order_send(w, run_stop, (struct order){0});
    uv_thread_join(&w->thread);
    link_scratch_free(&w->scratch);
    backend_cache_clear(&w->backend);
    notice_unref(w->notice);
    json_decref(w->block_addresses);
}

unsigned worker_sessions(const struct worker *workers, unsigned n)
{
    unsigned sessions = 0;
    for (unsigned i = 0; i < n; i++)
        sessions += atomic_load_explicit(&workers[i].assigned, memory_order_relaxed);
    return sessions;
}
