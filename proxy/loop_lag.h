/*
 * How late a loop is: a timer of one second notes by how much it came too late. Whatever keeps the
 * loop from its work, such as a callback that takes long or a machine without time for it, shows;
 * what the loop relays costs nothing more.
 */
#ifndef ELEXGATE_PROXY_LOOP_LAG_H
#define ELEXGATE_PROXY_LOOP_LAG_H

#include <stdatomic.h>
#include <uv.h>

struct loop_lag {
    uv_timer_t timer;
    uint64_t due_ns, window_ns;         /* when the timer is due; when this window began */
    _Atomic uint64_t worst_us, last_us; /* of this window and of the one before; one writer */
};

/* Both on the loop's own thread. l stays where it is until the loop has been closed. */
void loop_lag_start(struct loop_lag *l, uv_loop_t *loop);
void loop_lag_stop(struct loop_lag *l);
/* The worst of the last half to one minute, microseconds. Any thread. */
uint64_t loop_lag_us(const struct loop_lag *l);

#endif
