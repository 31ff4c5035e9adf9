#include "proxy/backend/backend.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>
#include "proxy/backend/resolver.h"
#include "proxy/settings.h"
#include "common/lang.h"

void backend_cache_init(struct backend_cache *c, uv_loop_t *loop)
{
    *c = (struct backend_cache){.loop = loop};
}

void backend_forget(struct backend_cache *c)
{
    if (c->host)
        resolver_forget(c->host);
}

void backend_cache_clear(struct backend_cache *c)
{
    free(c->host);
    c->host = NULL;
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

bool backend_address_of(const struct backend_target *t, struct backend_address *out)
{
    return t->socket ? address_unix(t->socket, out) : address_numeric(t->host, t->port, out);
}

struct backend_lookup *backend_find(struct backend_cache *c, const struct backend_target *t,
    uint64_t now_ms, backend_found_cb *found, void *ctx)
{
    struct backend_address one;
    (void)now_ms;
    bool known = backend_address_of(t, &one);
    if (known || t->socket) {
        found(ctx, &one, known, N_("the path of the server's socket is too long"));
        return NULL;
    }
    if (!c->host || strcmp(c->host, t->host)) {
        free(c->host);
        c->host = xstrdup(t->host);
    }
    return resolver_find(c->loop, t->host, t->port, found, ctx);
}

void backend_cancel(struct backend_lookup *l)
{
    resolver_cancel(l);
}

static char *backend_text(const struct backend_address *a, char *buf, size_t size)
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
