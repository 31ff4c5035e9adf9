/*
 * Names of database servers, looked up by threads of their own: a name server that is silent for
 * ten seconds must hold up neither a login nor a probe of another server.
 *
 * One lookup a name at a time, whoever asks. What was good once is used on while the name server
 * fails (RFC 8767): at once when it failed lately, else after waiting a moment for a fresh answer.
 * The table is the process's; all functions are for the thread of the loop that they are given.
 */
#ifndef ELEXGATE_PROXY_BACKEND_RESOLVER_H
#define ELEXGATE_PROXY_BACKEND_RESOLVER_H

#include <uv.h>
#include "proxy/backend/backend.h"

/* An answer counts as fresh for BACKEND_CACHE_MS; a name server that failed is asked again after
 * RESOLVER_AGAIN_MS; an old answer waits so long for a fresh one. */
#define RESOLVER_AGAIN_MS 30000u
#define RESOLVER_FIRST_MS 1000u /* the same while there is no old answer yet */
#define RESOLVER_WAIT_MS  500u

struct backend_lookup *resolver_find(
    uv_loop_t *loop, const char *host, uint16_t port, backend_found_cb *found, void *ctx) MUSTCHECK;
void resolver_cancel(struct backend_lookup *l); /* found will not be called */
/* The addresses were no good: the next one who asks waits for fresh ones. */
void resolver_forget(const char *host);

#endif
