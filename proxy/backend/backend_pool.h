/*
 * Several database servers behind the gate: which there are, and which one new sessions go to.
 * Immutable but for that; reference counted. Sessions may outlive the settings' change.
 */
#ifndef ELEXGATE_PROXY_BACKEND_BACKEND_POOL_H
#define ELEXGATE_PROXY_BACKEND_BACKEND_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include "common/config.h"
#include "proxy/backend/backend.h"

#define BACKENDS_MAX 16u

struct notice;

struct backend_pool {
    _Atomic unsigned refs;
    size_t n;
    struct backend_entry {
        char *name;
        struct backend_target target; /* its strings are ours */
    } items[BACKENDS_MAX];
    _Atomic int active;  /* index; -1 = none yet. Written by the main thread. */
    struct notice *lost; /* what a session of a failed one is told */
};

/* The [backend NAME] sections; *out NULL where there are none. */
int backend_pool_make(const struct config *c, struct backend_pool **out, struct err *e) MUSTCHECK;
struct backend_pool *backend_pool_ref(struct backend_pool *p);
void backend_pool_unref(struct backend_pool *p); /* any thread; NULL allowed */
bool backend_pool_same(const struct backend_pool *a, const struct backend_pool *b);
/* NULL: none may be used now. */
const struct backend_entry *backend_pool_active(struct backend_pool *p);

#endif
