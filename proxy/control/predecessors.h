/*
 * Older processes of ours that have handed over (handover.h) and still carry sessions. Whoever asks
 * this process about the gate is told about all of them together: a backup must know of a write in
 * any of them, and a restore's block must hold in all of them.
 *
 * Each answers on a control socket of its own. The newest process keeps a watch on each, which
 * brings their events and says when one is gone. Main thread only.
 */
#ifndef ELEXGATE_PROXY_CONTROL_PREDECESSORS_H
#define ELEXGATE_PROXY_CONTROL_PREDECESSORS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include "common/error.h"

/* For a predecessor's answer to what costs it no waiting. */
#define PREDECESSOR_MS 1000u

struct proxy;
struct predecessor;
struct question;

struct predecessors {
    struct proxy *proxy;
    void (*tell)(struct proxy *p, const char *kind, json_t *object);
    TAILQ_HEAD(predecessor_list, predecessor) list;
    TAILQ_HEAD(question_list, question) asked, kept;
};

/* tell: passes on an event of theirs to those who watch ours; it takes over the object. */
typedef void predecessors_tell(struct proxy *p, const char *kind, json_t *object);
void predecessors_init(struct predecessors *ps, struct proxy *p, predecessors_tell *tell);
/* One that answers at this path; known ones are not added again. */
void predecessors_add(struct predecessors *ps, const char *path);
/* Those beside the control socket, as a process finds them that starts after a crash. Files on
 * which nobody answers are removed. */
void predecessors_find(struct predecessors *ps);
/* They are somebody else's from now on. Questions are answered as if nobody had. */
void predecessors_close(struct predecessors *ps);
/* Their control sockets, a new array. */
json_t *predecessors_paths(const struct predecessors *ps) MUSTCHECK;

/* One answer each, in a new array that is the callee's; one that is gone by then has none, one that
 * does not answer in time counts as {"ok":false,"code":"ETIMEDOUT",...}. With nobody to ask cb is
 * called at once. Takes over request. */
typedef void predecessors_cb(void *ctx, json_t *answers);
void predecessors_ask(
    struct predecessors *ps, json_t *request, uint64_t timeout_ms, predecessors_cb *cb, void *ctx);
/* The same, and connections with a good answer stay open until predecessors_release: a hold ends
 * with the connection that asked for it. */
void predecessors_hold(
    struct predecessors *ps, json_t *request, uint64_t timeout_ms, predecessors_cb *cb, void *ctx);
void predecessors_release(struct predecessors *ps);

/* Adds the answers to {"cmd":"status"} to our own idle report, or to our whole status. One that did
 * not answer counts as writing: not known is not quiet. */
void predecessors_merge_idle(json_t *idle, const json_t *answers);
void predecessors_merge_status(json_t *status, const json_t *answers);
/* The first answer that is none, NULL if all are good. */
const json_t *predecessors_failure(const json_t *answers);

#endif
