/*
 * Listening sockets: bound here or handed over by systemd (sd_listen_fds(3)), and who may come in.
 * One socket for all workers, accepted on the main loop and handed to the worker with the fewest
 * sessions: an Elexis workstation keeps 4 to 11 connections for a day, and SO_REUSEPORT's hash
 * spreads so few badly (docs/performance.md).
 */
#ifndef ELEXGATE_PROXY_LISTENER_H
#define ELEXGATE_PROXY_LISTENER_H

#include "proxy/proxy.h"

/* Binds all; nothing is accepted before listeners_start. */
int listeners_open(struct proxy *p, struct listeners **out, struct err *e) MUSTCHECK;
void listeners_start(struct listeners *l);
/* After a reload: new clients get the new settings' socket options. */
void listeners_update(struct listeners *l);
/* Closes the sockets. The memory goes with the loop's close callbacks. */
void listeners_close(struct listeners *l);

#endif
