#include "proxy/backend/probe.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include "common/utf8.h"
#include "proxy/backend/resolver.h"
#include "proxy/wire/probe_dialogue.h"
#include "proxy/wire/proxy_header.h"

/* A server that took the connection and is late gets to it some time, and counts one that broke off
 * before its login against our address (max_connect_errors): it is told to be down each time that
 * it is late, and the same connection goes on. So long at most, in case that it was made anew
 * meanwhile. */
#define PATIENCE_MS 30000u

struct probe {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } u;
    uv_timer_t timer;
    struct backend_lookup *lookup; /* NULL: none is under way */
    uv_connect_t connect;
    struct settings *settings;
    const char *host; /* a name, the caller's; NULL where there is none */
    uint16_t port;
    unsigned handles;
    bool stream_open, connected, over;
    uint64_t give_up_ms; /* of the loop's clock */
    struct probe_dialogue dialogue;
    struct probe_answer answer;
    probe_cb *cb;
    void *ctx;
    char read_buf[4096];
};

struct sending {
    uv_write_t req;
    char data[PROBE_OUT_MAX + PROXY_HEADER_MAX];
};

static void free_if_over(struct probe *p)
{
    if (p->handles > 0)
        return;
    settings_unref(p->settings);
    free(p);
}

static void on_closed(uv_handle_t *h)
{
    struct probe *p = h->data;
    p->handles--;
    free_if_over(p);
}

void probe_drop(struct probe *p)
{
    if (!p || p->over)
        return;
    p->over = true;
    resolver_cancel(p->lookup);
    p->lookup = NULL;
    uv_close((uv_handle_t *)&p->timer, on_closed);
    if (p->stream_open)
        uv_close(&p->u.handle, on_closed);
}

static void finish(struct probe *p, enum probe_result result, const char *trouble)
{
    if (p->over)
        return;
    p->answer.result = result;
    p->answer.again = false;
    utf8_copy(p->answer.trouble, sizeof p->answer.trouble, trouble);
    if (result == PROBE_DOWN && p->host) /* a container that was made anew has another address */
        resolver_forget(p->host);
    probe_drop(p);
    p->cb(p->ctx, &p->answer);
}

/* mysql_native_password */
static void prove(void *ctx, const uint8_t scramble[20], uint8_t proof[20])
{
    const char *password = ((struct probe *)ctx)->settings->probe_password;
    uint8_t once[20], both[40], mask[20];
    memcpy(both, scramble, 20);
    /* SHA-1 of bounded input: fails only without memory. */
    CHECK(EVP_Digest(password, strlen(password), once, NULL, EVP_sha1(), NULL) == 1 &&
          EVP_Digest(once, sizeof once, both + 20, NULL, EVP_sha1(), NULL) == 1 &&
          EVP_Digest(both, sizeof both, mask, NULL, EVP_sha1(), NULL) == 1);
    for (size_t i = 0; i < 20; i++)
        proof[i] = once[i] ^ mask[i];
    OPENSSL_cleanse(once, sizeof once);
    OPENSSL_cleanse(both, sizeof both);
}

static void on_sent(uv_write_t *req, int status)
{
    (void)status; /* a failure shows when reading */
    free(req->data);
}

static void send_bytes(struct probe *p, const void *data, size_t n)
{
    struct sending *s = xmalloc(sizeof *s);
    /* Callers: the dialogue's out (PROBE_OUT_MAX) and a PROXY header. */
    CHECK(n <= sizeof s->data);
    memcpy(s->data, data, n);
    s->req.data = s;
    uv_buf_t buf = uv_buf_init(s->data, (unsigned)n);
    int r = uv_write(&s->req, &p->u.stream, &buf, 1, on_sent);
    if (r < 0) {
        free(s);
        finish(p, PROBE_DOWN, uv_strerror(r));
    }
}

/* A polite end, so that the server does not count an aborted connection. */
static void farewell(struct probe *p)
{
    static const uint8_t quit[] = {1, 0, 0, 0, 1};
    const struct probe_dialogue *d = &p->dialogue;
    const uint8_t *last = d->asked ? quit : d->out;
    size_t n = d->asked ? sizeof quit : d->out_len;
    if (n > 0)
        (void)uv_try_write(&p->u.stream, &(uv_buf_t){.base = (char *)(uintptr_t)last, .len = n}, 1);
}

static void learnt(struct probe *p)
{
    const struct probe_dialogue *d = &p->dialogue;
    p->answer.galera = d->galera;
    if (!d->asked)
        finish(p, PROBE_ALIVE, "no account: not known whether one may write");
    else if (d->galera && !d->galera_ready)
        finish(p, PROBE_READ_ONLY, "the Galera node is not ready");
    else if (d->read_only)
        finish(p, PROBE_READ_ONLY, "read_only is on");
    else
        finish(p, PROBE_WRITABLE, "");
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct probe *p = stream->data;
    if (n < 0) {
        finish(p, PROBE_DOWN, n == UV_EOF ? "it closed the connection" : uv_strerror((int)n));
        return;
    }
    enum probe_step step = probe_dialogue_feed(&p->dialogue, buf->base, (size_t)n);
    while (step == PROBE_SEND && !p->over) {
        send_bytes(p, p->dialogue.out, p->dialogue.out_len);
        step = probe_dialogue_feed(&p->dialogue, NULL, 0);
    }
    if (step == PROBE_DONE || step == PROBE_REFUSED)
        farewell(p);
    if (step == PROBE_DONE)
        learnt(p);
    else if (step == PROBE_REFUSED) /* a Galera node that is not ready answers so as well */
        finish(p, p->dialogue.phase == PROBE_ANSWER ? PROBE_READ_ONLY : PROBE_ALIVE,
            p->dialogue.trouble);
    else if (step == PROBE_FAILED)
        finish(p, PROBE_DOWN, p->dialogue.trouble);
}

static void on_alloc(uv_handle_t *h, size_t size, uv_buf_t *buf)
{
    struct probe *p = h->data;
    (void)size;
    *buf = uv_buf_init(p->read_buf, sizeof p->read_buf);
}

static void on_connected(uv_connect_t *req, int status)
{
    struct probe *p = req->data;
    if (p->over)
        return;
    p->connected = status == 0;
    if (status == 0)
        status = uv_read_start(&p->u.stream, on_alloc, on_read);
    if (status < 0)
        finish(p, PROBE_DOWN, uv_strerror(status));
    else if (p->settings->proxy_protocol) {
        uint8_t header[PROXY_HEADER_MAX]; /* "LOCAL": the connection is the proxy's own */
        const struct sockaddr own = {.sa_family = AF_UNSPEC};
        send_bytes(p, header, proxy_header(header, &own, &own));
    }
}

static void on_timeout(uv_timer_t *t)
{
    struct probe *p = t->data;
    if (p->connected && uv_now(t->loop) < p->give_up_ms) {
        p->answer.result = PROBE_DOWN;
        p->answer.again = true;
        utf8_copy(p->answer.trouble, sizeof p->answer.trouble, "no answer in time");
        p->cb(p->ctx, &p->answer);
        return;
    }
    finish(p, PROBE_DOWN,
        *p->answer.trouble ? p->answer.trouble
        : p->lookup        ? "the name server does not answer"
                           : "no answer in time");
}

static void connect_tcp(struct probe *p, const struct sockaddr *sa)
{
    CHECK(uv_tcp_init(p->timer.loop, &p->u.tcp) == 0);
    p->stream_open = true;
    p->handles++;
    p->u.handle.data = p;
    int r = uv_tcp_connect(&p->connect, &p->u.tcp, sa, on_connected);
    if (r < 0) { /* told by the timer: we may be within probe_start */
        utf8_copy(p->answer.trouble, sizeof p->answer.trouble, uv_strerror(r));
        CHECK(uv_timer_start(&p->timer, on_timeout, 0, 0) == 0);
    }
}

/* Only the first address. */
static void on_found(void *ctx, const struct backend_address *list, unsigned n, const char *why)
{
    struct probe *p = ctx;
    p->lookup = NULL;
    if (n == 0)
        finish(p, PROBE_DOWN, why);
    else
        connect_tcp(p, (const struct sockaddr *)&list[0].sa);
}

struct probe *probe_start(uv_loop_t *loop, const struct backend_target *target, struct settings *s,
    probe_cb *cb, void *ctx)
{
    struct probe *p = xcalloc(1, sizeof *p);
    p->cb = cb;
    p->ctx = ctx;
    p->settings = settings_ref(s);
    probe_dialogue_init(&p->dialogue, s->probe_user, prove, p);
    CHECK(uv_timer_init(loop, &p->timer) == 0);
    p->handles = 1;
    p->timer.data = p->connect.data = p;
    p->give_up_ms = uv_now(loop) + s->probe_timeout_ms + PATIENCE_MS;
    CHECK(uv_timer_start(&p->timer, on_timeout, s->probe_timeout_ms,
              s->probe_timeout_ms > s->probe_interval_ms ? s->probe_timeout_ms
                                                         : s->probe_interval_ms) == 0);
    if (target->socket) {
        CHECK(uv_pipe_init(loop, &p->u.pipe, 0) == 0);
        p->stream_open = true;
        p->handles++;
        p->u.handle.data = p;
        uv_pipe_connect(&p->connect, &p->u.pipe, target->socket, on_connected);
        return p;
    }
    struct backend_address one;
    if (backend_address_of(target, &one))
        connect_tcp(p, (const struct sockaddr *)&one.sa);
    else {
        p->host = target->host;
        p->lookup = resolver_find(loop, target->host, target->port, on_found, p);
    }
    return p;
}
