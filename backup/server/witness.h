/*
 * The witness: a thread that notices at once when somebody wants to write while a backup holds the
 * lock, by two signs.
 *
 *  - The proxy's "write" event: the statement is on its way to the server.
 *  - The server's own sign, for programs that bypass the proxy: a thread that waits for the lock
 *    (PROCESSLIST state "Waiting for backup lock"), asked for every 20 ms on a connection of its
 *    own. This sign alone is enough; the proxy's is only faster.
 *
 * The callback fires at most once per arming, in the witness's thread, and gets the witness's own
 * server connection to act with. A server that can no longer be asked counts as a sign; a proxy
 * that goes away does not, as its clients are seen by the second sign.
 */
#ifndef ELEXGATE_BACKUP_SERVER_WITNESS_H
#define ELEXGATE_BACKUP_SERVER_WITNESS_H

#include "backup/server/server.h"

struct witness;

enum witness_sign {
    WITNESS_OFF,
    WITNESS_SERVER, /* the server's sign only: while the lock is being taken */
    WITNESS_BOTH,   /* also the proxy's event: once the clients run again */
};

typedef void witness_fn(void *ctx, struct server *own, const struct err *why);

/* proxy_socket NULL: there is no proxy. lock_thread is the thread id of the connection that holds
 * the lock; it is not counted as a waiter. */
int witness_start(const struct server_target *t, const char *program, const char *proxy_socket,
    witness_fn *fn, void *ctx, struct witness **out, struct err *e) MUSTCHECK;
void witness_arm(struct witness *w, enum witness_sign signs, uint64_t lock_thread);
/* After it returned the callback does not run any more. */
void witness_stop(struct witness *w); /* NULL allowed */

#endif
