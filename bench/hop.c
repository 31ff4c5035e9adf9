/*
 * The bare hop: the plainest TLS-terminating relay that still works, as a yardstick for the bench.
 *
 * TLS from the first byte on the client's side, plaintext to the server, no protocol knowledge, no
 * limits, no log. What it costs is what any terminator on this machine must cost at least: six
 * system calls a query (epoll_wait, read client, write server, epoll_wait, read server, write
 * client). It is not meant for anything but measuring.
 *
 * Threads, for the question how sessions spread over them: with --reuseport each thread has a
 * listening socket of its own and the kernel chooses by hash; without it one thread accepts and
 * hands each session to the thread that has the fewest. SIGUSR1 prints "sessions N N ...".
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "bench/address.h"

#define CHUNK       16384 /* one TLS record */
#define MAX_THREADS 64
#define EVENTS      64

struct session;

/* What epoll hands back: which of the two sockets of which session; session NULL = the listener. */
struct end {
    struct session *session;
    int fd;
    bool known;       /* to epoll */
    uint32_t watched; /* what epoll watches for, so that it is told only of changes */
};

/* Bytes that one side could not take yet; memory only while there are some. */
struct rest {
    uint8_t *data;
    size_t start, len;
};

struct session {
    struct end client, server; /* server.fd is -1 until the handshake is over */
    SSL *ssl;
    struct rest to_client, to_server;
    struct thread *thread;
    bool dead;
};

struct thread {
    pthread_t id;
    int epoll;
    struct end listener; /* fd -1 where sessions are handed over */
    atomic_int sessions;
    uint8_t chunk[CHUNK];
};

static struct {
    struct address listen, server;
    int threads;
    bool reuseport;
    SSL_CTX *tls;
    struct thread thread[MAX_THREADS];
} hop;

static void watch(struct thread *t, struct end *end, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = end};
    int how = end->known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (end->known && end->watched == events)
        return;
    /* Noted before the call: once a new session is known, another thread may be at work on it. */
    end->known = true;
    end->watched = events;
    if (epoll_ctl(t->epoll, how, end->fd, &ev) != 0)
        err(1, "epoll_ctl");
}

/* Closing takes the descriptors out of epoll; the memory goes after the batch of events, because
 * the session's other end may stand in the same batch. */
static void session_close(struct session *s)
{
    if (s->dead)
        return;
    s->dead = true;
    ERR_clear_error();
    SSL_shutdown(s->ssl);
    SSL_free(s->ssl);
    close(s->client.fd);
    if (s->server.fd >= 0)
        close(s->server.fd);
    free(s->to_client.data);
    free(s->to_server.data);
    atomic_fetch_sub(&s->thread->sessions, 1);
}

static void rest_keep(struct rest *r, const uint8_t *data, size_t len)
{
    r->data = malloc(len);
    if (r->data == NULL)
        err(1, "malloc");
    memcpy(r->data, data, len);
    r->start = 0;
    r->len = len;
}

/* Bytes written, 0 if the client cannot take any now, -1 at the end of the session. */
static ssize_t client_write(struct session *s, const uint8_t *data, size_t len)
{
    size_t done = 0;
    ERR_clear_error();
    if (SSL_write_ex(s->ssl, data, len, &done) == 1)
        return (ssize_t)done;
    return SSL_get_error(s->ssl, 0) == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static ssize_t server_write(struct session *s, const uint8_t *data, size_t len)
{
    ssize_t n = write(s->server.fd, data, len);
    if (n < 0)
        return errno == EAGAIN ? 0 : -1;
    return n;
}

/* Sends what is kept; when all is gone, frees it. False ends the session. */
static bool rest_flush(
    struct session *s, struct rest *r, ssize_t (*put)(struct session *, const uint8_t *, size_t))
{
    while (r->len > 0) {
        ssize_t n = put(s, r->data + r->start, r->len);
        if (n < 0)
            return false;
        if (n == 0)
            return true;
        r->start += (size_t)n;
        r->len -= (size_t)n;
    }
    free(r->data);
    r->data = NULL;
    return true;
}

/* One read of the server, one record to the client. */
static bool server_to_client(struct session *s)
{
    uint8_t *chunk = s->thread->chunk;
    ssize_t n = read(s->server.fd, chunk, CHUNK);
    if (n < 0 && errno == EAGAIN)
        return true;
    if (n <= 0)
        return false;
    ssize_t done = client_write(s, chunk, (size_t)n);
    if (done < 0)
        return false;
    if (done < n)
        rest_keep(&s->to_client, chunk + done, (size_t)(n - done));
    return true;
}

/* Read-ahead takes a whole record, and often several, in one read; what OpenSSL then still holds
 * must be taken here, because epoll will not tell of it again. */
static bool client_to_server(struct session *s)
{
    uint8_t *chunk = s->thread->chunk;
    do {
        size_t got = 0;
        ERR_clear_error();
        if (SSL_read_ex(s->ssl, chunk, CHUNK, &got) != 1)
            return SSL_get_error(s->ssl, 0) == SSL_ERROR_WANT_READ;
        ssize_t done = server_write(s, chunk, got);
        if (done < 0)
            return false;
        if ((size_t)done < got) {
            rest_keep(&s->to_server, chunk + done, got - (size_t)done);
            return true;
        }
    } while (SSL_has_pending(s->ssl));
    return true;
}

/* A side is read only while the other one takes what comes: that is all the flow control. */
static void session_watch(struct session *s)
{
    watch(s->thread, &s->client,
        (s->to_server.len == 0 ? EPOLLIN : 0) | (s->to_client.len > 0 ? EPOLLOUT : 0));
    watch(s->thread, &s->server,
        (s->to_client.len == 0 ? EPOLLIN : 0) | (s->to_server.len > 0 ? EPOLLOUT : 0));
}

/* 1 when the handshake is over, 0 when it goes on, -1 at the end of the session. */
static int session_handshake(struct session *s)
{
    ERR_clear_error();
    int rc = SSL_accept(s->ssl);
    if (rc != 1) {
        int why = SSL_get_error(s->ssl, rc);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
            return -1;
        watch(s->thread, &s->client, why == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT);
        return 0;
    }
    s->server.fd = address_connect(&hop.server);
    if (s->server.fd < 0)
        return -1;
    fcntl(s->server.fd, F_SETFL, O_NONBLOCK);
    session_watch(s);
    return 1;
}

static void session_event(struct end *end, uint32_t events)
{
    struct session *s = end->session;
    bool good = true;
    if (s->dead)
        return;
    if (s->server.fd < 0) {
        int rc = session_handshake(s);
        if (rc < 0)
            session_close(s);
        if (rc <= 0 || !SSL_has_pending(s->ssl))
            return;
        end = &s->client; /* the client's first command came with the end of its handshake */
        events = EPOLLIN;
    }
    if ((events & EPOLLOUT) != 0)
        good = end == &s->client ? rest_flush(s, &s->to_client, client_write)
                                 : rest_flush(s, &s->to_server, server_write);
    /* After the client's backlog went out, what OpenSSL holds from it has no event of its own. */
    if (good && (events & EPOLLOUT) != 0 && end == &s->server && s->to_server.len == 0 &&
        SSL_has_pending(s->ssl))
        good = client_to_server(s);
    if (good && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        if (end == &s->client && s->to_server.len == 0)
            good = client_to_server(s);
        else if (end == &s->server && s->to_client.len == 0)
            good = server_to_client(s);
    }
    if (good)
        session_watch(s);
    else
        session_close(s);
}

/* May be called from the thread that accepts for all: epoll_ctl is safe from anywhere, and the
 * session belongs to its own thread from the moment that epoll knows it. */
static void session_new(struct thread *t, int fd)
{
    struct session *s = calloc(1, sizeof *s);
    if (s == NULL || (s->ssl = SSL_new(hop.tls)) == NULL || SSL_set_fd(s->ssl, fd) != 1)
        errx(1, "out of memory for a session");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    SSL_set_accept_state(s->ssl);
    s->client = (struct end){.session = s, .fd = fd};
    s->server = (struct end){.session = s, .fd = -1};
    s->thread = t;
    atomic_fetch_add(&t->sessions, 1);
    watch(t, &s->client, EPOLLIN);
}

static void *thread_run(void *arg)
{
    struct thread *t = arg;
    for (;;) {
        struct epoll_event events[EVENTS];
        struct session *dead[EVENTS];
        int n = epoll_wait(t->epoll, events, EVENTS, -1), ndead = 0;
        if (n < 0 && errno != EINTR)
            err(1, "epoll_wait");
        for (int i = 0; i < n; i++) {
            struct end *end = events[i].data.ptr;
            if (end->session == NULL) {
                int fd = accept4(end->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (fd >= 0)
                    session_new(t, fd);
                continue;
            }
            bool was_dead = end->session->dead;
            session_event(end, events[i].events);
            if (end->session->dead && !was_dead)
                dead[ndead++] = end->session;
        }
        while (ndead > 0)
            free(dead[--ndead]);
    }
    return NULL;
}

static struct thread *least_loaded(void)
{
    struct thread *best = &hop.thread[0];
    for (int i = 1; i < hop.threads; i++)
        if (atomic_load(&hop.thread[i].sessions) < atomic_load(&best->sessions))
            best = &hop.thread[i];
    return best;
}

/* The main thread: signals, and accepting where sessions are handed over. */
static void main_run(int signals, int listener)
{
    for (;;) {
        struct pollfd p[2] = {
            {.fd = signals, .events = POLLIN}, {.fd = listener, .events = POLLIN}};
        if (poll(p, 2, -1) < 0)
            err(1, "poll");
        if ((p[0].revents & POLLIN) != 0) {
            struct signalfd_siginfo info;
            if (read(signals, &info, sizeof info) != (ssize_t)sizeof info)
                err(1, "signalfd");
            if (info.ssi_signo != SIGUSR1)
                return;
            printf("sessions");
            for (int i = 0; i < hop.threads; i++)
                printf(" %d", atomic_load(&hop.thread[i].sessions));
            printf("\n");
            fflush(stdout);
        }
        if ((p[1].revents & POLLIN) != 0) {
            int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd >= 0)
                session_new(least_loaded(), fd);
        }
    }
}

static void thread_start(struct thread *t, bool own_listener)
{
    t->listener.fd = -1;
    t->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (t->epoll < 0)
        err(1, "epoll_create1");
    if (own_listener) {
        t->listener.fd = address_listen(&hop.listen, hop.reuseport);
        if (t->listener.fd < 0)
            err(1, "listen");
        watch(t, &t->listener, EPOLLIN);
    }
    if (pthread_create(&t->id, NULL, thread_run, t) != 0)
        errx(1, "pthread_create");
}

static SSL_CTX *make_tls(const char *cert, const char *key)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL || SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
        ERR_print_errors_fp(stderr);
        errx(1, "cannot load certificate %s and key %s", cert, key);
    }
    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"hop", 3);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets need no cache */
    SSL_CTX_set_read_ahead(ctx, 1); /* header and body of a record in one read */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return ctx;
}

static const struct option options[] = {
    {"listen", required_argument, NULL, 'l'},
    {"server", required_argument, NULL, 's'},
    {"cert", required_argument, NULL, 'c'},
    {"key", required_argument, NULL, 'k'},
    {"threads", required_argument, NULL, 't'},
    {"reuseport", no_argument, NULL, 'r'},
    {0},
};

int main(int argc, char **argv)
{
    const char *cert = NULL, *key = NULL;
    hop.threads = 1;
    bool have_listen = false, have_server = false;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (c == 'l')
            have_listen = address_parse(optarg, &hop.listen);
        else if (c == 's')
            have_server = address_parse(optarg, &hop.server);
        else if (c == 'c')
            cert = optarg;
        else if (c == 'k')
            key = optarg;
        else if (c == 't')
            hop.threads = atoi(optarg);
        else if (c == 'r')
            hop.reuseport = true;
        else
            return 2;
    if (!have_listen || !have_server || cert == NULL || key == NULL || optind != argc ||
        hop.threads < 1 || hop.threads > MAX_THREADS)
        errx(2,
            "usage: hop --listen ADDRESS:PORT --server ADDRESS:PORT|PATH --cert FILE --key FILE [--threads N [--reuseport]]");

    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    hop.tls = make_tls(cert, key);

    bool hand_over = hop.threads > 1 && !hop.reuseport;
    int listener = -1;
    if (hand_over && (listener = address_listen(&hop.listen, false)) < 0)
        err(1, "listen");
    for (int i = 0; i < hop.threads; i++)
        thread_start(&hop.thread[i], !hand_over);
    main_run(signalfd(-1, &set, SFD_CLOEXEC), listener);
    return 0;
}
