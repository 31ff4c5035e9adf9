/*
 * gzip, deflated in parallel: a ring of slots, each going free → filled → deflated → free.
 *
 * Slot number i belongs to block number i modulo the ring's size, so order needs no queue: the
 * caller fills block `next_fill`, workers take `next_deflate`, the writer hands on `next_out`.
 */
#include "backup/archive/gzip_write.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS     20
#define RESERVE_MAX 8192

struct slot {
    enum { SLOT_FREE, SLOT_FILLED, SLOT_DEFLATED } state;
    uint8_t *in, *out;
    size_t in_len, out_len;
};

struct gzip_writer {
    struct sink *sink;
    const struct deflate_backend *backend;
    int level;
    bool (*go_on)(void *ctx);
    void *ctx;

    pthread_mutex_t lock;
    pthread_cond_t to_caller, to_workers, to_writer;
    struct slot *slots;
    size_t slot_count, block;
    size_t filled; /* bytes in the slot of next_fill, once that is free */
    uint64_t next_fill, next_deflate, next_out; /* block numbers */
    bool ending;                                /* no further blocks come */
    bool stop;                                  /* give up: error or drop */
    struct err error;
    int failed;

    pthread_t *workers, writer;
    unsigned worker_count;
    bool threads_run;

    uint64_t taken, handed_on;
    size_t reserved;
};

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

/* Header and trailer around a deflate stream that lies at out + GZIP_HEADER. */
static size_t member_close(uint8_t *out, size_t deflated, uint32_t crc, size_t in_len)
{
    static const uint8_t header[16] = {0x1f, 0x8b, 8 /* deflate */, 4 /* extra field */, 0, 0, 0,
        0 /* no time: the same content gives the same archive */, 0, 3 /* Unix */, 8,
        0 /* length of the extra field */, 'E', 'G', 4, 0};
    size_t total = GZIP_HEADER + deflated + GZIP_TRAILER;
    memcpy(out, header, sizeof header);
    put32(out + 16, (uint32_t)total);
    put32(out + total - 8, crc);
    put32(out + total - 4, (uint32_t)in_len);
    return total;
}

static void slot_deflate(struct gzip_writer *w, void *state, struct slot *s)
{
    size_t cap = deflate_stored_size(s->in_len);
    size_t n = w->backend->block(state, s->in, s->in_len, s->out + GZIP_HEADER, cap);
    if (n == 0) /* it would grow: pictures, encrypted files */
        n = deflate_stored(s->in, s->in_len, s->out + GZIP_HEADER);
    s->out_len = member_close(s->out, n, w->backend->crc(0, s->in, s->in_len), s->in_len);
}

static void *worker_main(void *arg)
{
    struct gzip_writer *w = arg;
    void *state = w->backend->make(w->level);
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (!w->stop && w->next_deflate == w->next_fill && !w->ending)
            pthread_cond_wait(&w->to_workers, &w->lock);
        if (w->stop || w->next_deflate == w->next_fill)
            break;
        struct slot *s = &w->slots[w->next_deflate++ % w->slot_count];
        ASSERT(s->state == SLOT_FILLED);
        pthread_mutex_unlock(&w->lock);
        slot_deflate(w, state, s);
        pthread_mutex_lock(&w->lock);
        s->state = SLOT_DEFLATED;
        pthread_cond_signal(&w->to_writer);
    }
    pthread_mutex_unlock(&w->lock);
    w->backend->drop(state);
    return NULL;
}

static void *writer_main(void *arg)
{
    struct gzip_writer *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        struct slot *s = &w->slots[w->next_out % w->slot_count];
        if (w->stop || (w->ending && w->next_out == w->next_fill))
            break;
        if (w->next_out == w->next_fill || s->state != SLOT_DEFLATED) {
            pthread_cond_wait(&w->to_writer, &w->lock);
            continue;
        }
        struct err e = {0};
        pthread_mutex_unlock(&w->lock);
        int r = w->sink->write(w->sink, s->out, s->out_len, &e);
        pthread_mutex_lock(&w->lock);
        if (r < 0) {
            w->failed = r;
            w->error = e;
            w->stop = true;
            pthread_cond_broadcast(&w->to_workers);
        } else {
            w->handed_on += s->out_len;
            s->state = SLOT_FREE;
            w->next_out++;
        }
        pthread_cond_signal(&w->to_caller);
    }
    pthread_cond_signal(&w->to_caller);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* Signals are the job's business: its own threads get them, not these. */
static void start_threads(struct gzip_writer *w)
{
    sigset_t all, old;
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &old) == 0);
    for (unsigned i = 0; i < w->worker_count; i++)
        CHECK(pthread_create(&w->workers[i], NULL, worker_main, w) == 0);
    CHECK(pthread_create(&w->writer, NULL, writer_main, w) == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
    w->threads_run = true;
}

static void join_threads(struct gzip_writer *w)
{
    if (!w->threads_run)
        return;
    for (unsigned i = 0; i < w->worker_count; i++)
        pthread_join(w->workers[i], NULL);
    pthread_join(w->writer, NULL);
    w->threads_run = false;
}

struct gzip_writer *gzip_write_open(struct sink *sink, const struct deflate_backend *backend,
    int level, unsigned threads, bool (*go_on)(void *ctx), void *ctx)
{
    struct gzip_writer *w = xcalloc(1, sizeof *w);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    if (threads == 0)
        threads = cpus > 0 ? (unsigned)cpus : 1;
    w->worker_count = threads < GZIP_THREADS_MAX ? threads : GZIP_THREADS_MAX;
    w->sink = sink;
    w->backend = backend;
    w->level = deflate_level(backend, level);
    w->go_on = go_on;
    w->ctx = ctx;
    /* Smaller blocks with more threads keep the memory where it is. */
    w->block = GZIP_BLOCK_MAX >> (w->worker_count > 16 ? 2 : w->worker_count > 8 ? 1 : 0);
    w->slot_count = 2 * w->worker_count + 2;
    w->slots = xcalloc(w->slot_count, sizeof *w->slots);
    for (size_t i = 0; i < w->slot_count; i++) {
        w->slots[i].in = xmalloc(w->block);
        w->slots[i].out = xmalloc(GZIP_HEADER + deflate_stored_size(w->block) + GZIP_TRAILER);
    }
    w->workers = xcalloc(w->worker_count, sizeof *w->workers);
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->to_caller, &attr);
    pthread_condattr_destroy(&attr);
    pthread_cond_init(&w->to_workers, NULL);
    pthread_cond_init(&w->to_writer, NULL);
    start_threads(w);
    return w;
}

/* With the lock held: waits a little for the writer; GZIP_STOPPED when asked to stop. */
static int wait_for_writer(struct gzip_writer *w)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += WAIT_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&w->to_caller, &w->lock, &until);
    if (!w->go_on)
        return 0;
    pthread_mutex_unlock(&w->lock);
    bool on = w->go_on(w->ctx);
    pthread_mutex_lock(&w->lock);
    return on ? 0 : GZIP_STOPPED;
}

static int failure(struct gzip_writer *w, struct err *e)
{
    if (e)
        *e = w->error;
    return w->failed;
}

/* The slot that is being filled, once it is free. */
static int slot_get(struct gzip_writer *w, struct slot **out, struct err *e)
{
    struct slot *s = &w->slots[w->next_fill % w->slot_count];
    int r = 0;
    pthread_mutex_lock(&w->lock);
    while (s->state != SLOT_FREE && !w->failed && r == 0)
        r = wait_for_writer(w);
    if (w->failed)
        r = failure(w, e);
    pthread_mutex_unlock(&w->lock);
    *out = s;
    return r;
}

static void slot_hand_over(struct gzip_writer *w, struct slot *s)
{
    pthread_mutex_lock(&w->lock);
    s->in_len = w->filled;
    w->filled = 0;
    s->state = SLOT_FILLED;
    w->next_fill++;
    pthread_cond_signal(&w->to_workers);
    pthread_mutex_unlock(&w->lock);
}

int gzip_write_reserve(struct gzip_writer *w, size_t n, struct err *e)
{
    static const uint8_t zeros[RESERVE_MAX];
    uint8_t member[GZIP_HEADER + RESERVE_MAX + 5 + GZIP_TRAILER];
    CHECK(w->next_fill == 0 && w->taken == 0 && n <= RESERVE_MAX);
    /* Nothing is in the ring yet, so the writer's thread does not use the sink. */
    size_t len = deflate_stored(zeros, n, member + GZIP_HEADER);
    len = member_close(member, len, w->backend->crc(0, zeros, n), n);
    w->reserved = n;
    w->taken += n;
    w->handed_on += len;
    return w->sink->write(w->sink, member, len, e);
}

int gzip_write_data(struct gzip_writer *w, const void *data, size_t len, struct err *e)
{
    const uint8_t *p = data;
    while (len > 0) {
        struct slot *s;
        int r = slot_get(w, &s, e);
        if (r != 0)
            return r;
        size_t room = w->block - w->filled, n = len < room ? len : room;
        memcpy(s->in + w->filled, p, n);
        w->filled += n;
        w->taken += n;
        p += n;
        len -= n;
        if (w->filled == w->block)
            slot_hand_over(w, s);
    }
    return 0;
}

int gzip_write_finish(struct gzip_writer *w, const void *reserved, struct err *e)
{
    struct slot *s;
    int r = slot_get(w, &s, e);
    if (r != 0)
        return r;
    if (w->filled > 0)
        slot_hand_over(w, s);
    pthread_mutex_lock(&w->lock);
    w->ending = true;
    pthread_cond_broadcast(&w->to_workers);
    pthread_cond_signal(&w->to_writer);
    while (w->next_out != w->next_fill && !w->failed && r == 0)
        r = wait_for_writer(w);
    if (w->failed)
        r = failure(w, e);
    pthread_mutex_unlock(&w->lock);
    if (r != 0)
        return r;
    join_threads(w);
    if (w->reserved > 0) {
        uint8_t member[GZIP_HEADER + RESERVE_MAX + 5 + GZIP_TRAILER];
        size_t len = deflate_stored(reserved, w->reserved, member + GZIP_HEADER);
        len = member_close(member, len, w->backend->crc(0, reserved, w->reserved), w->reserved);
        r = w->sink->rewrite(w->sink, member, len, e);
    }
    return r < 0 ? r : w->sink->finish(w->sink, e);
}

uint64_t gzip_write_in(const struct gzip_writer *w)
{
    return w->taken;
}

uint64_t gzip_write_out(struct gzip_writer *w)
{
    pthread_mutex_lock(&w->lock);
    uint64_t n = w->handed_on;
    pthread_mutex_unlock(&w->lock);
    return n;
}

void gzip_write_drop(struct gzip_writer *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_broadcast(&w->to_workers);
    pthread_cond_broadcast(&w->to_writer);
    pthread_mutex_unlock(&w->lock);
    join_threads(w);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->to_caller);
    pthread_cond_destroy(&w->to_workers);
    pthread_cond_destroy(&w->to_writer);
    for (size_t i = 0; i < w->slot_count; i++) {
        free(w->slots[i].in);
        free(w->slots[i].out);
    }
    free(w->slots);
    free(w->workers);
    free(w);
}
