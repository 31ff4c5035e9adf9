/*
 * libuv's loops, for programs that shut themselves in afterwards (call_filter.h).
 */
#ifndef ELEXGATE_COMMON_LOOP_H
#define ELEXGATE_COMMON_LOOP_H

#include <uv.h>

/* uv_loop_init, of a loop without a ring of its own: newer libuvs open one (io_uring) where the
 * kernel has it, cannot be told not to, and abort when it is refused later. 0 or libuv's error. */
int loop_init(uv_loop_t *loop) __attribute__((warn_unused_result));

#endif
