/*
 * The proxy as a backup sees it, over its control socket: hold all clients for the moment of
 * locking, and hear of writes. Blocking; one thread uses a link at a time.
 */
#ifndef ELEXGATE_BACKUP_SERVER_PROXY_LINK_H
#define ELEXGATE_BACKUP_SERVER_PROXY_LINK_H

#include <stdint.h>
#include "common/error.h"

struct proxy_hold;
struct proxy_watch;

/* Asks the proxy to hold every client between its transactions. 0: nothing is in flight and nothing
 * new comes until the hold is released (the proxy itself ends it after max_ms). 1: some client was
 * still busy after wait_ms; *e says what the proxy says. Negative: the proxy cannot be asked. */
int proxy_hold_take(const char *socket_path, unsigned wait_ms, unsigned max_ms,
    struct proxy_hold **out, struct err *e) MUSTCHECK;
/* Lets the clients go on. NULL allowed. Closing the connection is what releases, so it cannot fail.
 */
void proxy_hold_release(struct proxy_hold *h);

/* Subscribes to the proxy's "write" events. */
int proxy_watch_open(const char *socket_path, struct proxy_watch **out, struct err *e) MUSTCHECK;
/* Waits up to timeout_ms. 1: a write was seen, *session (if not NULL) is its session; 0: none.
 * Negative: the proxy is gone or talks nonsense. Earlier writes are taken together: one call,
 * one 1. */
int proxy_watch_wait(
    struct proxy_watch *w, int timeout_ms, uint64_t *session, struct err *e) MUSTCHECK;
void proxy_watch_close(struct proxy_watch *w); /* NULL allowed */

#endif
