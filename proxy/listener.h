/*
 * Listening sockets: bound here or handed over by systemd (sd_listen_fds(3)), and who may come in.
 * One socket for all workers, accepted on the main loop and handed to the worker with the fewest
 * sessions: an Elexis workstation keeps 4 to 11 connections for a day, and SO_REUSEPORT's hash
 * spreads so few badly (docs/evidence/performance.md).
 */
#ifndef ELEXGATE_PROXY_LISTENER_H
#define ELEXGATE_PROXY_LISTENER_H

#include "proxy/proxy.h"

/* A listening socket as one process hands it to the next (handover.h, takeover.h). */
struct listener_socket {
    char *name;    /* of the [listen ...] section */
    char *address; /* as the configuration wrote it; "" = systemd made the socket */
    uint16_t port;
    int fd; /* -1: taken */
};
#define LISTENER_SOCKETS_MAX 64u

/* Takes the sockets of handed that fit the configuration, binds the rest; nothing is accepted
 * before listeners_start. -ENOSPC: more than LISTENER_SOCKETS_MAX. */
int listeners_open(struct proxy *p, struct listener_socket *handed, size_t n_handed,
    struct listeners **out, struct err *e) MUSTCHECK;
void listeners_start(struct listeners *l);
/* Clients wait in the kernel's queue, none is refused; and accepting again. */
void listeners_pause(struct listeners *l);
void listeners_resume(struct listeners *l);
/* What a successor gets: a description and the descriptor of each socket. Returns their number;
 * *described is a new array in the same order. */
size_t listeners_export(
    const struct listeners *l, json_t **described, int fds[static LISTENER_SOCKETS_MAX]);
/* After a reload: new clients get the new settings' socket options. */
void listeners_update(struct listeners *l);
/* Closes the sockets. The memory goes with the loop's close callbacks. */
void listeners_close(struct listeners *l);

#endif
