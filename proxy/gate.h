/*
 * The gate: open, draining or blocked; and the short hold in which a backup takes its lock. Main
 * thread only; it asks the workers and counts their answers.
 *
 *   open      clients come in
 *   draining  no new clients; the others may stay until they leave or the time is up, then they are
 * ended blocked   no new clients; running statements and transactions get a grace period, then all
 * are ended. Kept in state_dir/block.json: a restart of the proxy does not let clients in.
 */
#ifndef ELEXGATE_PROXY_GATE_H
#define ELEXGATE_PROXY_GATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "common/error.h"

struct proxy;
struct worker;
struct notice;

enum gate_state { GATE_OPEN, GATE_DRAINING, GATE_BLOCKED };

/* The answer to block, drain or hold; called once. object is the callee's. */
typedef void gate_done_cb(void *ctx, json_t *object);

struct gate {
    struct proxy *proxy;
    bool handed_over; /* block.json belongs to the successor */
    enum gate_state state;
    json_t *reason;   /* a phrase (common/phrase.h) */
    int64_t until_ms; /* expected end, wall clock; 0 = not known. Told to clients; opens nothing by
                         itself. */
    int64_t since_ms;
    struct notice *notice; /* NULL when open */

    uint64_t
        round; /* of the last block or hold asked for: late answers to an earlier one are known */

    /* a block or the end of a drain under way */
    uint64_t block_round;
    unsigned waiting; /* workers that have not answered yet */
    unsigned ended;
    uint64_t asked_ms;
    json_t *addresses;
    gate_done_cb *done;
    void *done_ctx;
    uv_timer_t drain_timer;

    /* hold */
    bool holding;
    uint64_t hold_round;
    unsigned hold_waiting;
    gate_done_cb *hold_done;
    void *hold_ctx;
    uint64_t hold_max_ms;
    uv_timer_t hold_timer;
};

/* Makes the timers and takes up a block that was kept. Workers must not run yet. */
int gate_init(struct gate *g, struct proxy *p, struct err *e) MUSTCHECK;
/* Tells the workers of a block that was taken up. */
void gate_start(struct gate *g);
void gate_close(struct gate *g);
const char *gate_state_name(const struct gate *g);
/* What a client that comes now is told; NULL = come in. */
const struct notice *gate_notice(const struct gate *g);

struct gate_block {
    const json_t
        *reason; /* a phrase, or a text as somebody has typed it; NULL = the standard words */
    int64_t until_ms;
    uint64_t grace_ms;
};
/* -EBUSY while another block or drain is being carried out; done is then not called. Blocking what
 * is blocked changes the words. */
int gate_block(struct gate *g, const struct gate_block *b, gate_done_cb *done, void *ctx,
    struct err *e) MUSTCHECK;
/* words: NULL = the standard ones; its grace_ms does not count. */
int gate_drain(struct gate *g, const struct gate_block *words, uint64_t timeout_ms,
    gate_done_cb *done, void *ctx, struct err *e) MUSTCHECK;
/* Opens, and answers whoever waits for a block or drain that it was called off. */
int gate_open(struct gate *g, struct err *e) MUSTCHECK;
/* done once every session stands between transactions and is kept there, or timeout_ms is over; let
 * go by gate_release, by opening or after max_ms; at once where the gate is blocked and all have
 * ended. -EBUSY while another hold is on, -EPERM while sessions are being ended. */
int gate_hold(struct gate *g, uint64_t timeout_ms, uint64_t max_ms, gate_done_cb *done, void *ctx,
    struct err *e) MUSTCHECK;
void gate_release(struct gate *g);

/* From workers and sessions, on the main loop. */
void gate_on_blocked(struct gate *g, uint64_t round, unsigned ended, json_t *addresses);
void gate_on_held(struct gate *g, uint64_t round);
void gate_on_session_gone(struct gate *g);

#endif
