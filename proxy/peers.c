#include "proxy/peers.h"

#include <openssl/rand.h>
#include <pthread.h>
#include <string.h>

/* Chained buckets. The hash is keyed, because who connects chooses the addresses. */
#define BUCKETS 1024u

struct peer {
    struct peer *next;
    struct address addr;
    unsigned count;
};

struct peers {
    pthread_mutex_t lock;
    uint64_t key;
    struct peer *buckets[BUCKETS];
};

struct peers *peers_new(void)
{
    struct peers *p = xcalloc(1, sizeof *p);
    CHECK(pthread_mutex_init(&p->lock, NULL) == 0);
    CHECK(RAND_bytes((unsigned char *)&p->key, sizeof p->key) == 1);
    return p;
}

void peers_free(struct peers *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        while (p->buckets[i]) {
            struct peer *next = p->buckets[i]->next;
            free(p->buckets[i]);
            p->buckets[i] = next;
        }
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* The link that points to the address's entry, or to where one would go. */
static struct peer **slot(struct peers *p, const struct address *a)
{
    uint64_t h = p->key;
    for (size_t i = 0; i < sizeof a->b; i++) {
        h ^= a->b[i];
        h *= UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 29;
    }
    struct peer **at = &p->buckets[h % BUCKETS];
    while (*at && memcmp(&(*at)->addr, a, sizeof *a))
        at = &(*at)->next;
    return at;
}

unsigned peers_count(struct peers *p, const struct address *a)
{
    pthread_mutex_lock(&p->lock);
    const struct peer *found = *slot(p, a);
    unsigned count = found ? found->count : 0;
    pthread_mutex_unlock(&p->lock);
    return count;
}

void peers_add(struct peers *p, const struct address *a)
{
    pthread_mutex_lock(&p->lock);
    struct peer **at = slot(p, a);
    if (!*at) {
        *at = xcalloc(1, sizeof **at);
        (*at)->addr = *a;
    }
    (*at)->count++;
    pthread_mutex_unlock(&p->lock);
}

void peers_remove(struct peers *p, const struct address *a)
{
    struct peer *gone = NULL;
    pthread_mutex_lock(&p->lock);
    struct peer **at = slot(p, a);
    /* Our own book-keeping: every remove has its add, at accepting and at the session's end. */
    CHECK(*at && (*at)->count > 0);
    if (--(*at)->count == 0) {
        gone = *at;
        *at = gone->next;
    }
    pthread_mutex_unlock(&p->lock);
    free(gone);
}
