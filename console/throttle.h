/*
 * Guessing passwords is slow: after a few wrong ones an account, and an address, must wait; longer
 * each time. An account's wait stays short, so that nobody can lock the admin out from another
 * machine; an address's grows to a quarter of an hour. Thread-safe, bounded.
 */
#ifndef ELEXGATE_CONSOLE_THROTTLE_H
#define ELEXGATE_CONSOLE_THROTTLE_H

#include <stdint.h>

struct throttle;

struct throttle *throttle_create(void);
void throttle_free(struct throttle *t); /* NULL allowed */

/* Milliseconds that this account from this address has to wait before its next try; 0: may try.
 * now: a monotonic clock in ms. */
int64_t throttle_wait(struct throttle *t, const char *account, const char *address, uint64_t now);
/* After a try. */
void throttle_failed(struct throttle *t, const char *account, const char *address, uint64_t now);
void throttle_succeeded(struct throttle *t, const char *account, const char *address);

#endif
