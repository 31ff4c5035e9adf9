/*
 * A worker: one thread, one loop, the sessions that live on it.
 *
 * The main thread accepts and hands a socket to the worker with the fewest sessions; from then on
 * the session never leaves it. Other threads reach a worker only through its mailbox; they read its
 * idle slot and totals, which are atomics that the worker alone writes.
 */
#ifndef ELEXGATE_PROXY_WORKER_H
#define ELEXGATE_PROXY_WORKER_H

#include <jansson.h>
#include <sys/queue.h>
#include <uv.h>
#include "proxy/backend/backend.h"
#include "proxy/idle_clock.h"
#include "proxy/session/link.h"
#include "proxy/loop_lag.h"
#include "proxy/mailbox.h"
#include "proxy/peers.h"
#include "proxy/refusal.h"
#include "proxy/settings.h"

struct session;
struct worker;
TAILQ_HEAD(session_list, session);

struct totals { /* one writer, as the idle slot */
    _Atomic uint64_t handshakes_ok, handshakes_failed, resumed, tls13, tls12, tls_older;
    _Atomic uint64_t logins_ok, logins_failed;
    /* The server refused us for max_connect_errors (1129): how often, and when last; and when it
     * last let somebody in. Monotonic, 0 = never. */
    _Atomic uint64_t server_blocked, server_blocked_ms, login_ok_ms;
    /* Connections to the server that had to be cut before their login: it counts them as well. */
    _Atomic uint64_t server_logins_cut;
    _Atomic uint64_t bytes_in, bytes_out, statements_read, statements_write;
    _Atomic uint64_t refused[REFUSAL_COUNT];
};

/* Told to the main thread; called on the main loop, in order. */
struct worker_events {
    void *ctx;
    /* A session is gone; only while somebody counts (watch_gone). */
    void (*gone)(void *ctx);
    /* For watchers; object is the callee's. */
    void (*session_event)(void *ctx, json_t *object);
    void (*wrote)(void *ctx, uint64_t session_id);
    /* What was asked of a worker by block or hold has happened; round is the asker's. */
    void (*blocked)(void *ctx, uint64_t round, unsigned ended, json_t *addresses);
    void (*held)(void *ctx, uint64_t round);
};

/* Why and how clients are turned away or ended. Immutable, reference counted. */
struct notice {
    _Atomic unsigned refs;
    char *text;  /* what a client reads, UTF-8, in the languages of [proxy] languages */
    char *ascii; /* the same for where no character set is negotiated yet */
};
/* A phrase (common/phrase.h) in each language, " / " between them, once where they are the same.
 * What goes beyond ERROR_TEXT_MAX bytes is left out, whole languages from the end; the first one is
 * cut. malloc'ed. */
char *notice_words(const struct tongues *t, const json_t *phrase) MUSTCHECK;
/* Takes the phrase over. */
struct notice *notice_make(const struct tongues *t, json_t *phrase);
struct notice *notice_ref(struct notice *n);
void notice_unref(struct notice *n); /* NULL allowed */
/* Any other words for a client that is not logged in yet: umlauts written out. malloc'ed. */
char *notice_ascii(const char *utf8) MUSTCHECK;

struct worker {
    unsigned index;
    uv_thread_t thread;
    uv_loop_t loop;
    struct mailbox mail; /* to this worker */
    struct mailbox *to_main;
    const struct worker_events *events;
    struct idle_slot idle;
    struct totals totals;
    struct loop_lag lag;
    _Atomic uint32_t assigned; /* sessions handed over and not gone; written by both sides */
    _Atomic bool watch_sessions, watch_writes, watch_gone; /* somebody listens */
    struct peers *peers;

    /* own thread only */
    struct link_scratch scratch;
    struct session_list pending, relaying, leaving; /* oldest first */
    uint32_t logins_pending_max;                    /* this worker's part */
    uv_timer_t pulse;                               /* looks for peers that are gone */
    uv_timer_t tick; /* runs while a list needs it: phase deadlines, the grace of a block */
    bool ticking;
    uint64_t ticked_ms, pulsed_ms; /* when they last did their work */
    struct backend_cache backend;
    struct notice *notice; /* set while blocked: why */
    uint64_t grace_until;  /* while blocked: when running statements are ended */
    uint64_t block_round, hold_round;
    unsigned block_ended;
    json_t *block_addresses; /* while a block is going on */
    bool blocking;           /* the block has not been reported as done yet */
    bool holding, hold_told;
    uint64_t write_told_ms;
    bool stopping;
};

/* Starts the thread. w stays where it is until worker_stop. */
int worker_start(struct worker *w, unsigned index, struct peers *peers, struct mailbox *to_main,
    const struct worker_events *events, struct err *e) MUSTCHECK;
/* Hands over an accepted socket; the session lives under these settings. Main thread. */
void worker_accept(struct worker *w, int fd, uint64_t id, struct settings *settings,
    size_t listener, const struct sockaddr_storage *peer);
/* Refuses, ends what stands between transactions, and ends the rest after grace_ms. events.blocked
 * follows. */
void worker_block(struct worker *w, uint64_t round, struct notice *notice, uint64_t grace_ms);
void worker_open(struct worker *w); /* lets in again; also ends a hold */
void worker_hold(
    struct worker *w, uint64_t round); /* events.held follows once nothing is in flight */
void worker_release(struct worker *w);
/* id 0 cannot be. done(ctx, found) on the main loop. */
void worker_kill(struct worker *w, uint64_t id, struct notice *n,
    void (*done)(void *ctx, bool found), void *ctx);
/* Ends the sessions of a server that is used no more ([backend NAME]). */
void worker_end_backend(struct worker *w, const char *name, struct notice *n);
/* done(ctx, array) on the main loop; the array is the callee's. */
void worker_list(struct worker *w, void (*done)(void *ctx, json_t *array), void *ctx);
/* Ends all sessions at once and joins the thread. */
void worker_stop(struct worker *w);

/* Between worker.c and worker_clock.c. */
void worker_clock_start(struct worker *w);
/* Too many logins at once: who has taken long is told so. */
void worker_shed_logins(struct worker *w, uint64_t now_ms);
/* fn may move its session to another list. */
void worker_each(struct session_list *list, void (*fn)(struct session *s, void *ctx), void *ctx);

/* For sessions, own thread. */
void worker_want_tick(struct worker *w);
void worker_session_gone(struct worker *w, const struct address *peer);
void worker_check_held(struct worker *w);
void worker_check_blocked(struct worker *w);
void worker_tell_write(struct worker *w, uint64_t session_id);
void worker_tell_session(struct worker *w, json_t *object);

/* Sessions handed to these workers and not gone yet. */
unsigned worker_sessions(const struct worker *workers, unsigned n);

#endif
