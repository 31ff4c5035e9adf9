/*
 * From the accepted client to the greeting: the server is found, connected (several addresses,
 * again for a while if it restarts), and its greeting is rewritten for the client.
 */
#include "proxy/session/session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "common/clock.h"
#include "common/lang.h"
#include "common/utf8.h"
#include "proxy/wire/proxy_header.h"

/* Pause before a failed round over all addresses is repeated. */
#define RETRY_PAUSE_MS 100u

static void try_next(struct session *s);

static void give_up(struct session *s)
{
    char why[sizeof s->login->trouble];
    memcpy(why, s->login->trouble, sizeof why);
    session_refuse(s, SESSION_ERROR_CODE, NULL,
        N_("The database cannot be reached; please try again later."), "server not reachable", why);
}

/* All addresses failed once: again after a pause, until the time is up. */
static void round_failed(struct session *s)
{
    struct session_login *l = s->login;
    uint64_t now = uv_now(&s->worker->loop);
    backend_forget(&s->worker->backend);
    l->n_targets = l->next_target = 0;
    if (now >= l->retry_until_ms)
        give_up(s);
    else {
        l->retry_at_ms = now + RETRY_PAUSE_MS;
        worker_want_tick(s->worker);
    }
}

static void on_found(void *ctx, const struct backend_address *list, unsigned n, const char *why)
{
    struct session *s = ctx;
    struct session_login *l = s->login;
    l->lookup = NULL;
    memcpy(l->targets, list, n * sizeof *list);
    l->n_targets = n;
    l->next_target = 0;
    if (n == 0)
        utf8_copy(l->trouble, sizeof l->trouble, why);
    try_next(s);
}

/* The attempt is over: the next address, once the socket of this one is gone. */
static void attempt_failed(struct session *s, const char *why)
{
    struct session_login *l = s->login;
    utf8_copy(l->trouble, sizeof l->trouble, why);
    l->attempt_until_ms = 0;
    if (s->server.poll_open)
        link_close(&s->server, session_link_closed); /* comes back through session_connect_next */
    else
        try_next(s);
}

static void try_next(struct session *s)
{
    struct session_login *l = s->login;
    while (l->next_target < l->n_targets) {
        struct err e;
        const struct backend_address *target = &l->targets[l->next_target++];
        int fd = backend_connect(target, s->settings, &e);
        s->server_local = target->sa.ss_family == AF_UNIX;
        if (fd >= 0 && link_open(&s->server, &s->worker->loop, fd, &s->worker->scratch,
                           session_on_server_event, s, &e) == 0) {
            s->links_open++;
            l->attempt_until_ms = uv_now(&s->worker->loop) + s->settings->connect_timeout_ms;
            worker_want_tick(s->worker);
            session_poll(s);
            return;
        }
        utf8_copy(l->trouble, sizeof l->trouble, e.text);
    }
    round_failed(s);
}

void session_connect_next(struct session *s)
{
    try_next(s);
}

static void look_up(struct session *s)
{
    struct session_login *l = s->login;
    l->retry_at_ms = 0;
    const struct backend_target *target = &s->settings->database;
    if (s->settings->backends) { /* asked anew each time: another one may be in use by now */
        struct backend_address none;
        s->backend = backend_pool_active(s->settings->backends);
        if (!s->backend) {
            on_found(s, &none, 0, "no database server is writable");
            return;
        }
        target = &s->backend->target;
    }
    /* The answer may come within the call, and with it the end of the session's login state. */
    struct backend_lookup *pending = backend_find(
        &s->worker->backend, target, uv_now(&s->worker->loop), on_found, s);
    if (pending)
        l->lookup = pending;
}

void session_connect(struct session *s)
{
    s->login->retry_until_ms = uv_now(&s->worker->loop) + s->settings->connect_retry_ms;
    session_poll(s);
    look_up(s);
}

/* The server was there and went before its greeting, as it does while it restarts. */
void session_connect_again(struct session *s, const char *why)
{
    session_move(s, SESSION_CONNECTING);
    s->login->header_due = s->settings->proxy_protocol;
    buffer_free(&s->login->from_server);
    attempt_failed(s, why);
}

void session_connect_tick(struct session *s, uint64_t now_ms)
{
    struct session_login *l = s->login;
    if (l->retry_at_ms && now_ms >= l->retry_at_ms)
        look_up(s);
    else if (l->attempt_until_ms && now_ms >= l->attempt_until_ms) {
        session_server_leave_behind(s);
        attempt_failed(s, "the server did not answer in time");
    }
}

/* The PROXY header goes ahead of everything; the server's greeting comes only after it. */
int session_send_proxy_header(struct session *s, struct err *e)
{
    struct sockaddr_storage peer = {0}, local = {0};
    socklen_t n = sizeof peer;
    uint8_t header[PROXY_HEADER_MAX];
    if (!s->settings->proxy_protocol)
        return 0;
    (void)getpeername(s->client.fd, (struct sockaddr *)&peer, &n);
    n = sizeof local;
    (void)getsockname(s->client.fd, (struct sockaddr *)&local, &n);
    size_t len = proxy_header(header, (struct sockaddr *)&peer, (struct sockaddr *)&local);
    s->login->header_due = false;
    return link_write(&s->server, header, len, e);
}

bool session_server_connected(struct session *s, int status)
{
    struct err e;
    int r = status < 0 || s->settings->proxy_protocol ? backend_connected(s->server.fd, &e) : 0;
    if (r == 0 && status < 0)
        r = err_set(&e, EIO, "the connection to the server broke");
    if (r == 0)
        r = session_send_proxy_header(s, &e);
    if (r < 0) {
        attempt_failed(s, e.text);
        return false;
    }
    s->login->attempt_until_ms = 0;
    session_move(s, SESSION_GREETING);
    session_deadline(s, s->settings->connect_timeout_ms);
    return true;
}

static void bad_greeting(struct session *s, const char *why)
{
    session_refuse(s, SESSION_ERROR_CODE, NULL, N_("The database sent garbage."),
        "server's greeting is not understood", why);
}

#define ERROR_HOST_BLOCKED 1129 /* ER_HOST_IS_BLOCKED */

/* The server refuses (too many connections): its own words go through. That it has blocked us is
 * remembered for whoever can help (warnings.c). */
static void pass_refusal(struct session *s, const uint8_t *packet, size_t n)
{
    uint16_t code = 0;
    char text[256] = "";
    (void)error_payload(packet + PACKET_HEADER, n - PACKET_HEADER, &code, text, sizeof text);
    SLOT_ADD(s->worker->totals.logins_failed, 1);
    if (code == ERROR_HOST_BLOCKED) {
        SLOT_ADD(s->worker->totals.server_blocked, 1);
        SLOT_SET(s->worker->totals.server_blocked_ms, clock_mono_ms());
    }
    if (link_write(&s->client, packet, n, NULL) < 0)
        session_drop(s, "server refused", text);
    else
        session_close_softly(s, "server refused", text);
}

void session_on_greeting_bytes(struct session *s)
{
    struct session_login *l = s->login;
    const uint8_t *p = buffer_ptr(&l->from_server);
    size_t have = buffer_len(&l->from_server);
    if (have < PACKET_HEADER)
        return;
    size_t n = PACKET_HEADER + packet_length(p);
    if (n > GREETING_MAX || n == PACKET_HEADER) {
        bad_greeting(s, "its length is absurd");
        return;
    }
    if (have < n)
        return;
    if (p[PACKET_HEADER] == 0xff) {
        pass_refusal(s, p, n);
        return;
    }
    uint8_t out[GREETING_MAX];
    size_t out_len;
    struct err e;
    const struct greeting_change change = {
        .offer_tls = s->listener->tls != TLS_OFF, .announce = s->listener->announce};
    if (p[3] != 0) {
        bad_greeting(s, "its sequence number is not 0");
        return;
    }
    if (greeting_parse(p + PACKET_HEADER, n - PACKET_HEADER, &l->greeting, &e) < 0 ||
        greeting_rewrite(p, n, &change, out, &out_len, &e) < 0) {
        bad_greeting(s, e.text);
        return;
    }
    buffer_consume(&l->from_server, n);
    s->thread_id = l->greeting.thread_id;
    if (link_write(&s->client, out, out_len, &e) < 0) {
        session_drop(s, "client lost", e.text);
        return;
    }
    session_move(s, SESSION_FIRST);
    session_deadline(s, s->settings->handshake_timeout_ms);
    if (buffer_len(&l->from_client) > 0) /* it spoke before its turn, but in the right words */
        session_on_client_first(s);
}
