/*
 * The other end of the control protocol, on the loop: one connection, one request, its answer and
 * what may follow. For asking an older process of ours (predecessors.h).
 */
#ifndef ELEXGATE_LINK_CONTROL_CALL_H
#define ELEXGATE_LINK_CONTROL_CALL_H

#include <jansson.h>
#include <stdint.h>
#include <uv.h>
#include "common/error.h"

struct control_call;

/* For each object that comes (borrowed), and last with NULL: -ETIMEDOUT when no answer came in
 * time, else the connection is over. Never called from within control_call_start. After the last
 * call, and after control_call_drop, the handle is invalid. */
typedef void control_call_cb(void *ctx, const json_t *object, int status);

/* timeout_ms: until the first answer; 0 = none. request stays the caller's. */
struct control_call *control_call_start(uv_loop_t *loop, const char *path, const json_t *request,
    uint64_t timeout_ms, control_call_cb *cb, void *ctx) MUSTCHECK;
/* Hangs up; cb is not called any more. NULL allowed. */
void control_call_drop(struct control_call *c);

#endif
