/*
 * From the client's first packet to the end of its login. MariaDB's TLS is a STARTTLS: greeting in
 * clear, SSLRequest, then TLS, then the login inside. The SSLRequest took a sequence number that
 * the server never saw, so until the login's OK or ERR the client counts one ahead (docs/wire.md).
 */
#include "proxy/session/session.h"

#include <stdio.h>
#include <string.h>
#include "common/lang.h"
#include "common/log.h"

#define ERROR_INSECURE     3159 /* ER_SECURE_TRANSPORT_REQUIRED */
#define ERROR_OUT_OF_ORDER 1156 /* ER_NET_PACKETS_OUT_OF_ORDER */
#define ERROR_HANDSHAKE    1043 /* ER_HANDSHAKE_ERROR */
#define ERROR_UNSUPPORTED  1235 /* ER_NOT_SUPPORTED_YET */

static void misunderstood(struct session *s, uint16_t code, const char *why)
{
    SLOT_ADD(s->worker->totals.logins_failed, 1);
    session_refuse(s, code, "08S01", N_("The login was not understood."), "bad login", why);
}

static void insecure(struct session *s)
{
    SLOT_ADD(s->worker->totals.refused[REFUSAL_NO_TLS], 1);
    session_refuse(s, ERROR_INSECURE, "HY000",
        N_("This database accepts only encrypted connections (TLS)."), "client refused TLS", NULL);
}

/* Takes one whole packet from the front of b; NULL: not there yet. *n counts the header. */
static uint8_t *packet_whole(struct buffer *b, size_t *n, bool *absurd)
{
    *absurd = false;
    if (buffer_len(b) < PACKET_HEADER)
        return NULL;
    uint8_t *p = b->data + b->start;
    *n = PACKET_HEADER + packet_length(p);
    *absurd = *n > LOGIN_PACKET_MAX + PACKET_HEADER;
    return buffer_len(b) < *n || *absurd ? NULL : p;
}

/* Of a packet whose header is there. */
static uint8_t packet_sequence(const struct buffer *b)
{
    return buffer_ptr(b)[PACKET_HEADER - 1];
}

static void on_client_login(struct session *s, const uint8_t *data, size_t n);

/* A server waits for a login for connect_timeout, 10 s unless somebody has changed that. */
static const struct session_verdict server_gave_up = {SESSION_ERROR_CODE,
    N_("The login took too long for the database server (connect_timeout); please try again."),
    "server closed during the login"};
static const struct session_verdict too_late = {
    SESSION_ERROR_CODE, N_("The login took too long."), "login not finished in time"};
const struct session_verdict session_too_many = {
    1040, N_("Too many logins at once; please try again."), "too many logins pending"};

static void tell_verdict(struct session *s, const struct session_verdict *v)
{
    session_refuse(
        s, v->code, v->code == 1040 ? "08004" : SESSION_ERROR_STATE, v->text, v->reason, NULL);
}

/* The client has the word: an error that it has not asked for could come between its TLS. */
static bool client_speaks(const struct session *s)
{
    return s->state == SESSION_TLS || (s->state == SESSION_FIRST && !s->login->client_seq) ||
           (s->state == SESSION_LOGIN && s->login->client_turn);
}

bool session_login_give_up(struct session *s, const struct session_verdict *why)
{
    if (s->state > SESSION_LOGIN || (s->login && s->login->verdict))
        return false;
    SLOT_ADD(s->worker->totals.logins_failed, 1);
    if (!client_speaks(s)) {
        tell_verdict(s, why);
        return true;
    }
    log_event(LOG_WARNING, "login-given-up", LOG_U("session", s->id), LOG_S("reason", why->reason));
    s->login->verdict = why;
    session_server_leave(s);
    session_enlist(s, &s->worker->leaving);
    worker_check_blocked(s->worker);
    return true;
}

bool session_login_server_lost(struct session *s)
{
    return client_speaks(s) && session_login_give_up(s, &server_gave_up);
}

/* The client is told if it says something within the same time again. */
void session_login_too_late(struct session *s)
{
    uint64_t again = s->settings->handshake_timeout_ms;
    if (session_login_give_up(s, &too_late)) {
        if (s->state < SESSION_RELAY)
            session_deadline(s, again < SESSION_LINGER_MS ? again : SESSION_LINGER_MS);
        return;
    }
    session_drop(s,
        s->state == SESSION_FIRST ? "client sent no login in time"
        : s->state == SESSION_TLS ? "TLS handshake not finished in time"
                                  : too_late.reason,
        NULL);
}

static void handshake_done(struct session *s)
{
    struct totals *t = &s->worker->totals;
    SLOT_ADD(t->handshakes_ok, 1);
    s->resumed = SSL_session_reused(s->client.ssl) == 1;
    if (s->resumed)
        SLOT_ADD(t->resumed, 1);
    int version = SSL_version(s->client.ssl);
    if (version == TLS1_3_VERSION)
        SLOT_ADD(t->tls13, 1);
    else if (version == TLS1_2_VERSION)
        SLOT_ADD(t->tls12, 1);
    else
        SLOT_ADD(t->tls_older, 1);
}

/* The server's patience lasts from its greeting to the client's name, and so does ours. */
static void move_on(struct session *s, enum session_state to)
{
    uint64_t deadline = s->deadline_ms;
    session_move(s, to);
    s->deadline_ms = deadline;
}

static void login_begin(struct session *s)
{
    move_on(s, SESSION_LOGIN);
    s->login->client_turn = true;
}

static void start_tls(struct session *s, size_t request_len)
{
    struct session_login *l = s->login;
    struct buffer ahead = l->from_client; /* what came behind the SSLRequest is TLS's, all of it */
    buffer_init(&l->from_client, ahead.max);
    buffer_consume(&ahead, request_len);
    l->shift = 1;
    move_on(s, SESSION_TLS);

    const uint8_t *data;
    struct err e;
    ssize_t n = link_start_tls(&s->client, s->listener->tls_ctx,
        buffer_len(&ahead) ? buffer_ptr(&ahead) : NULL, buffer_len(&ahead), &data, &e);
    buffer_free(&ahead);
    if (n < 0) {
        SLOT_ADD(s->worker->totals.handshakes_failed, 1);
        session_drop(s, "TLS handshake failed", e.text);
        return;
    }
    on_client_login(s, data, (size_t)n);
}

void session_on_client_first(struct session *s)
{
    struct session_login *l = s->login;
    bool absurd;
    size_t n;
    uint8_t *p = packet_whole(&l->from_client, &n, &absurd);
    if (absurd) {
        l->client_seq = packet_sequence(&l->from_client);
        misunderstood(s, ERROR_HANDSHAKE, "its length is absurd");
        return;
    }
    if (!p)
        return;
    l->client_seq = p[3];
    struct err e;
    int r = p[3] != 1 ? err_set(&e, EPROTO, "sequence number %u instead of 1", p[3])
                      : login_first(p + PACKET_HEADER, n - PACKET_HEADER, &l->head, &e);
    if (r < 0) {
        misunderstood(s, p[3] != 1 ? ERROR_OUT_OF_ORDER : ERROR_HANDSHAKE, e.text);
        return;
    }
    if (r == 1 && s->listener->tls == TLS_OFF)
        misunderstood(s, ERROR_HANDSHAKE, "TLS was asked for and not offered");
    else if (r == 1)
        start_tls(s, n);
    else if (s->listener->tls == TLS_REQUIRED)
        insecure(s);
    else {
        login_begin(s);
        on_client_login(s, NULL, 0);
    }
}

/* The HandshakeResponse: who it is, and made fit for a plaintext server. */
static bool take_response(struct session *s, uint8_t *packet, size_t n)
{
    struct session_login *l = s->login;
    struct login_head own;
    struct err e;
    int r = packet[3] != 1 + l->shift
                ? err_set(&e, EPROTO, "sequence number %u instead of %u", packet[3], 1u + l->shift)
                : login_first(packet + PACKET_HEADER, n - PACKET_HEADER, &own, &e);
    if (r == 1)
        r = err_set(&e, EPROTO, "a second SSLRequest");
    if (r == 0)
        l->charset = own.charset;
    if (r == 0)
        r = login_parse(packet + PACKET_HEADER, n - PACKET_HEADER, l->head.caps, &s->names, &e);
    if (r == 0)
        r = login_check(packet + PACKET_HEADER, n - PACKET_HEADER, l->head.caps, &e);
    if (r == 0)
        r = login_rewrite(packet + PACKET_HEADER, n - PACKET_HEADER, &l->head, &e);
    if (r < 0 || (l->head.caps & CAP_COMPRESS)) {
        l->client_seq = packet[3];
        l->client_turn = false;
    }
    if (r < 0) {
        misunderstood(s, packet[3] != 1 + l->shift ? ERROR_OUT_OF_ORDER : ERROR_HANDSHAKE, e.text);
        return false;
    }
    if (l->head.caps & CAP_COMPRESS) {
        /* PHP's mysqlnd compresses when it is told to, whether or not that was offered; left alone
         * it would wait for ever. A client that honours the greeting does not set the bit. */
        SLOT_ADD(s->worker->totals.refused[REFUSAL_COMPRESSION], 1);
        session_refuse(s, ERROR_UNSUPPORTED, "42000",
            N_("Compression is not offered here; switch it off in the client."),
            "client insists on compression", NULL);
        return false;
    }
    if (session_user_is_watched(s)) {
        l->client_seq = packet[3];
        l->client_turn = false;
        if (!session_user_may(s, s->names.user))
            return false;
    }
    l->response_seen = true;
    sha2_login_begin(&l->sha2, s->names.plugin, l->greeting.scramble);
    return true;
}

/* Passes the client's packet on when it is the client's turn. A command that was sent ahead of the
 * login's end stays where it is. */
static void pump_client(struct session *s)
{
    struct session_login *l = s->login;
    bool absurd;
    size_t n;
    if (!l->client_turn)
        return;
    uint8_t *p = packet_whole(&l->from_client, &n, &absurd);
    if (absurd) {
        l->client_seq = packet_sequence(&l->from_client);
        l->client_turn = false;
        misunderstood(s, ERROR_HANDSHAKE, "its length is absurd");
    } else if (p && l->verdict) {
        l->client_seq = p[3];
        l->client_turn = false;
        tell_verdict(s, l->verdict);
        return;
    }
    if (!p || (!l->response_seen && !take_response(s, p, n)))
        return;
    if (l->response_sent && !login_plugin_fits(l->sha2.plugin, n - PACKET_HEADER)) {
        l->client_seq = p[3];
        l->client_turn = false;
        misunderstood(s, ERROR_HANDSHAKE, "a proof of a length that its plugin does not have");
        return;
    }
    if (session_sha2_password(s, p, n))
        return;
    l->client_seq = p[3];
    l->client_turn = false;
    p[3] = (uint8_t)(p[3] - l->shift);
    if (!l->response_sent)
        session_deadline(s, s->settings->login_timeout_ms);
    l->response_sent = true;
    l->server_waits = false;
    struct err e;
    if (link_write(&s->server, p, n, &e) < 0)
        session_close_softly(s, "server lost", e.text);
    else
        buffer_consume(&l->from_client, n);
}

static void on_client_login(struct session *s, const uint8_t *data, size_t n)
{
    struct session_login *l = s->login;
    if (s->state == SESSION_TLS && s->client.secure) {
        handshake_done(s);
        login_begin(s);
    }
    if (n > 0 && buffer_append(&l->from_client, data, n) < 0) {
        session_drop(s, "client sent too much before its login", NULL);
        return;
    }
    if (s->state == SESSION_LOGIN)
        pump_client(s);
}

void session_on_client_early(struct session *s, const uint8_t *data, size_t n)
{
    if (s->state >= SESSION_TLS) {
        on_client_login(s, data, n);
        return;
    }
    struct buffer *b = &s->login->from_client;
    if (buffer_append(b, data, n) < 0) {
        session_drop(s, "client sent too much before its login", NULL);
        return;
    }
    const char *foreign = login_foreign(buffer_ptr(b), buffer_len(b));
    if (foreign)
        session_drop(s, "not a database client", foreign);
    else if (s->state == SESSION_FIRST)
        session_on_client_first(s);
}

static void login_failed(struct session *s, const uint8_t *payload, size_t n)
{
    uint16_t code = 0;
    char text[256] = "";
    SLOT_ADD(s->worker->totals.logins_failed, 1);
    (void)error_payload(payload, n, &code, text, sizeof text);
    log_event(LOG_WARNING, "login-failed", LOG_U("session", s->id), LOG_S("user", s->names.user),
        LOG_U("code", code), LOG_S("error", text));
    session_close_softly(s, "login failed", text);
}

static void login_succeeded(struct session *s, const uint8_t *payload, size_t n)
{
    struct session_login *l = s->login;
    uint16_t status = 0;
    (void)login_ok_status(payload, n, &status);
    struct buffer client = l->from_client, server = l->from_server;
    buffer_init(&l->from_client, client.max);
    buffer_init(&l->from_server, server.max);
    session_relay_start(s, status);
    /* What either side sent ahead belongs to the command phase already. */
    if (buffer_len(&server) > 0)
        session_on_server_relay(s, buffer_ptr(&server), buffer_len(&server));
    if (buffer_len(&client) > 0 && s->state == SESSION_RELAY)
        session_on_client_relay(s, buffer_ptr(&client), buffer_len(&client));
    buffer_free(&client);
    buffer_free(&server);
}

/* One packet of the server during the login. false: no more of this. */
static bool pass_server(struct session *s)
{
    struct session_login *l = s->login;
    bool absurd;
    size_t n;
    uint8_t *p = packet_whole(&l->from_server, &n, &absurd);
    if (absurd || (p && n == PACKET_HEADER)) {
        session_close_softly(s, "server sent what is no login", NULL);
        return false;
    }
    if (!p)
        return false;
    l->server_seq = p[3];
    if (session_sha2_key(s, p, n))
        return s->state == SESSION_LOGIN;
    enum login_reply reply = login_classify(p + PACKET_HEADER, n - PACKET_HEADER);
    if (reply == LOGIN_OK && session_proof_awaited(s, p + PACKET_HEADER, n - PACKET_HEADER))
        return false;
    if (session_sha256_refuses(s, reply, p + PACKET_HEADER, n - PACKET_HEADER))
        return false;
    /* The client has not seen what was said of the key. */
    p[3] = l->sha2.step == SHA2_DONE ? (uint8_t)(l->client_seq + 1) : (uint8_t)(p[3] + l->shift);
    struct err e;
    if (link_write(&s->client, p, n, &e) < 0) {
        session_drop(s, "client lost", e.text);
        return false;
    }
    uint8_t payload[512];
    size_t len = n - PACKET_HEADER < sizeof payload ? n - PACKET_HEADER : sizeof payload;
    memcpy(payload, p + PACKET_HEADER, len);
    sha2_login_on_server(&l->sha2, p + PACKET_HEADER, n - PACKET_HEADER);
    buffer_consume(&l->from_server, n);
    if (reply == LOGIN_OK)
        login_succeeded(s, payload, len);
    else if (reply == LOGIN_ERROR)
        login_failed(s, payload, len);
    else {
        l->client_turn = l->server_waits = !login_goes_on(payload, len);
        pump_client(s);
        return s->state == SESSION_LOGIN;
    }
    return false;
}

void session_on_server_login(struct session *s)
{
    if (s->state != SESSION_LOGIN) {
        session_close_softly(s, "server spoke out of turn", NULL);
        return;
    }
    while (pass_server(s))
        ;
}
