/*
 * The keeper's control socket: JSON lines over a unix socket, for root, the keeper's own user and
 * those in control_users. What the commands do is in commands.c; docs/control.md lists them.
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
/* Who may ask besides root and our own user, and whom the page's program runs as; borrowed. */
void keeper_control_users(
    struct keeper_control *k, const char *const *names, const char *page_user);
void keeper_control_close(struct keeper_control *k); /* hangs up on all, removes the socket */

/* Sends; takes over the reference. */
void keeper_client_answer(struct keeper_client *c, json_t *object);
/* Who it is, says the kernel; (uid_t)-1 where it does not. */
uid_t keeper_client_uid(const struct keeper_client *c);
/* The page's program, which asks for whoever is signed in there (link/rights.h). */
bool keeper_client_page(const struct keeper_client *c);
/* For an answer that comes later: the client may have gone by then. */
uint64_t keeper_client_id(const struct keeper_client *c);
struct keeper_client *keeper_control_client(struct keeper_control *k, uint64_t id); /* or NULL */
void keeper_control_answer(struct keeper_control *k, uint64_t client, const json_t *object);
/* From now on this client gets every event; with the kind of a job ("backup", static), only that
 * one's and those about the keeper's own state, and its "done":true is the last one. */
void keeper_client_follow(struct keeper_client *c, const char *job);
/* To all that follow (borrowed). */
void keeper_control_publish(struct keeper_control *k, const json_t *event);

#endif
