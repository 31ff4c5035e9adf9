/*
 * One look at a database server: is it there, may one write to it. On the loop, without blocking.
 */
#ifndef ELEXGATE_PROXY_BACKEND_PROBE_H
#define ELEXGATE_PROXY_BACKEND_PROBE_H

#include <stdbool.h>
#include <uv.h>
#include "proxy/settings.h"

enum probe_result {
    PROBE_DOWN,      /* not reachable, or no database */
    PROBE_READ_ONLY, /* read_only, or a Galera node that is not ready */
    PROBE_ALIVE,     /* it answers; there is no account, or it was refused, so no more is known */
    PROBE_WRITABLE,
};

struct probe_answer {
    enum probe_result result;
    bool again; /* it is late, not over: this probe will tell more */
    bool galera;
    char trouble[256]; /* why it is not writable; "" if it is */
};

struct probe;
/* Never called from within probe_start; afterwards the handle is invalid, unless `again` is set. */
typedef void probe_cb(void *ctx, const struct probe_answer *answer);
/* user NULL: greeting only. What is passed stays the caller's, until cb. */
struct probe *probe_start(uv_loop_t *loop, const struct backend_target *target, struct settings *s,
    probe_cb *cb, void *ctx) MUSTCHECK;
/* cb is not called any more. NULL allowed. */
void probe_drop(struct probe *p);

#endif
