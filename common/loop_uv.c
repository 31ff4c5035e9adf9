#include "common/loop.h"

#include <pthread.h>
#include <stdlib.h>
#include "common/call_filter.h"

struct making {
    uv_loop_t *loop;
    int r;
};

/* A filter is a thread's own, and this thread ends with it: what is started later has none of it.
 * Where the kernel has no filters, nothing is refused later either. */
static void *make(void *arg)
{
    struct making *m = arg;
    int filtered = call_filter_no_ring_here();
    (void)filtered;
    m->r = uv_loop_init(m->loop);
    return NULL;
}

int loop_init(uv_loop_t *loop)
{
    struct making m = {loop, UV_ENOMEM};
    pthread_t thread;
    if (setenv("UV_USE_IO_URING", "0", 1) < 0 || pthread_create(&thread, NULL, make, &m) != 0)
        return UV_ENOMEM;
    pthread_join(thread, NULL);
    return m.r;
}
