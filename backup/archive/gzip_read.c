/*
 * gzip, inflated in parallel: the mirror image of gzip_write.c. The caller's thread reads members
 * into a ring of slots and takes the inflated ones in order; workers inflate between.
 */
#include "backup/archive/gzip_read.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "common/lang.h"

#define SERIAL_IN (256 * 1024)

struct slot {
    enum { SLOT_FREE, SLOT_FILLED, SLOT_INFLATED, SLOT_BAD } state;
    uint8_t *in, *out;
    size_t in_len, out_len;
    uint64_t offset; /* of the member in the file */
    const char *problem;
};

struct gzip_reader {
    struct source *source;
    const struct inflate_backend *backend;
    enum { MODE_UNKNOWN, MODE_PARALLEL, MODE_SERIAL } mode;
    uint64_t offset, members;
    bool at_end; /* the source has no more */
    int damaged; /* GZIP_READ_DAMAGED once reading came upon it; told after what lies before */
    struct err damage;

    pthread_mutex_t lock;
    pthread_cond_t to_caller, to_workers;
    struct slot *slots;
    size_t slot_count;
    uint64_t next_fill, next_inflate, next_out;
    bool stop, lent; /* lent: the slot of next_out is in the caller's hands */
    pthread_t *workers;
    unsigned worker_count, workers_run;

    z_stream z; /* serial */
    bool z_open, in_member;
    uint8_t *serial_in, *serial_out;
    uint8_t head[GZIP_HEADER];
    size_t head_len;
};

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The header that gzip_write.c writes; *total is the member's length. */
static bool header_ours(const uint8_t *h, size_t *total)
{
    static const uint8_t fixed[16] = {0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 3, 8, 0, 'E', 'G', 4, 0};
    *total = get32(h + 16);
    return memcmp(h, fixed, sizeof fixed) == 0;
}

static void slot_inflate(struct gzip_reader *r, void *state, struct slot *s)
{
    const uint8_t *body = s->in + GZIP_HEADER, *trailer = s->in + s->in_len - GZIP_TRAILER;
    size_t body_len = s->in_len - GZIP_HEADER - GZIP_TRAILER;
    s->out_len = get32(trailer + 4);
    if (s->out_len > GZIP_BLOCK_MAX)
        s->problem = N_("claims an impossible length");
    else if (r->backend->block(state, body, body_len, s->out, s->out_len) < 0)
        s->problem = N_("cannot be inflated");
    else if (r->backend->crc(0, s->out, s->out_len) != get32(trailer))
        s->problem = "has a wrong CRC";
}

static void *worker_main(void *arg)
{
    struct gzip_reader *r = arg;
    void *state = r->backend->make();
    pthread_mutex_lock(&r->lock);
    for (;;) {
        while (!r->stop && r->next_inflate == r->next_fill)
            pthread_cond_wait(&r->to_workers, &r->lock);
        if (r->stop)
            break;
        struct slot *s = &r->slots[r->next_inflate++ % r->slot_count];
        pthread_mutex_unlock(&r->lock);
        slot_inflate(r, state, s);
        pthread_mutex_lock(&r->lock);
        s->state = s->problem ? SLOT_BAD : SLOT_INFLATED;
        pthread_cond_signal(&r->to_caller);
    }
    pthread_mutex_unlock(&r->lock);
    r->backend->drop(state);
    return NULL;
}

struct gzip_reader *gzip_read_open(
    struct source *source, const struct inflate_backend *backend, unsigned threads)
{
    struct gzip_reader *r = xcalloc(1, sizeof *r);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    if (threads == 0)
        threads = cpus > 0 ? (unsigned)cpus : 1;
    r->worker_count = threads < 8 ? threads : 8; /* 18 slots of 2 MiB: the memory's limit */
    r->source = source;
    r->backend = backend;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->to_caller, NULL);
    pthread_cond_init(&r->to_workers, NULL);
    return r;
}

static void start_parallel(struct gzip_reader *r)
{
    sigset_t all, old;
    r->mode = MODE_PARALLEL;
    r->slot_count = 2 * r->worker_count + 2;
    r->slots = xcalloc(r->slot_count, sizeof *r->slots);
    for (size_t i = 0; i < r->slot_count; i++) {
        r->slots[i].in = xmalloc(GZIP_MEMBER_MAX);
        r->slots[i].out = xmalloc(GZIP_BLOCK_MAX);
    }
    r->workers = xcalloc(r->worker_count, sizeof *r->workers);
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &old) == 0);
    for (; r->workers_run < r->worker_count; r->workers_run++)
        CHECK(pthread_create(&r->workers[r->workers_run], NULL, worker_main, r) == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
}

static void start_serial(struct gzip_reader *r)
{
    r->mode = MODE_SERIAL;
    r->serial_in = xmalloc(SERIAL_IN);
    r->serial_out = xmalloc(GZIP_BLOCK_MAX);
    CHECK(inflateInit2(&r->z, 16 + MAX_WBITS) == Z_OK); /* 16: gzip, with CRC and length */
    r->z_open = true;
    memcpy(r->serial_in, r->head, r->head_len);
    r->z.next_in = r->serial_in;
    r->z.avail_in = (uInt)r->head_len;
}

static int damaged(struct gzip_reader *r, uint64_t offset, const char *what)
{
    err_set(&r->damage, EBADMSG, "gzip member %" PRIu64 " at byte %" PRIu64 " %s", r->members + 1,
        offset, what);
    r->damaged = GZIP_READ_DAMAGED;
    return r->damaged;
}

static ssize_t fill(struct gzip_reader *r, void *buf, size_t len, struct err *e)
{
    ssize_t n = source_fill(r->source, buf, len, e);
    if (n > 0)
        r->offset += (uint64_t)n;
    return n;
}

/* Reads one member of ours into a slot. 0, or a negative error; the end and damage are noted. */
static int read_member(struct gzip_reader *r, struct slot *s, struct err *e)
{
    uint64_t offset = r->offset - r->head_len;
    if (r->head_len == 0) {
        ssize_t n = fill(r, r->head, GZIP_HEADER, e);
        if (n <= 0) {
            r->at_end = n == 0;
            return (int)n;
        }
        r->head_len = (size_t)n;
    }
    size_t total;
    if (r->head_len < GZIP_HEADER)
        return damaged(r, offset, N_("is cut off in its header")), 0;
    if (!header_ours(r->head, &total))
        return damaged(r, offset, N_("has a broken header")), 0;
    if (total < GZIP_HEADER + GZIP_TRAILER || total > GZIP_MEMBER_MAX)
        return damaged(r, offset, N_("claims an impossible length")), 0;
    memcpy(s->in, r->head, GZIP_HEADER);
    r->head_len = 0;
    ssize_t n = fill(r, s->in + GZIP_HEADER, total - GZIP_HEADER, e);
    if (n < 0)
        return (int)n;
    if ((size_t)n < total - GZIP_HEADER)
        return damaged(r, offset, N_("is cut off")), 0;
    s->in_len = total;
    s->offset = offset;
    s->problem = NULL;
    r->members++;
    pthread_mutex_lock(&r->lock);
    s->state = SLOT_FILLED;
    r->next_fill++;
    pthread_cond_signal(&r->to_workers);
    pthread_mutex_unlock(&r->lock);
    return 0;
}

static int next_parallel(struct gzip_reader *r, const uint8_t **data, size_t *len, struct err *e)
{
    if (r->lent) {
        r->slots[r->next_out % r->slot_count].state = SLOT_FREE;
        r->next_out++;
        r->lent = false;
    }
    while (!r->at_end && !r->damaged && r->next_fill - r->next_out < r->slot_count) {
        int x = read_member(r, &r->slots[r->next_fill % r->slot_count], e);
        if (x < 0)
            return x;
    }
    if (r->next_out == r->next_fill) {
        if (r->damaged && e)
            *e = r->damage;
        return r->damaged ? r->damaged : GZIP_READ_END;
    }
    struct slot *s = &r->slots[r->next_out % r->slot_count];
    pthread_mutex_lock(&r->lock);
    while (s->state == SLOT_FILLED)
        pthread_cond_wait(&r->to_caller, &r->lock);
    pthread_mutex_unlock(&r->lock);
    if (s->state == SLOT_BAD) {
        err_set(e, EBADMSG, "gzip member %" PRIu64 " at byte %" PRIu64 " %s", r->next_out + 1,
            s->offset, s->problem);
        return GZIP_READ_DAMAGED;
    }
    r->lent = true;
    *data = s->out;
    *len = s->out_len;
    return 0;
}

/* Behind the last member: nothing, or zeros. 0, GZIP_READ_END or damage. */
static int between_members(struct gzip_reader *r, struct err *e)
{
    for (;;) {
        while (r->z.avail_in > 0 && *r->z.next_in == 0 && r->members > 0) {
            r->z.next_in++;
            r->z.avail_in--;
        }
        if (r->z.avail_in > 0)
            break;
        ssize_t n = fill(r, r->serial_in, SERIAL_IN, e);
        if (n < 0)
            return (int)n;
        if (n == 0)
            return GZIP_READ_END;
        r->z.next_in = r->serial_in;
        r->z.avail_in = (uInt)n;
    }
    if (*r->z.next_in != 0x1f) {
        damaged(r, r->offset - r->z.avail_in, N_("is not gzip"));
        if (e)
            *e = r->damage;
        return r->damaged;
    }
    CHECK(inflateReset(&r->z) == Z_OK);
    r->in_member = true;
    return 0;
}

static int serial_damage(struct gzip_reader *r, const char *what, struct err *e)
{
    damaged(r, r->offset - r->z.avail_in, what);
    if (e)
        *e = r->damage;
    return r->damaged;
}

static int next_serial(struct gzip_reader *r, const uint8_t **data, size_t *len, struct err *e)
{
    r->z.next_out = r->serial_out;
    r->z.avail_out = GZIP_BLOCK_MAX;
    while (r->z.avail_out > 0) {
        if (!r->in_member) {
            int x = between_members(r, e);
            if (x == GZIP_READ_END && r->z.avail_out < GZIP_BLOCK_MAX)
                break;
            if (x != 0)
                return x;
        }
        if (r->z.avail_in == 0) {
            ssize_t n = fill(r, r->serial_in, SERIAL_IN, e);
            if (n < 0)
                return (int)n;
            if (n == 0)
                return serial_damage(r, N_("is cut off"), e);
            r->z.next_in = r->serial_in;
            r->z.avail_in = (uInt)n;
        }
        int z = inflate(&r->z, Z_NO_FLUSH);
        if (z == Z_STREAM_END) {
            r->in_member = false;
            r->members++;
        } else if (z != Z_OK && z != Z_BUF_ERROR) {
            return serial_damage(r, r->z.msg ? r->z.msg : N_("cannot be inflated"), e);
        }
    }
    *data = r->serial_out;
    *len = GZIP_BLOCK_MAX - r->z.avail_out;
    return 0;
}

static int choose_mode(struct gzip_reader *r, struct err *e)
{
    size_t total;
    ssize_t n = fill(r, r->head, GZIP_HEADER, e);
    if (n < 0)
        return (int)n;
    r->head_len = (size_t)n;
    if (n == 0)
        return damaged(r, 0, N_("is missing: the file is empty"));
    if (n == GZIP_HEADER && header_ours(r->head, &total))
        start_parallel(r);
    else
        start_serial(r);
    return 0;
}

int gzip_read_next(struct gzip_reader *r, const uint8_t **data, size_t *len, struct err *e)
{
    if (r->mode == MODE_UNKNOWN) {
        int x = choose_mode(r, e);
        if (x > 0 && e)
            *e = r->damage;
        if (x != 0)
            return x;
    }
    return r->mode == MODE_PARALLEL ? next_parallel(r, data, len, e) : next_serial(r, data, len, e);
}

void gzip_read_drop(struct gzip_reader *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_broadcast(&r->to_workers);
    pthread_mutex_unlock(&r->lock);
    for (unsigned i = 0; i < r->workers_run; i++)
        pthread_join(r->workers[i], NULL);
    for (size_t i = 0; i < r->slot_count; i++) {
        free(r->slots[i].in);
        free(r->slots[i].out);
    }
    free(r->slots);
    free(r->workers);
    if (r->z_open)
        inflateEnd(&r->z);
    free(r->serial_in);
    free(r->serial_out);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->to_caller);
    pthread_cond_destroy(&r->to_workers);
    free(r);
}
