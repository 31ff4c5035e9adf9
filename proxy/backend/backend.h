/*
 * Where the server is: its addresses, and connections to them. Names are looked up by resolver.h.
 */
#ifndef ELEXGATE_PROXY_BACKEND_BACKEND_H
#define ELEXGATE_PROXY_BACKEND_BACKEND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <uv.h>
#include "common/error.h"

struct settings;

/* A name's addresses are asked for again after this; a container that was made anew has another
 * one. */
#define BACKEND_CACHE_MS      10000u
#define BACKEND_ADDRESSES_MAX 8u

struct backend_address {
    struct sockaddr_storage sa;
    socklen_t len;
};

/* Where a server is. */
struct backend_target {
    const char *host, *socket; /* socket NULL = TCP */
    uint16_t port;
};

/* What a loop asked for last; the answers themselves are the process's (resolver.h). */
struct backend_cache {
    uv_loop_t *loop;
    char *host;
};

struct backend_lookup; /* one caller's wait */
/* n = 0: failed, why says what. The list is valid during the call only. */
typedef void backend_found_cb(
    void *ctx, const struct backend_address *list, unsigned n, const char *why);

void backend_cache_init(struct backend_cache *c, uv_loop_t *loop);
void backend_cache_clear(struct backend_cache *c);
/* Calls found at once when the answer is known (unix socket, numeric address, fresh cache), and
 * returns NULL; otherwise later, and returns a handle to cancel with. */
struct backend_lookup *backend_find(struct backend_cache *c, const struct backend_target *t,
    uint64_t now_ms, backend_found_cb *found, void *ctx);
/* A path or an address by number; false: it is a name, or too long a path. */
bool backend_address_of(const struct backend_target *t, struct backend_address *out);
/* found will not be called. */
void backend_cancel(struct backend_lookup *l);
/* The addresses were no good: ask again next time. */
void backend_forget(struct backend_cache *c);
/* Starts a non-blocking connect. >= 0: the socket, connected or connecting (wait for writable, then
 * backend_connected). */
int backend_connect(
    const struct backend_address *a, const struct settings *s, struct err *e) MUSTCHECK;
int backend_connected(int fd, struct err *e) MUSTCHECK;
/* TCP_NODELAY and keepalive as in the settings, for a TCP socket of either side. On a
 * listening socket they are inherited by what it accepts, which spares six system calls a client.
 */
void backend_set_options(int fd, const struct settings *s);

#endif
