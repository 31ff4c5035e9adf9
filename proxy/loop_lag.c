#include "proxy/loop_lag.h"

#include "common/error.h"

#define EVERY_MS  1000u
#define WINDOW_NS (UINT64_C(30) * 1000 * 1000 * 1000)
#define NS_IN_MS  UINT64_C(1000000)

static void arm(struct loop_lag *l);

static void on_timer(uv_timer_t *t)
{
    struct loop_lag *l = t->data;
    uint64_t now = uv_hrtime();
    uint64_t late_us = now > l->due_ns ? (now - l->due_ns) / 1000 : 0;
    if (now - l->window_ns >= WINDOW_NS) {
        l->window_ns = now;
        atomic_store_explicit(&l->last_us, atomic_load_explicit(&l->worst_us, memory_order_relaxed),
            memory_order_relaxed);
        atomic_store_explicit(&l->worst_us, 0, memory_order_relaxed);
    }
    if (late_us > atomic_load_explicit(&l->worst_us, memory_order_relaxed))
        atomic_store_explicit(&l->worst_us, late_us, memory_order_relaxed);
    arm(l);
}

/* libuv counts from the time at which the loop last woke, in whole milliseconds: that is what is
 * due, not a second from now. */
static void arm(struct loop_lag *l)
{
    CHECK(uv_timer_start(&l->timer, on_timer, EVERY_MS, 0) == 0);
    l->due_ns = (uv_now(l->timer.loop) + EVERY_MS + 1) * NS_IN_MS;
}

void loop_lag_start(struct loop_lag *l, uv_loop_t *loop)
{
    CHECK(uv_timer_init(loop, &l->timer) == 0);
    l->timer.data = l;
    l->window_ns = uv_hrtime();
    arm(l);
}

void loop_lag_stop(struct loop_lag *l)
{
    uv_close((uv_handle_t *)&l->timer, NULL);
}

uint64_t loop_lag_us(const struct loop_lag *l)
{
    uint64_t a = atomic_load_explicit(&l->worst_us, memory_order_relaxed);
    uint64_t b = atomic_load_explicit(&l->last_us, memory_order_relaxed);
    return a > b ? a : b;
}
