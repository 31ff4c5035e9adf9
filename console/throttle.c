#include "console/throttle.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"

#define ENTRIES        2048
#define KEY_LEN        64
#define FORGET_MS      (60u * 60u * 1000u)
#define FREE_ACCOUNT   8 /* wrong ones before the first wait */
#define FREE_ADDRESS   5
#define ACCOUNT_MAX_MS (60 * 1000)
#define ADDRESS_MAX_MS (15 * 60 * 1000)
#define FIRST_WAIT_MS  5000

struct entry {
    char key[KEY_LEN]; /* "a:name" or "p:address"; "" = free */
    unsigned failures;
    uint64_t last, until;
};

struct throttle {
    pthread_mutex_t lock;
    struct entry entries[ENTRIES];
};

struct throttle *throttle_create(void)
{
    struct throttle *t = xcalloc(1, sizeof *t);
    pthread_mutex_init(&t->lock, NULL);
    return t;
}

void throttle_free(struct throttle *t)
{
    if (!t)
        return;
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static void make_key(char key[static KEY_LEN], char kind, const char *name)
{
    snprintf(key, KEY_LEN, "%c:%s", kind, name);
}

static struct entry *find(struct throttle *t, char kind, const char *name, uint64_t now)
{
    char key[KEY_LEN];
    make_key(key, kind, name);
    for (size_t i = 0; i < ENTRIES; i++) {
        struct entry *e = &t->entries[i];
        if (strcmp(e->key, key) == 0) {
            if (now - e->last > FORGET_MS)
                e->failures = 0;
            return e;
        }
    }
    return NULL;
}

/* A free entry, or the one that failed longest ago. */
static struct entry *take(struct throttle *t, char kind, const char *name)
{
    struct entry *oldest = &t->entries[0];
    for (size_t i = 0; i < ENTRIES && oldest->key[0]; i++)
        if (!t->entries[i].key[0] || t->entries[i].last < oldest->last)
            oldest = &t->entries[i];
    memset(oldest, 0, sizeof *oldest);
    make_key(oldest->key, kind, name);
    return oldest;
}

static int64_t left(const struct entry *e, uint64_t now)
{
    return e && e->failures && e->until > now ? (int64_t)(e->until - now) : 0;
}

int64_t throttle_wait(struct throttle *t, const char *account, const char *address, uint64_t now)
{
    pthread_mutex_lock(&t->lock);
    int64_t a = left(find(t, 'a', account, now), now), b = left(find(t, 'p', address, now), now);
    pthread_mutex_unlock(&t->lock);
    return a > b ? a : b;
}

static void count(
    struct throttle *t, char kind, const char *name, uint64_t now, unsigned may, uint64_t max_ms)
{
    struct entry *e = find(t, kind, name, now);
    if (!e)
        e = take(t, kind, name);
    e->last = now;
    e->failures++;
    if (e->failures < may)
        return;
    unsigned shift = e->failures - may;
    uint64_t wait = shift > 12 ? max_ms : (uint64_t)FIRST_WAIT_MS << shift;
    e->until = now + (wait < max_ms ? wait : max_ms);
}

void throttle_failed(struct throttle *t, const char *account, const char *address, uint64_t now)
{
    pthread_mutex_lock(&t->lock);
    count(t, 'a', account, now, FREE_ACCOUNT, ACCOUNT_MAX_MS);
    count(t, 'p', address, now, FREE_ADDRESS, ADDRESS_MAX_MS);
    pthread_mutex_unlock(&t->lock);
}

void throttle_succeeded(struct throttle *t, const char *account, const char *address)
{
    pthread_mutex_lock(&t->lock);
    struct entry *a = find(t, 'a', account, 0), *p = find(t, 'p', address, 0);
    if (a)
        a->failures = 0;
    if (p)
        p->failures = 0;
    pthread_mutex_unlock(&t->lock);
}
