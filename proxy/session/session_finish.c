/*
 * The server's side of a session whose client is done. What the server still does counts until the
 * server has ended it, and what a client breaks off before its login is not left to the server to
 * complain of:
 *
 *   drained    after a login: the server hears that nothing more comes, its answer is read and
 *              thrown away, and its own end is the end, behind the rollback of what was open.
 *   dismissed  before one: a server counts connections that break off against the address that
 *              they come from, ours, and blocks it for everybody after max_connect_errors of them
 *              (1129). A refused login is not counted (tried on 10.11 and 11.8): so one is made.
 */
#include "proxy/session/session.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include "common/log.h"

/* What a server may take to greet and to refuse a login. It counts one that broke off whenever it
 * gets to it, however late; what is left behind none the less is counted here too. */
#ifndef DISMISS_MS /* shorter where it is to be reached: elexgate-proxy-small */
#define DISMISS_MS 60000u
#endif
/* So much of a result that nobody reads is read; then the server may find the line cut. */
#define DRAIN_MAX (1024u * 1024u)

static bool server_works(const struct session *s)
{
    const struct dialogue *d = &s->dialogue;
    return s->state == SESSION_RELAY &&
           (d->outstanding > 0 || d->lost || d->transaction != TRANSACTION_NONE || s->asking);
}

/* The server may count it against us. */
static void login_cut(struct session *s, const char *why)
{
    SLOT_ADD(s->worker->totals.server_logins_cut, 1);
    log_event(LOG_WARNING, "server-left", LOG_U("session", s->id), LOG_S("reason", why));
}

/* A broken link tells by its end, which is awaited anyway. */
static void send_server(struct session *s, const void *payload, size_t n, uint8_t seq)
{
    uint8_t packet[PACKET_HEADER + LOGIN_FAREWELL_MAX];
    struct err e;
    ASSERT(n <= sizeof packet - PACKET_HEADER); /* constants of this file */
    packet_header(packet, (uint32_t)n, seq);
    memcpy(packet + PACKET_HEADER, payload, n);
    if (link_write(&s->server, packet, PACKET_HEADER + n, &e) < 0)
        s->server.eof = true;
}

static void no_password(struct session *s, uint8_t seq)
{
    static const uint8_t zeros[LOGIN_FAREWELL_MAX];
    send_server(s, zeros, login_plugin_farewell(s->login->sha2.plugin), seq);
}

static void refused_login(struct session *s)
{
    uint8_t packet[LOGIN_NOBODY_LEN];
    struct err e;
    login_nobody(packet);
    s->login->nobody = true;
    if (link_write(&s->server, packet, sizeof packet, &e) < 0)
        s->server.eof = true;
}

static void dismiss_packet(struct session *s, uint8_t *p, size_t n)
{
    struct session_login *l = s->login;
    uint8_t *payload = p + PACKET_HEADER;
    if (!l->nobody && !l->response_sent) { /* the greeting */
        if (n > 0 && payload[0] != 0xff)
            refused_login(s);
        return;
    }
    sha2_login_on_server(&l->sha2, payload, n);
    switch (login_classify(payload, n)) {
    case LOGIN_OK:
        send_server(s, "\x01", 1, 0);
        break;
    case LOGIN_ERROR: /* and it closes */
        break;
    default:
        if (!login_goes_on(payload, n))
            no_password(s, (uint8_t)(p[3] + 1));
    }
}

/* false: that is enough. */
static bool dismiss_bytes(struct session *s, const uint8_t *data, size_t n)
{
    struct buffer *b = &s->login->from_server;
    if (buffer_append(b, data, n) < 0)
        return false;
    while (buffer_len(b) >= PACKET_HEADER) {
        uint8_t *p = b->data + b->start;
        size_t len = packet_length(p);
        if (len > LOGIN_PACKET_MAX)
            return false;
        if (buffer_len(b) < PACKET_HEADER + len)
            break;
        dismiss_packet(s, p, len);
        buffer_consume(b, PACKET_HEADER + len);
    }
    return true;
}

/* A server in the middle of a login, or one whose greeting has not come yet. false: it is left as
 * it is. */
static bool dismiss(struct session *s)
{
    struct session_login *l = s->login;
    bool early = s->state == SESSION_CONNECTING || s->state == SESSION_GREETING;
    if (!early && !l->response_sent)
        refused_login(s);
    else if (!early && l->server_waits)
        no_password(s, (uint8_t)(l->server_seq + 1));
    if (!dismiss_bytes(s, NULL, 0)) /* what has come already */
        return false;
    s->finish = SESSION_DISMISS;
    s->finish_until_ms = uv_now(&s->worker->loop) + DISMISS_MS;
    return true;
}

void session_server_leave(struct session *s)
{
    if (s->finish != SESSION_UNFINISHED)
        return;
    if (s->login) {
        backend_cancel(s->login->lookup);
        s->login->lookup = NULL;
        session_proof_cancel(s);
        session_sha2_forget(s->login);
    }
    bool there = s->server.poll_open && !s->server.eof && !s->worker->stopping;
    if (there && server_works(s)) {
        s->finish = SESSION_DRAIN;
        link_shutdown(&s->server);
        session_account_gone(s);
    } else {
        bool waits = there && (s->state < SESSION_RELAY && s->login && !s->server_local);
        if (waits && !dismiss(s)) {
            login_cut(s, "it sent what is no login");
            waits = false;
        }
        if (!waits)
            link_close(&s->server, session_link_closed);
        session_account_off(s);
    }
}

void session_server_leave_behind(struct session *s)
{
    struct sockaddr_storage peer;
    socklen_t n = sizeof peer;
    struct err e;
    if (s->server_local ||
        getpeername(s->server.fd, (struct sockaddr *)&peer, &n) < 0) /* never connected */
        return;
    int fd = fcntl(s->server.fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
        login_cut(s, "no file descriptor is free");
        return;
    }
    struct session *left = session_clientless(s);
    if (link_open(&left->server, &s->worker->loop, fd, &s->worker->scratch, session_on_server_event,
            left, &e) < 0) {
        login_cut(s, e.text);
        session_finished(left);
        return;
    }
    left->links_open = 1;
    left->finish = SESSION_DISMISS;
    left->finish_until_ms = uv_now(&s->worker->loop) + DISMISS_MS;
    session_poll(left);
    worker_want_tick(s->worker);
}

/* A result without end that nobody reads is no work: the server may find the line cut. What writes
 * is read to its end. */
static bool drain_bytes(struct session *s, const uint8_t *data, size_t n)
{
    struct dialogue *d = &s->dialogue;
    session_account(s, dialogue_server(d, data, n));
    s->drained += n;
    return s->drained < DRAIN_MAX || d->write_outstanding > 0 || d->transaction_wrote || d->lost;
}

void session_on_finishing(struct session *s, int status, int events)
{
    const uint8_t *data;
    struct err e;
    bool more = true;
    if (s->finish == SESSION_DISMISS && s->login->header_due) {
        s->login->header_due = false;
        more = session_send_proxy_header(s, &e) == 0;
    }
    if (events & UV_WRITABLE)
        more = more && link_flush(&s->server, &e) == 0;
    if (more && s->finish == SESSION_DRAIN)
        link_shutdown(&s->server);
    if (more && ((events & UV_READABLE) || status < 0)) {
        ssize_t n = link_read(&s->server, &data, &e);
        if (n < 0)
            more = false;
        else if (n > 0)
            more = s->finish == SESSION_DRAIN ? drain_bytes(s, data, (size_t)n)
                                              : dismiss_bytes(s, data, (size_t)n);
        more = more && !s->server.eof;
    }
    if (!more)
        session_finished(s);
}

void session_finish_tick(struct session *s, uint64_t now_ms)
{
    if (s->finish == SESSION_DISMISS && now_ms >= s->finish_until_ms) {
        login_cut(s, "it has not refused the login in time");
        session_finished(s);
    }
}
