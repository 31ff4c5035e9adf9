/*
 * Guessing passwords is slow: after a few wrong ones an account, and a network
 * (console/http/network.h), must wait; longer each time. Nobody can lock somebody else out: a
 * browser in which an account signed in before has a device of its own, which is all that counts
 * for it. Thread-safe, bounded.
 */
#ifndef ELEXGATE_CONSOLE_WHO_THROTTLE_H
#define ELEXGATE_CONSOLE_WHO_THROTTLE_H

#include <stdint.h>

struct throttle;

struct throttle *throttle_create(void);
void throttle_free(struct throttle *t); /* NULL allowed */

struct throttle_who {
    const char *account, *address;
    const char *device; /* the account's, in this browser; NULL: none is known */
};

/* Milliseconds to wait before the next try; 0: may try. now: a monotonic clock in ms. */
int64_t throttle_wait(struct throttle *t, const struct throttle_who *who, uint64_t now);
/* After a try. */
void throttle_failed(struct throttle *t, const struct throttle_who *who, uint64_t now);
void throttle_succeeded(struct throttle *t, const struct throttle_who *who);

#endif
