/*
 * The keeper's control socket: JSON lines over a unix socket, for root, the keeper's own user and
 * those in control_users. What the commands do is in keeper_commands.c; docs/backup.md lists them.
 */
#ifndef ELEXGATE_BACKUP_KEEPER_CONTROL_H
#define ELEXGATE_BACKUP_KEEPER_CONTROL_H

#include <jansson.h>
#include <uv.h>
#include "common/config.h"

struct keeper_control;
struct keeper_client;

/* A request from a client; the answer goes through keeper_client_answer, now or later. */
typedef void keeper_request_fn(void *ctx, struct keeper_client *c, json_t *request);

int keeper_control_open(uv_loop_t *loop, const char *path, keeper_request_fn *fn, void *ctx,
    struct keeper_control **out, struct err *e) MUSTCHECK;
void keeper_control_users(struct keeper_control *k, const char *const *names); /* borrowed */
void keeper_control_close(struct keeper_control *k); /* hangs up on all, removes the socket */

/* Sends; takes over the reference. */
void keeper_client_answer(struct keeper_client *c, json_t *object);
/* From now on this client gets every event. until_done: it is one that follows a run, and the event
 * with "done":true is its last. */
void keeper_client_follow(struct keeper_client *c, bool until_done);
/* To all that follow (borrowed). */
void keeper_control_publish(struct keeper_control *k, const json_t *event);

#endif
