#include "console/http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/utf8.h"
#include "console/http/dispatch.h"
#include "console/http/network.h"
#include "console/http/tls.h"

#define DAEMONS_MAX    8
#define SILENCE_S      30u
#define NETWORKS       10u /* that share the connections, at the least */
#define NETWORK_LEAST  16u /* a browser with a few tabs */
#define HEAD_MAX_BYTES (32u * 1024u)
#define STACK_BYTES    (512u * 1024u)

struct connection {
    int fd;
    char network[NETWORK_TEXT_MAX];
    bool loopback, asked; /* asked: its first request has come, behind TLS */
    enum connection_phase phase;
    uint64_t since;
    struct server *server;
    struct connection *previous, *next;
};

struct server {
    struct console *console;
    struct MHD_Daemon *daemons[DAEMONS_MAX];
    int sockets[DAEMONS_MAX];
    unsigned n;
    pthread_mutex_t lock; /* the list and what stands in it */
    struct connection *connections;
};

/* --- connections ------------------------------------------------------------------------------ */

static uint64_t limit_ms(const struct connection *c)
{
    switch (c->phase) {
    case CONNECTION_HEAD:
        return c->asked ? 30000 : 10000; /* TLS and the first head take no time for an honest one */
    case CONNECTION_BODY:
        return 30000;
    case CONNECTION_ANSWER:
        return 120000;
    default:
        return UINT64_MAX;
    }
}

static void set_phase(struct MHD_Connection *mhd, enum connection_phase phase)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct connection *c = info->socket_context;
    pthread_mutex_lock(&c->server->lock);
    c->phase = phase;
    c->asked = true;
    c->since = clock_mono_ms();
    pthread_mutex_unlock(&c->server->lock);
}

static void link_connection(struct server *s, struct connection *c)
{
    pthread_mutex_lock(&s->lock);
    c->next = s->connections;
    if (c->next)
        c->next->previous = c;
    s->connections = c;
    pthread_mutex_unlock(&s->lock);
}

static void unlink_connection(struct server *s, struct connection *c)
{
    pthread_mutex_lock(&s->lock);
    if (c->previous)
        c->previous->next = c->next;
    else
        s->connections = c->next;
    if (c->next)
        c->next->previous = c->previous;
    pthread_mutex_unlock(&s->lock);
}

static void note_peer(struct connection *c, const struct sockaddr *peer)
{
    char text[INET6_ADDRSTRLEN] = "";
    if (peer && peer->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)peer)->sin_addr, text, sizeof text);
    else if (peer && peer->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)peer)->sin6_addr, text, sizeof text);
    network_of(text, c->network);
    c->loopback = network_is_loopback(text);
}

/* One network gets a tenth of the connections, so that a few cannot have them all. What comes from
 * this machine may be everybody behind a proxy, and still not all. */
static enum MHD_Result may_connect(void *ctx, const struct sockaddr *peer, socklen_t len)
{
    struct server *s = ctx;
    struct connection comes = {0};
    unsigned others = 0, all = s->console->settings->max_connections;
    (void)len;
    note_peer(&comes, peer);
    unsigned share = comes.loopback ? all * 3 / 4 : all / NETWORKS;
    pthread_mutex_lock(&s->lock);
    for (const struct connection *c = s->connections; c; c = c->next)
        others += strcmp(c->network, comes.network) == 0;
    pthread_mutex_unlock(&s->lock);
    return others < (share > NETWORK_LEAST || comes.loopback ? share : NETWORK_LEAST) ? MHD_YES
                                                                                      : MHD_NO;
}

static void on_connection(
    void *ctx, struct MHD_Connection *mhd, void **slot, enum MHD_ConnectionNotificationCode code)
{
    struct server *s = ctx;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        struct connection *c = xcalloc(1, sizeof *c);
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(
            mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        c->fd = info ? info->connect_fd : -1;
        info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
        note_peer(c, info ? info->client_addr : NULL);
        c->server = s;
        c->since = clock_mono_ms();
        link_connection(s, c);
        *slot = c;
    } else {
        /* the socket is closed behind this: after it nobody must shut that number down */
        unlink_connection(s, *slot);
        free(*slot);
        *slot = NULL;
    }
}

void server_tick(struct server *s)
{
    uint64_t now = clock_mono_ms();
    unsigned ended = 0;
    pthread_mutex_lock(&s->lock);
    for (struct connection *c = s->connections; c; c = c->next) {
        if (now - c->since > limit_ms(c)) {
            (void)shutdown(c->fd, SHUT_RDWR);
            ended++;
        }
    }
    pthread_mutex_unlock(&s->lock);
    if (ended > 0)
        log_event(LOG_DEBUG, "too-slow", LOG_U("connections", ended));
}

/* --- requests --------------------------------------------------------------------------------- */

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *mhd, const char *url,
    const char *method, const char *version, const char *data, size_t *len, void **slot)
{
    struct server *s = ctx;
    struct request *rq = *slot;
    bool good;
    (void)version;
    if (!rq) {
        rq = *slot = request_begin(s->console, mhd, method, url);
        set_phase(mhd, CONNECTION_BODY);
        good = dispatch_head(rq);
    } else if (*len > 0) {
        good = dispatch_body(rq, data, *len);
        *len = 0;
        return good ? MHD_YES : MHD_NO;
    } else {
        set_phase(mhd, CONNECTION_ANSWER);
        good = dispatch_answer(rq);
    }
    set_phase(mhd, rq->phase);
    return good ? MHD_YES : MHD_NO;
}

static void on_completed(
    void *ctx, struct MHD_Connection *mhd, void **slot, enum MHD_RequestTerminationCode code)
{
    (void)ctx;
    (void)code;
    if (*slot)
        dispatch_end(*slot);
    set_phase(mhd, CONNECTION_HEAD);
    *slot = NULL;
}

static void PRINTF(2, 0) on_log(void *ctx, const char *fmt, va_list ap)
{
    char text[300];
    (void)ctx;
    utf8_format_v(text, sizeof text, fmt, ap);
    text[strcspn(text, "\n")] = '\0';
    log_event(LOG_DEBUG, "http", LOG_S("text", text));
}

/* --- listening -------------------------------------------------------------------------------- */

static int parse_address(
    const char *text, uint16_t port, struct sockaddr_storage *out, socklen_t *len, struct err *e)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        *len = sizeof *v4;
        return 0;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        *len = sizeof *v6;
        return 0;
    }
    return err_set(e, EINVAL, "[console] address: %s is no IP address", text);
}

static int listen_on(const char *address, uint16_t port, int *out, struct err *e)
{
    struct sockaddr_storage sa;
    socklen_t len = 0;
    const int on = 1;
    int r = parse_address(address, port, &sa, &len, e);
    if (r < 0)
        return r;
    _cleanup_fd_ int fd = socket(
        sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (fd < 0)
        return err_sys(e, errno, "cannot make a socket for %s", address);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (sa.ss_family == AF_INET6) /* 0.0.0.0 and :: side by side */
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&sa, len) < 0)
        return err_sys(e, errno, "cannot listen on %s port %u", address, port);
    if (listen(fd, 128) < 0)
        return err_sys(e, errno, "cannot listen on %s port %u", address, port);
    *out = fd;
    fd = -1;
    return 0;
}

static struct MHD_Daemon *start_daemon(struct server *s, int fd, unsigned connections)
{
    unsigned flags = MHD_USE_TLS | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                     MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG;
    return MHD_start_daemon(flags, 0, may_connect, s, on_request, s, MHD_OPTION_EXTERNAL_LOGGER,
        on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_HTTPS_CERT_CALLBACK2, tls_retrieve,
        MHD_OPTION_HTTPS_PRIORITIES, TLS_PRIORITIES, MHD_OPTION_CONNECTION_LIMIT, connections,
        MHD_OPTION_CONNECTION_TIMEOUT, SILENCE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HEAD_MAX_BYTES, MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_BYTES,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_END);
}

int server_start(struct console *console, struct server **out, struct err *e)
{
    const struct settings *settings = console->settings;
    struct server *s = xcalloc(1, sizeof *s);
    size_t addresses = 0;
    int r = 0;
    s->console = console;
    pthread_mutex_init(&s->lock, NULL);
    while (settings->addresses[addresses])
        addresses++;
    if (addresses == 0 || addresses > DAEMONS_MAX)
        r = err_set(e, EINVAL, "[console] address needs 1 to %d addresses", DAEMONS_MAX);
    for (size_t i = 0; i < addresses && r == 0; i++) {
        unsigned share = settings->max_connections / (unsigned)addresses;
        r = listen_on(settings->addresses[i], settings->port, &s->sockets[i], e);
        if (r < 0)
            break;
        s->daemons[i] = start_daemon(s, s->sockets[i], share > 4 ? share : 4);
        if (!s->daemons[i]) {
            close(s->sockets[i]);
            r = err_set(e, EIO, "cannot start the HTTPS server on %s", settings->addresses[i]);
            break;
        }
        s->n++;
    }
    if (r < 0) {
        server_stop(s);
        return r;
    }
    *out = s;
    return 0;
}

/* Streams see console->stopping; who only keeps a connection open is hung up on. */
void server_stop(struct server *s)
{
    if (!s)
        return;
    atomic_store(&s->console->stopping, true);
    pthread_mutex_lock(&s->lock);
    for (struct connection *c = s->connections; c; c = c->next)
        if (c->phase == CONNECTION_HEAD)
            (void)shutdown(c->fd, SHUT_RDWR);
    pthread_mutex_unlock(&s->lock);
    for (unsigned i = 0; i < s->n; i++)
        MHD_stop_daemon(s->daemons[i]); /* closes the listening socket */
    pthread_mutex_destroy(&s->lock);
    free(s);
}
