#include "console/who/throttle.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "console/http/network.h"

#define ENTRIES        2048
#define KEY_LEN        64
#define FORGET_MS      (60u * 60u * 1000u)
#define FREE_ACCOUNT   8 /* wrong ones before the first wait */
#define FREE_ADDRESS   5
#define ACCOUNT_MAX_MS (60 * 1000)
#define ADDRESS_MAX_MS (15 * 60 * 1000)
#define FIRST_WAIT_MS  5000

struct entry {
    char key[KEY_LEN]; /* "a:name", "p:network" or "d:device"; "" = free */
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

static struct entry *find_entry(struct throttle *t, char kind, const char *name, uint64_t now)
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
static struct entry *take_entry(struct throttle *t, char kind, const char *name)
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

int64_t throttle_wait(struct throttle *t, const struct throttle_who *who, uint64_t now)
{
    char network[NETWORK_TEXT_MAX];
    int64_t a = 0, b = 0;
    pthread_mutex_lock(&t->lock);
    if (who->device) {
        a = left(find_entry(t, 'd', who->device, now), now);
    } else {
        a = left(find_entry(t, 'a', who->account, now), now);
        b = left(find_entry(t, 'p', network_of(who->address, network), now), now);
    }
    pthread_mutex_unlock(&t->lock);
    return a > b ? a : b;
}

static void count(
    struct throttle *t, char kind, const char *name, uint64_t now, unsigned may, uint64_t max_ms)
{
    struct entry *e = find_entry(t, kind, name, now);
    if (!e)
        e = take_entry(t, kind, name);
    e->last = now;
    e->failures++;
    if (e->failures < may)
        return;
    unsigned shift = e->failures - may;
    uint64_t wait = shift > 12 ? max_ms : (uint64_t)FIRST_WAIT_MS << shift;
    e->until = now + (wait < max_ms ? wait : max_ms);
}

void throttle_failed(struct throttle *t, const struct throttle_who *who, uint64_t now)
{
    char network[NETWORK_TEXT_MAX];
    pthread_mutex_lock(&t->lock);
    if (who->device) {
        count(t, 'd', who->device, now, FREE_ADDRESS, ADDRESS_MAX_MS);
    } else {
        count(t, 'a', who->account, now, FREE_ACCOUNT, ACCOUNT_MAX_MS);
        count(t, 'p', network_of(who->address, network), now, FREE_ADDRESS, ADDRESS_MAX_MS);
    }
    pthread_mutex_unlock(&t->lock);
}

static void forget(struct throttle *t, char kind, const char *name)
{
    struct entry *e = find_entry(t, kind, name, 0);
    if (e)
        e->failures = 0;
}

void throttle_succeeded(struct throttle *t, const struct throttle_who *who)
{
    char network[NETWORK_TEXT_MAX];
    pthread_mutex_lock(&t->lock);
    if (who->device) {
        forget(t, 'd', who->device);
    } else {
        forget(t, 'a', who->account);
        forget(t, 'p', network_of(who->address, network));
    }
    pthread_mutex_unlock(&t->lock);
}
