/*
 * The keeper's control socket (link/control_server.h), for root, the keeper's own user and those in
 * control_users. What the commands do is in commands.c; docs/control.md lists them.
 */
#ifndef ELEXGATE_BACKUP_KEEPER_CONTROL_H
#define ELEXGATE_BACKUP_KEEPER_CONTROL_H

#include <jansson.h>
#include <uv.h>
#include "common/config.h"
#include "link/control_server.h"

struct keeper_control;

/* A request from a client; the answer goes through control_answer, now or later. */
typedef void keeper_request_fn(void *ctx, struct control_client *c, json_t *request);

int keeper_control_open(uv_loop_t *loop, const struct config *config, keeper_request_fn *fn,
    void *ctx, struct keeper_control **out, struct err *e) MUSTCHECK;
/* Who may ask besides root and our own user, and whom the page's program runs as. */
void keeper_control_users(struct keeper_control *k, const struct config *config);
void keeper_control_close(struct keeper_control *k); /* hangs up on all, removes the socket */

/* From now on this client gets every event; with the kind of a job ("backup", static), only that
 * one's and those about the keeper's own state, and its "done":true is the last one. */
void keeper_control_follow(struct control_client *c, const char *job);
/* To all that follow (borrowed). */
void keeper_control_publish(struct keeper_control *k, json_t *event);

#endif
