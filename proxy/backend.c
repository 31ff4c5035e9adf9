#include "proxy/backend.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>
#include "common/clock.h"
#include "proxy/settings.h"

struct backend_lookup {
    uv_getaddrinfo_t req;
    struct backend_cache *cache; /* NULL once cancelled */
    char *host;
    uint16_t port;
    backend_found_cb *found;
    void *ctx;
};

void backend_cache_init(struct backend_cache *c, uv_loop_t *loop)
{
    *c = (struct backend_cache){.loop = loop};
}

void backend_forget(struct backend_cache *c)
{
    c->until_ms = 0;
}

void backend_cache_clear(struct backend_cache *c)
{
    free(c->host);
    c->host = NULL;
    c->n = 0;
}

static bool address_unix(const char *path, struct backend_address *out)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof un.sun_path)
        return false;
    memcpy(un.sun_path, path, strlen(path) + 1);
    memset(out, 0, sizeof *out);
    memcpy(&out->sa, &un, sizeof un);
    out->len = sizeof un;
    return true;
}

static bool address_numeric(const char *host, uint16_t port, struct backend_address *out)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, host, &in.sin_addr) == 1) {
        memcpy(&out->sa, &in, sizeof in);
        out->len = sizeof in;
        return true;
    }
    if (inet_pton(AF_INET6, host, &in6.sin6_addr) == 1) {
        memcpy(&out->sa, &in6, sizeof in6);
        out->len = sizeof in6;
        return true;
    }
    return false;
}

static void cache_fill(
    struct backend_cache *c, struct backend_lookup *l, const struct addrinfo *list)
{
    c->n = 0;
    for (const struct addrinfo *a = list; a && c->n < BACKEND_ADDRESSES_MAX; a = a->ai_next) {
        if (a->ai_family != AF_INET && a->ai_family != AF_INET6)
            continue;
        memset(&c->list[c->n], 0, sizeof c->list[c->n]);
        memcpy(&c->list[c->n].sa, a->ai_addr, a->ai_addrlen);
        c->list[c->n++].len = a->ai_addrlen;
    }
    free(c->host);
    c->host = l->host;
    l->host = NULL;
    c->port = l->port;
    c->until_ms = clock_mono_ms() + BACKEND_CACHE_MS;
}

static void on_found(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
    struct backend_lookup *l = req->data;
    struct backend_cache *c = l->cache;
    if (c) {
        char why[256] = "no address";
        if (status < 0)
            snprintf(why, sizeof why, "looking up \"%s\" failed: %s", l->host, uv_strerror(status));
        else
            cache_fill(c, l, list);
        l->found(l->ctx, c->list, status < 0 ? 0 : c->n, why);
    }
    uv_freeaddrinfo(list);
    free(l->host);
    free(l);
}

struct backend_lookup *backend_find(struct backend_cache *c, const struct backend_target *t,
    uint64_t now_ms, backend_found_cb *found, void *ctx)
{
    struct backend_address one;
    if (t->socket) {
        bool fits = address_unix(t->socket, &one);
        found(ctx, &one, fits, "the path of the server's socket is too long");
        return NULL;
    }
    if (address_numeric(t->host, t->port, &one)) {
        found(ctx, &one, 1, NULL);
        return NULL;
    }
    if (now_ms < c->until_ms && c->host && !strcmp(c->host, t->host) && c->port == t->port) {
        found(ctx, c->list, c->n, "no address");
        return NULL;
    }
    struct backend_lookup *l = xcalloc(1, sizeof *l);
    *l = (struct backend_lookup){
        .cache = c, .host = xstrdup(t->host), .port = t->port, .found = found, .ctx = ctx};
    l->req.data = l;
    char port[8];
    snprintf(port, sizeof port, "%u", (unsigned)t->port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int r = uv_getaddrinfo(c->loop, &l->req, on_found, t->host, port, &hints);
    if (r < 0) {
        found(ctx, NULL, 0, uv_strerror(r));
        free(l->host);
        free(l);
        return NULL;
    }
    return l;
}

void backend_cancel(struct backend_lookup *l)
{
    if (!l)
        return;
    l->cache = NULL;
    (void)uv_cancel((uv_req_t *)&l->req); /* too late is fine: on_found frees in any case */
}

int backend_connect(const struct backend_address *a, const struct settings *s, struct err *e)
{
    char text[128];
    int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_sys(e, errno, "cannot make a socket");
    if (a->sa.ss_family != AF_UNIX)
        backend_set_options(fd, s);
    /* A full backlog of a unix socket says EAGAIN, and waiting for it is not possible. */
    if (connect(fd, (const struct sockaddr *)&a->sa, a->len) < 0 && errno != EINPROGRESS) {
        int r = err_sys(e, errno, "cannot connect to %s", backend_text(a, text, sizeof text));
        close(fd);
        return r;
    }
    return fd;
}

int backend_connected(int fd, struct err *e)
{
    int why = 0;
    socklen_t n = sizeof why;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &n) < 0)
        why = errno;
    return why ? err_sys(e, why, "cannot connect to the server") : 0;
}

char *backend_text(const struct backend_address *a, char *buf, size_t size)
{
    if (a->sa.ss_family == AF_UNIX) {
        struct sockaddr_un un;
        memcpy(&un, &a->sa, sizeof un);
        snprintf(buf, size, "unix:%s", un.sun_path);
        return buf;
    }
    char addr[ADDRESS_TEXT_MAX];
    struct address bytes = address_from((const struct sockaddr *)&a->sa);
    in_port_t port;
    struct sockaddr_in in; /* the port stands at the same place in both families */
    memcpy(&in, &a->sa, sizeof in);
    port = ntohs(in.sin_port);
    bool v6 = a->sa.ss_family == AF_INET6;
    snprintf(buf, size, v6 ? "[%s]:%u" : "%s:%u", address_text(&bytes, addr), (unsigned)port);
    return buf;
}

void backend_set_options(int fd, const struct settings *s)
{
    int on = 1, idle = (int)s->keepalive_s;
    int gap = (int)KEEPALIVE_GAP(s->keepalive_s), count = KEEPALIVE_PROBES;
    /* None of them can keep a session from working: failures are let pass. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &gap, sizeof gap);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}
