/*
 * Taking over from a running process: the side of the new one. handover.h has the conversation and
 * the other side.
 *
 * Blocking, on the main thread, before the loop runs: the new process has nobody to serve yet.
 */
#ifndef ELEXGATE_PROXY_CONTROL_TAKEOVER_H
#define ELEXGATE_PROXY_CONTROL_TAKEOVER_H

#include <stdbool.h>
#include <sys/types.h>
#include "common/error.h"
#include "link/control.h"
#include "proxy/listener.h"

struct takeover { /* zero-initialise; fd -1 unless the running process gave us a connection */
    int fd;       /* until it is asked */
    struct control *control;
    struct json_t *line; /* the last answer */
    struct listener_socket sockets[LISTENER_SOCKETS_MAX];
    size_t n_sockets;
    bool active, blocked;
    pid_t pid;
};

/* For a process that the old one has started, before it has threads: from here on it is no child of
 * the old one but of the supervisor, systemd, who so hears when it ends. */
void takeover_detach(void);
/* Asks for the listening sockets, over fd or else over the control socket. 1: nobody answers there,
 * so there is nothing to take over. */
int takeover_ask(struct takeover *t, const char *control_socket, struct err *e) MUSTCHECK;
/* The other accepts no more from here on; p gets what only its memory knew. */
int takeover_take(struct takeover *t, struct proxy *p, struct err *e) MUSTCHECK;
/* We serve. -ETIMEDOUT and the like: the other serves on, so we must not. A connection that broke
 * is success: then nobody else is there. */
int takeover_done(struct takeover *t, const struct proxy *p, struct err *e) MUSTCHECK;
/* Tells the other, where it waits for that, why nothing comes of it. */
void takeover_failed(struct takeover *t, const struct err *why);
/* Frees; sockets that nobody took are closed. */
void takeover_end(struct takeover *t);

#endif
