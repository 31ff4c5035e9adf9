/*
 * The control socket: JSON lines over a unix socket (common/json_lines.h), for root, the proxy's
 * own user and those in control_users. The commands are in commands.c; docs/control.md has their
 * answers.
 */
#ifndef ELEXGATE_PROXY_CONTROL_CONTROL_H
#define ELEXGATE_PROXY_CONTROL_CONTROL_H

#include <jansson.h>
#include "proxy/proxy.h"

#define CONTROL_CLIENTS_MAX 64u
/* A watcher that reads too slowly is dropped when this much waits for it. */
#define CONTROL_BACKLOG_MAX (4u * 1024u * 1024u)

/* Listens under a name of its own, so that nobody finds it yet. -EADDRINUSE: another proxy answers
 * on control_socket; with takeover it is let answer. */
int control_server_open(
    struct proxy *p, bool takeover, struct control_server **out, struct err *e) MUSTCHECK;
/* The name becomes [proxy] control_socket, in one step: whoever connects reaches the old or the
 * new. Does nothing where it has that name already. */
int control_server_publish(struct control_server *s, struct err *e) MUSTCHECK;
/* A process that hands over answers on a second socket beside it, CONTROL_SOCKET.oXXXXXXXX. */
int control_server_open_second(struct control_server *s, struct err *e) MUSTCHECK;
void control_server_close_second(struct control_server *s);
const char *control_server_second(const struct control_server *s);
/* From now on the second one only; watchers are hung up on, so that they go to the successor. */
void control_server_leave_main(struct control_server *s);
void control_server_close(struct control_server *s); /* also removes the socket files */
/* A connection that was made already, as one of our own user. */
struct control_client *control_adopt(struct control_server *s, int fd);

/* To all watchers of this kind of event ("state", "session", "write", "idle"). object is the
 * callee's. */
void control_publish(struct control_server *s, const char *kind, json_t *object);

/* One connection, for commands.c. It stays in memory while anybody holds a reference, and an
 * answer to one that hung up is dropped. */
struct control_client;
struct control_client *control_client_ref(struct control_client *c);
void control_client_unref(struct control_client *c);
struct proxy *control_client_proxy(const struct control_client *c);
unsigned control_client_uid(const struct control_client *c);   /* who it is, says the kernel */
bool control_client_page(const struct control_client *c);      /* the page's program */
void control_answer(struct control_client *c, json_t *object); /* object is the callee's */
/* Starts sending events of these kinds; "idle" every interval_ms. */
void control_watch(struct control_client *c, const json_t *kinds, uint64_t interval_ms);
/* This connection holds the clients: when it goes, they are let go. */
void control_set_holder(struct control_client *c, bool holds);
/* This connection is a successor's: when it goes, handover_lost is called. */
void control_set_successor(struct control_client *c);
/* Root or our own user, as the kernel says; control_users alone may not exchange the program. */
bool control_client_owner(const struct control_client *c);
/* Sends one line with descriptors at once, past the queue. -EAGAIN where that is not possible. */
int control_send_fds(struct control_client *c, const json_t *object, const int *fds, size_t n,
    struct err *e) MUSTCHECK;

/* commands.c */
void command_run(struct control_client *c, const json_t *request);

#endif
