#include "backup/server/witness.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>
#include "backup/server/proxy_link.h"

#define POLL_MS 20

struct witness {
    struct server *server;
    struct proxy_watch *proxy;
    pthread_t thread;
    atomic_int signs;
    atomic_bool stop;
    _Atomic uint64_t lock_thread;
    pthread_mutex_t firing; /* held while the callback runs, so that disarming waits for it */
    witness_fn *fn;
    void *ctx;
};

static void fire(struct witness *w, const struct err *why)
{
    pthread_mutex_lock(&w->firing);
    if (atomic_exchange(&w->signs, WITNESS_OFF) != WITNESS_OFF)
        w->fn(w->ctx, w->server, why);
    pthread_mutex_unlock(&w->firing);
}

/* The state's name is "Waiting for backup lock" since 10.4, and two others before. */
static void ask_server(struct witness *w)
{
    struct err e = {0};
    _cleanup_free_ char *waiter = NULL; /* "12 anna\tUPDATE ..." */
    int r = server_text(w->server, &waiter, &e,
        "SELECT CONCAT(ID, ' ', USER, CHAR(9), LEFT(COALESCE(INFO,''),60)) FROM information_schema.PROCESSLIST WHERE STATE IN ('Waiting for backup lock','Waiting for global read lock','Waiting for commit lock') AND ID<>%" PRIu64
        " LIMIT 1",
        atomic_load(&w->lock_thread));
    if (waiter) {
        size_t id = strcspn(waiter, " "), user = strcspn(waiter, "\t");
        (void)err_set(&e, EBUSY, "connection %.*s of %.*s waits to write: %s", (int)id, waiter,
            (int)(user - id - 1), waiter + id + 1, waiter + user + 1);
    }
    if (r < 0 || waiter)
        fire(w, &e);
}

static void ask_proxy(struct witness *w)
{
    struct err e = {0};
    uint64_t session = 0;
    int r = proxy_watch_wait(w->proxy, POLL_MS, &session, &e);
    if (r < 0) {
        proxy_watch_close(w->proxy);
        w->proxy = NULL;
    } else if (r == 1 && atomic_load(&w->signs) == WITNESS_BOTH) {
        (void)err_set(&e, EBUSY, "session %" PRIu64 " of the proxy writes", session);
        fire(w, &e);
    }
}

static void *witness_main(void *arg)
{
    struct witness *w = arg;
    while (!atomic_load(&w->stop)) {
        if (w->proxy)
            ask_proxy(w);
        else
            usleep(POLL_MS * 1000);
        if (atomic_load(&w->signs) != WITNESS_OFF)
            ask_server(w);
    }
    return NULL;
}

static void witness_free(struct witness *w)
{
    proxy_watch_close(w->proxy);
    server_close(w->server);
    pthread_mutex_destroy(&w->firing);
    free(w);
}

int witness_start(const struct server_target *t, const char *program, const char *proxy_socket,
    witness_fn *fn, void *ctx, struct witness **out, struct err *e)
{
    struct witness *w = xcalloc(1, sizeof *w);
    pthread_mutex_init(&w->firing, NULL);
    w->fn = fn;
    w->ctx = ctx;
    int r = server_connect(t, program, &w->server, e);
    if (r == 0 && proxy_socket)
        r = proxy_watch_open(proxy_socket, &w->proxy, e);
    if (r == 0) {
        int code = pthread_create(&w->thread, NULL, witness_main, w);
        if (code)
            r = err_sys(e, code, "cannot start the witness thread");
    }
    if (r < 0) {
        witness_free(w);
        return r;
    }
    *out = w;
    return 0;
}

void witness_arm(struct witness *w, enum witness_sign signs, uint64_t lock_thread)
{
    pthread_mutex_lock(&w->firing);
    atomic_store(&w->lock_thread, lock_thread);
    atomic_store(&w->signs, (int)signs);
    pthread_mutex_unlock(&w->firing);
}

void witness_stop(struct witness *w)
{
    if (!w)
        return;
    atomic_store(&w->stop, true);
    pthread_join(w->thread, NULL);
    witness_free(w);
}
