#include "common/log_limit.h"

#include <pthread.h>

struct log_limit {
    pthread_mutex_t lock;
    unsigned lines;    /* allowed in a window */
    unsigned used;     /* in this one */
    unsigned silenced; /* in this one */
    unsigned owed;     /* kept back in windows that are over, not told yet */
    uint64_t start_ms; /* of this window */
};

struct log_limit *log_limit_new(unsigned lines)
{
    struct log_limit *l = xcalloc(1, sizeof *l);
    CHECK(pthread_mutex_init(&l->lock, NULL) == 0);
    l->lines = lines;
    return l;
}

void log_limit_free(struct log_limit *l)
{
    if (!l)
        return;
    pthread_mutex_destroy(&l->lock);
    free(l);
}

/* A window begins with its first line, so that a quiet listener costs nothing. */
static void turn(struct log_limit *l, uint64_t now_ms)
{
    if (l->used == 0 || now_ms < l->start_ms + LOG_LIMIT_WINDOW_MS)
        return;
    l->owed += l->silenced;
    l->used = l->silenced = 0;
}

bool log_limit_may(struct log_limit *l, uint64_t now_ms)
{
    pthread_mutex_lock(&l->lock);
    turn(l, now_ms);
    if (l->used == 0)
        l->start_ms = now_ms;
    bool may = l->used < l->lines;
    if (may)
        l->used++;
    else
        l->silenced++;
    pthread_mutex_unlock(&l->lock);
    return may;
}

unsigned log_limit_kept_back(struct log_limit *l, uint64_t now_ms)
{
    pthread_mutex_lock(&l->lock);
    turn(l, now_ms);
    unsigned owed = l->owed;
    l->owed = 0;
    pthread_mutex_unlock(&l->lock);
    return owed;
}
