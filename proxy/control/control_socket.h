/*
 * The proxy's control socket (link/control_server.h): two doors around a handover, and what its
 * clients watch, hold or take over. The commands are in commands.c; docs/control.md has their
 * answers.
 */
#ifndef ELEXGATE_PROXY_CONTROL_CONTROL_SOCKET_H
#define ELEXGATE_PROXY_CONTROL_CONTROL_SOCKET_H

#include <jansson.h>
#include "link/control_server.h"
#include "proxy/proxy.h"

struct control_socket;

/* What the others of this folder do for it. */
struct control_duties {
    void (*request)(struct control_client *c, const json_t *request); /* answers it */
    void (*successor_lost)(struct proxy *p, const struct control_client *c);
};

/* Listens under a name of its own, so that nobody finds it yet. -EADDRINUSE: another proxy answers
 * on control_socket; with takeover it is let answer. */
int control_socket_open(struct proxy *p, bool takeover, const struct control_duties *duties,
    struct control_socket **out, struct err *e) MUSTCHECK;
/* The name becomes [proxy] control_socket, in one step: whoever connects reaches the old or the
 * new. Does nothing where it has that name already. */
int control_socket_publish(struct control_socket *s, struct err *e) MUSTCHECK;
/* Who may ask, by the settings that are in force. */
void control_socket_settings(struct control_socket *s);
/* A process that hands over answers on a second socket beside it, CONTROL_SOCKET.oXXXXXXXX. */
int control_socket_open_second(struct control_socket *s, struct err *e) MUSTCHECK;
void control_socket_close_second(struct control_socket *s);
const char *control_socket_second(const struct control_socket *s);
/* From now on the second one only; watchers are hung up on, so that they go to the successor. */
void control_socket_leave_main(struct control_socket *s);
void control_socket_close(struct control_socket *s); /* also removes the socket files */
/* A connection to a successor, made already; as control_socket_successor. */
struct control_client *control_socket_adopt(struct control_socket *s, int fd);

/* To all watchers of this kind of event ("state", "session", "write", "idle"). object is the
 * callee's. */
void control_socket_tell(struct control_socket *s, const char *kind, json_t *object);

/* Of one client: its proxy, NULL once it hung up. */
struct proxy *control_socket_proxy(const struct control_client *c);
/* Starts sending events of these kinds; "idle" every interval_ms. */
void control_socket_watch(struct control_client *c, const json_t *kinds, uint64_t interval_ms);
/* This connection holds the clients: when it goes, they are let go. */
void control_socket_holder(struct control_client *c, bool holds);
/* This connection is a successor's: when it goes, successor_lost is called. */
void control_socket_successor(struct control_client *c);

#endif
