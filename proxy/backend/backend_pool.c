#include "proxy/backend/backend_pool.h"

#include <errno.h>
#include <string.h>
#include "common/phrase.h"
#include "proxy/worker.h"

int backend_pool_make(const struct config *c, struct backend_pool **out, struct err *e)
{
    size_t n = 0;
    while (config_section(c, "backend", n))
        n++;
    *out = NULL;
    if (n == 0)
        return 0;
    if (n > BACKENDS_MAX)
        return err_set(e, EINVAL, "%s: %zu [backend ...] sections; at most %u", config_path(c), n,
            BACKENDS_MAX);
    struct backend_pool *p = xcalloc(1, sizeof *p);
    p->refs = 1;
    p->n = n;
    p->active = n == 1 ? 0 : -1;
    for (size_t i = 0; i < n; i++) {
        const char *name = config_section(c, "backend", i);
        p->items[i].name = xstrdup(name);
        p->items[i].target = (struct backend_target){
            .host = xstrdup(config_str(c, "backend", name, "host")),
            .socket = xstrdup(config_str(c, "backend", name, "socket")),
            .port = (uint16_t)config_int(c, "backend", name, "port")};
    }
    struct tongues tongues;
    tongues.n = lang_list(config_list(c, "proxy", NULL, "languages"), tongues.of);
    p->lost = notice_make(&tongues,
        phrase_of(N_("Another database server has taken over; please repeat the last step")));
    *out = p;
    return 0;
}

struct backend_pool *backend_pool_ref(struct backend_pool *p)
{
    if (p)
        atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void backend_pool_unref(struct backend_pool *p)
{
    if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < p->n; i++) {
        free(p->items[i].name);
        free((char *)(uintptr_t)p->items[i].target.host);
        free((char *)(uintptr_t)p->items[i].target.socket);
    }
    notice_unref(p->lost);
    free(p);
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

bool backend_pool_same(const struct backend_pool *a, const struct backend_pool *b)
{
    if (!a || !b || a->n != b->n)
        return a == b;
    for (size_t i = 0; i < a->n; i++) {
        const struct backend_target *x = &a->items[i].target, *y = &b->items[i].target;
        if (strcmp(a->items[i].name, b->items[i].name) || !same_text(x->host, y->host) ||
            !same_text(x->socket, y->socket) || x->port != y->port)
            return false;
    }
    return true;
}

const struct backend_entry *backend_pool_active(struct backend_pool *p)
{
    int active = atomic_load(&p->active);
    return active < 0 ? NULL : &p->items[active];
}
