/*
 * The control socket: JSON lines over a unix socket (common/json_lines.h), for root, the proxy's
 * own user and those in control_users. The commands are in commands.c; docs/control.md has their
 * answers.
 */
#ifndef ELEXGATE_PROXY_CONTROL_H
#define ELEXGATE_PROXY_CONTROL_H

#include <jansson.h>
#include "proxy/proxy.h"

#define CONTROL_CLIENTS_MAX 64u
/* A watcher that reads too slowly is dropped when this much waits for it. */
#define CONTROL_BACKLOG_MAX (4u * 1024u * 1024u)

int control_server_open(struct proxy *p, struct control_server **out, struct err *e) MUSTCHECK;
void control_server_close(struct control_server *s); /* also removes the socket file */

/* To all watchers of this kind of event ("state", "session", "write", "idle"). object is the
 * callee's. */
void control_publish(struct control_server *s, const char *kind, json_t *object);

/* One connection, for commands.c. It stays in memory while anybody holds a reference, and an
 * answer to one that hung up is dropped. */
struct control_client;
struct control_client *control_client_ref(struct control_client *c);
void control_client_unref(struct control_client *c);
struct proxy *control_client_proxy(const struct control_client *c);
void control_answer(struct control_client *c, json_t *object); /* object is the callee's */
/* Starts sending events of these kinds; "idle" every interval_ms. */
void control_watch(struct control_client *c, const json_t *kinds, uint64_t interval_ms);
/* This connection holds the clients: when it goes, they are let go. */
void control_set_holder(struct control_client *c, bool holds);

/* commands.c */
void command_run(struct control_client *c, const json_t *request);

#endif
