#include "proxy/backend/resolver.h"

#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "common/clock.h"
#include "common/lang.h"
#include "common/log.h"

#define STACK_BYTES (512u * 1024u)

struct name {
    LIST_ENTRY(name) next;
    char *host;
    struct backend_address list[BACKEND_ADDRESSES_MAX]; /* the last good answer, without a port */
    unsigned n;
    uint64_t fresh_until_ms, again_ms; /* monotonic */
    bool looking;                      /* a thread is at it */
    bool failed;                       /* the last look-up */
    struct err why;
    LIST_HEAD(, backend_lookup) waiting;
};

/* One caller's wait; lives on its loop. */
struct backend_lookup {
    LIST_ENTRY(backend_lookup) next;
    struct name *name; /* NULL: answered, or not waiting any more */
    uv_async_t answered;
    uv_timer_t patience; /* runs only where there is an old answer */
    unsigned handles;
    uint16_t port;
    backend_found_cb *found;
    void *ctx;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, name) names = LIST_HEAD_INITIALIZER(names);

/* --- the table; with the lock
 * -------------------------------------------------------------------*/

static struct name *name_of(const char *host)
{
    struct name *n;
    LIST_FOREACH (n, &names, next)
        if (!strcmp(n->host, host))
            return n;
    n = xcalloc(1, sizeof *n);
    n->host = xstrdup(host);
    LIST_INIT(&n->waiting);
    LIST_INSERT_HEAD(&names, n, next);
    return n;
}

static void take_addresses(struct name *n, const struct addrinfo *list)
{
    n->n = 0;
    for (const struct addrinfo *a = list; a && n->n < BACKEND_ADDRESSES_MAX; a = a->ai_next) {
        if (a->ai_family != AF_INET && a->ai_family != AF_INET6)
            continue;
        memset(&n->list[n->n], 0, sizeof n->list[n->n]);
        memcpy(&n->list[n->n].sa, a->ai_addr, a->ai_addrlen);
        n->list[n->n++].len = a->ai_addrlen;
    }
}

static void settle(struct name *n, int code, const struct addrinfo *list)
{
    struct backend_lookup *l;
    uint64_t now = clock_mono_ms();
    bool failed = code != 0 || !list;
    if (failed && !n->failed && n->n > 0)
        log_event(LOG_WARNING, "name-server", LOG_S("host", n->host),
            LOG_S("error", gai_strerror(code)), LOG_S("meaning", "its last address is used on"));
    else if (!failed && n->failed)
        log_event(
            LOG_INFO, "name-server", LOG_S("host", n->host), LOG_S("meaning", "answers again"));
    n->looking = false;
    n->failed = failed;
    n->again_ms = now + (!failed ? 0 : n->n > 0 ? RESOLVER_AGAIN_MS : RESOLVER_FIRST_MS);
    if (failed)
        (void)err_set(&n->why, EIO, "looking up \"%s\" failed: %s", n->host,
            code ? gai_strerror(code) : N_("it has no address"));
    else {
        take_addresses(n, list);
        n->fresh_until_ms = now + BACKEND_CACHE_MS;
    }
    LIST_FOREACH (l, &n->waiting, next)
        (void)uv_async_send(&l->answered);
}

static void *look_up(void *arg)
{
    struct name *n = arg;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list = NULL;
    int code = getaddrinfo(n->host, NULL, &hints, &list);
    pthread_mutex_lock(&lock);
    settle(n, code, list);
    pthread_mutex_unlock(&lock);
    if (list)
        freeaddrinfo(list);
    return NULL;
}

/* The thread is not waited for: nobody knows how long a name server is silent. */
static void look(struct name *n)
{
    pthread_t thread;
    pthread_attr_t a;
    if (n->looking)
        return;
    n->looking = true;
    CHECK(pthread_attr_init(&a) == 0 && pthread_attr_setstacksize(&a, STACK_BYTES) == 0 &&
          pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED) == 0);
    if (pthread_create(&thread, &a, look_up, n) != 0)
        settle(n, EAI_SYSTEM, NULL);
    pthread_attr_destroy(&a);
}

/* --- a caller ----------------------------------------------------------------------------------
 */

/* What is known of the name, with the port; without the lock for the call itself. */
static void tell_found(const char *host, uint16_t port, backend_found_cb *found, void *ctx)
{
    struct backend_address list[BACKEND_ADDRESSES_MAX];
    struct err why;
    pthread_mutex_lock(&lock);
    const struct name *n = name_of(host);
    unsigned count = n->n;
    memcpy(list, n->list, sizeof list);
    why = n->why;
    pthread_mutex_unlock(&lock);
    for (unsigned i = 0; i < count; i++) {
        struct sockaddr_in in; /* the port stands at the same place in both families */
        memcpy(&in, &list[i].sa, sizeof in);
        in.sin_port = htons(port);
        memcpy(&list[i].sa, &in, sizeof in);
    }
    found(ctx, list, count, why.code ? err_words(&why) : N_("it has no address"));
}

static void on_closed(uv_handle_t *h)
{
    struct backend_lookup *l = h->data;
    if (--l->handles == 0)
        free(l);
}

static void leave(struct backend_lookup *l)
{
    pthread_mutex_lock(&lock);
    if (l->name)
        LIST_REMOVE(l, next);
    l->name = NULL;
    pthread_mutex_unlock(&lock);
    if (!uv_is_closing((uv_handle_t *)&l->answered)) {
        uv_close((uv_handle_t *)&l->answered, on_closed);
        uv_close((uv_handle_t *)&l->patience, on_closed);
    }
}

static void answer(struct backend_lookup *l)
{
    const char *host = l->name->host; /* names are never freed */
    uint16_t port = l->port;
    backend_found_cb *found = l->found;
    void *ctx = l->ctx;
    leave(l);
    tell_found(host, port, found, ctx);
}

static void on_answered(uv_async_t *a)
{
    answer(a->data);
}

static void on_patience(uv_timer_t *t)
{
    answer(t->data);
}

struct backend_lookup *resolver_find(
    uv_loop_t *loop, const char *host, uint16_t port, backend_found_cb *found, void *ctx)
{
    struct backend_lookup *l = NULL;
    uint64_t now = clock_mono_ms();
    pthread_mutex_lock(&lock);
    struct name *n = name_of(host);
    bool fresh = n->n > 0 && now < n->fresh_until_ms;
    bool old = n->n > 0 && n->failed; /* it failed lately: no use in waiting */
    if (!fresh && now >= n->again_ms)
        look(n);
    if (!fresh && !old) {
        l = xcalloc(1, sizeof *l);
        *l = (struct backend_lookup){
            .name = n, .port = port, .found = found, .ctx = ctx, .handles = 2};
        CHECK(uv_async_init(loop, &l->answered, on_answered) == 0);
        CHECK(uv_timer_init(loop, &l->patience) == 0);
        l->answered.data = l->patience.data = l;
        if (n->n > 0)
            CHECK(uv_timer_start(&l->patience, on_patience, RESOLVER_WAIT_MS, 0) == 0);
        LIST_INSERT_HEAD(&n->waiting, l, next);
        if (!n->looking) /* it failed lately, or no thread could be had */
            (void)uv_async_send(&l->answered);
    }
    pthread_mutex_unlock(&lock);
    if (!l)
        tell_found(host, port, found, ctx);
    return l;
}

void resolver_cancel(struct backend_lookup *l)
{
    if (l)
        leave(l);
}

void resolver_forget(const char *host)
{
    pthread_mutex_lock(&lock);
    name_of(host)->fresh_until_ms = 0;
    pthread_mutex_unlock(&lock);
}
