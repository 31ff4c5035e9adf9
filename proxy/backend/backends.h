/*
 * The several database servers, looked at every probe_interval; decides which one is used, and
 * sticks to it until it fails probe_fall times in a row. Does nothing where the configuration has
 * only [database]. Main thread only.
 */
#ifndef ELEXGATE_PROXY_BACKEND_BACKENDS_H
#define ELEXGATE_PROXY_BACKEND_BACKENDS_H

#include <jansson.h>
#include <uv.h>
#include "proxy/backend/backend_pool.h"

struct proxy;
struct backend_member;

struct backends { /* zero-initialise, then backends_start */
    struct proxy *proxy;
    struct backend_pool *pool; /* NULL: there are no several */
    struct backend_member *members;
    char *preferred; /* the one used before a restart, from state_dir */
    uv_timer_t timer;
};

void backends_start(struct proxy *p);
/* Before new settings are used: they get the old pool where nothing has changed in it. */
void backends_keep(struct proxy *p, struct settings *next);
/* After that. */
void backends_update(struct proxy *p);
void backends_close(struct proxy *p);
/* An array for the status; empty where there is only [database]. */
json_t *backends_json(const struct proxy *p) MUSTCHECK;
/* Adds to the array of warnings. */
void backends_warn(const struct proxy *p, json_t *warnings);

#endif
