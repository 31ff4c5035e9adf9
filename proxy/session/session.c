#include "proxy/session/session.h"

#include <string.h>
#include "common/clock.h"
#include "common/lang.h"
#include "common/phrase.h"

void session_move(struct session *s, enum session_state to)
{
    /* Every caller asks for the state first; the moves are a table (session_state.c). */
    ASSERT(session_state_may(s->state, to));
    s->state = to;
    s->deadline_ms = 0; /* a deadline belongs to a phase */
}

void session_enlist(struct session *s, struct session_list *list)
{
    if (s->list)
        TAILQ_REMOVE(s->list, s, entry);
    s->list = list;
    if (list)
        TAILQ_INSERT_TAIL(list, s, entry);
}

void session_deadline(struct session *s, uint64_t in_ms)
{
    s->deadline_ms = uv_now(&s->worker->loop) + in_ms;
    worker_want_tick(s->worker);
}

static void session_free(struct session *s)
{
    struct worker *w = s->worker;
    login_names_free(&s->names);
    dialogue_clear(&s->dialogue);
    user_guard_free(s->guard);
    buffer_free(&s->stash);
    notice_unref(s->notice);
    free(s->end_detail);
    settings_unref(s->settings);
    worker_session_gone(w, &s->peer);
    free(s);
}

void session_link_closed(struct link *l)
{
    struct session *s = l->owner;
    /* Once a link, from its close callback. */
    ASSERT(s->links_open > 0);
    s->links_open--;
    if (s->state == SESSION_CONNECTING) /* a failed attempt: the next address */
        session_connect_next(s);
    else if (s->state == SESSION_CLOSED && s->links_open == 0)
        session_free(s);
}

static void login_free(struct session *s)
{
    if (!s->login)
        return;
    buffer_free(&s->login->from_client);
    buffer_free(&s->login->from_server);
    free(s->login);
    s->login = NULL;
}

static void note_end(struct session *s, const char *reason, const char *detail)
{
    if (s->end_reason)
        return; /* the first reason is the true one */
    s->end_reason = reason;
    s->end_detail = xstrdup(detail);
}

/* The client is done with the server. */
static void leave(struct session *s, enum session_state to)
{
    struct worker *w = s->worker;
    session_server_leave(s);
    session_move(s, to);
    session_enlist(s, &w->leaving);
    worker_check_blocked(w);
    worker_check_held(w);
    if (s->finish)
        worker_want_tick(w);
}

static void close_last(struct session *s)
{
    if (s->state == SESSION_FINISHING)
        session_move(s, SESSION_CLOSED);
    session_enlist(s, NULL);
    login_free(s);
    if (s->links_open == 0) /* never got as far as a socket, or both are gone */
        session_free(s);
}

void session_drop(struct session *s, const char *reason, const char *detail)
{
    if (s->state >= SESSION_FINISHING)
        return;
    note_end(s, reason, detail);
    session_log_end(s);
    leave(s, SESSION_FINISHING);
    link_close(&s->client, session_link_closed);
    if (s->finish)
        session_poll(s);
    else
        close_last(s);
}

void session_finished(struct session *s)
{
    struct worker *w = s->worker;
    s->finish = SESSION_UNFINISHED;
    link_close(&s->server, session_link_closed);
    session_account_off(s);
    if (s->state == SESSION_FINISHING)
        close_last(s);
    worker_check_held(w);
}

/* What is left to say goes out; whoever has closed already will say no more. */
static void session_closing_step(struct session *s)
{
    uint64_t now = uv_now(&s->worker->loop), end = s->closing_until_ms;
    link_shutdown(&s->client);
    if (s->client.eof && !link_backlog(&s->client)) {
        session_drop(s, s->end_reason, NULL);
        return;
    }
    s->deadline_ms = now + SESSION_CLOSE_MS < end ? now + SESSION_CLOSE_MS : end;
    session_poll(s);
}

void session_close_softly(struct session *s, const char *reason, const char *detail)
{
    if (s->state >= SESSION_CLOSING)
        return;
    note_end(s, reason, detail);
    leave(s, SESSION_CLOSING);
    worker_want_tick(s->worker);
    s->closing_until_ms = uv_now(&s->worker->loop) + SESSION_CLOSE_MAX_MS;
    session_closing_step(s);
}

/* The sequence number at which the client takes an error now; -1 = at none. */
static int error_seq(const struct session *s)
{
    uint8_t seq;
    switch (s->state) {
    case SESSION_CONNECTING:
    case SESSION_GREETING:
        return 0;
    case SESSION_FIRST:
        /* Only as the answer to a packet; before one the client may be about to start TLS. */
        return s->login->client_seq ? s->login->client_seq + 1 : -1;
    case SESSION_LOGIN:
        return s->login->client_turn ? -1 : s->login->client_seq + 1;
    case SESSION_RELAY:
        return dialogue_can_end(&s->dialogue, &seq) ? seq : -1;
    default:
        return -1;
    }
}

/* Sends words as they are. */
static void refuse_with(struct session *s, uint16_t code, const char *state, const char *text,
    const char *reason, const char *detail)
{
    int seq = error_seq(s);
    if (seq >= 0) {
        uint8_t packet[ERROR_PACKET_MAX];
        bool early = s->state <= SESSION_GREETING;
        size_t n = error_packet(packet, (uint8_t)seq, code, early ? NULL : state, text);
        if (link_write(&s->client, packet, n, NULL) < 0) {
            session_drop(s, reason, detail);
            return;
        }
    }
    session_close_softly(s, reason, detail);
}

void session_refuse_phrase(struct session *s, uint16_t code, const char *state, json_t *phrase,
    const char *reason, const char *detail)
{
    _cleanup_free_ char *words = notice_words(&s->settings->tongues, phrase);
    _cleanup_free_ char *ascii = notice_ascii(words);
    json_decref(phrase);
    refuse_with(s, code, state, s->state < SESSION_RELAY ? ascii : words, reason, detail);
}

void session_refuse(struct session *s, uint16_t code, const char *state, const char *english,
    const char *reason, const char *detail)
{
    session_refuse_phrase(s, code, state, phrase_of(english), reason, detail);
}

/* In the middle of a packet no error can be put in: its end is awaited, for a moment. */
static void cut(struct session *s, struct notice *n, const char *reason)
{
    note_end(s, reason, NULL);
    s->cutting = true;
    s->notice = notice_ref(n);
    session_enlist(s, &s->worker->leaving);
    session_deadline(s, SESSION_CLOSE_MS);
    worker_check_blocked(s->worker);
    session_poll(s);
}

void session_cut(struct session *s)
{
    refuse_with(s, SESSION_ERROR_CODE, SESSION_ERROR_STATE, s->notice->text, s->end_reason, NULL);
}

void session_end_now(struct session *s, struct notice *n, const char *reason)
{
    if (s->state >= SESSION_ENDING || s->cutting)
        return;
    if (s->state == SESSION_RELAY && !session_between(s) && error_seq(s) < 0) {
        cut(s, n, reason);
        return;
    }
    if (s->state != SESSION_RELAY || !session_between(s) || s->client.eof) {
        refuse_with(s, SESSION_ERROR_CODE, SESSION_ERROR_STATE,
            s->state < SESSION_RELAY ? n->ascii : n->text, reason, NULL);
        return;
    }
    if (s->quit) { /* it has said its last word */
        session_close_softly(s, reason, NULL);
        return;
    }
    /* Between two statements: the driver would read an error only with its next command, so keep it
     * for that. */
    note_end(s, reason, NULL);
    s->notice = notice_ref(n);
    leave(s, SESSION_ENDING);
    session_deadline(s, SESSION_LINGER_MS);
    session_poll(s);
    if (buffer_len(&s->stash) > 0) /* the next command is here already: a hold kept it */
        session_on_client_ending(s, buffer_ptr(&s->stash), buffer_len(&s->stash));
}

void session_end_for(struct session *s, struct notice *n)
{
    if (s->state >= SESSION_ENDING)
        return;
    if (s->state < SESSION_RELAY ||
        (dialogue_between(&s->dialogue) && s->dialogue.transaction == TRANSACTION_NONE)) {
        session_end_now(s, n, "blocked");
        return;
    }
    s->end_asked = true;
}

void session_poll(struct session *s)
{
    int client = 0, server = 0;
    if (link_backlog(&s->client))
        client |= UV_WRITABLE;
    if (link_backlog(&s->server))
        server |= UV_WRITABLE;
    switch (s->state) {
    case SESSION_CONNECTING:
        /* The server speaks first, so its greeting is the sign that it is connected, and a failure
         * is reported in any case; only the PROXY header has to be sent ahead. */
        server |= s->settings->proxy_protocol ? UV_WRITABLE : UV_READABLE;
        __attribute__((fallthrough));
    case SESSION_GREETING:
    case SESSION_FIRST:
    case SESSION_TLS:
    case SESSION_LOGIN:
        /* What a client sends ahead of its turn is bounded; then it waits in the kernel. */
        if (buffer_len(&s->login->from_client) <= LOGIN_PACKET_MAX)
            client |= UV_READABLE;
        if (s->state != SESSION_CONNECTING && !link_backlog(&s->client))
            server |= UV_READABLE;
        break;
    case SESSION_RELAY:
        if (!link_backlog(&s->server) && !session_client_held(s) && !s->client.eof)
            client |= UV_READABLE;
        if (!link_backlog(&s->client))
            server |= UV_READABLE;
        break;
    case SESSION_ENDING:
    case SESSION_CLOSING:
        if (!s->client.eof)
            client |= UV_READABLE;
        __attribute__((fallthrough));
    case SESSION_FINISHING:
        if (s->finish) /* the PROXY header is due before a greeting comes */
            server |= s->login && s->login->header_due ? UV_WRITABLE : UV_READABLE;
        break;
    default:
        return;
    }
    link_poll(&s->client, client);
    link_poll(&s->server, server);
}

/* The client sends no more. It may still wait for the answer to what it sent last: then the server
 * hears of the end behind it, answers, and closes. */
static void client_ended(struct session *s)
{
    bool waits = s->state == SESSION_RELAY && !s->quit &&
                 (s->dialogue.outstanding > 0 || buffer_len(&s->stash) > 0);
    if (s->state == SESSION_CLOSING)
        session_closing_step(s);
    else if (!waits)
        session_drop(s, s->quit ? "quit" : "client closed", NULL);
    else if (!link_backlog(&s->server) && buffer_len(&s->stash) == 0)
        link_shutdown(&s->server);
}

static void client_readable(struct session *s)
{
    const uint8_t *data;
    struct err e;
    ssize_t n = link_read(&s->client, &data, &e);
    if (n < 0) {
        if (s->state == SESSION_TLS)
            SLOT_ADD(s->worker->totals.handshakes_failed, 1);
        session_drop(s, s->state == SESSION_TLS ? "TLS handshake failed" : "client lost", e.text);
        return;
    }
    if (s->state == SESSION_RELAY) {
        if (n > 0)
            session_on_client_relay(s, data, (size_t)n);
    } else if (s->state == SESSION_ENDING) {
        if (n > 0)
            session_on_client_ending(s, data, (size_t)n);
    } else if (s->state < SESSION_RELAY)
        session_on_client_early(s, data, (size_t)n);
    if (s->client.eof)
        client_ended(s);
}

static void on_client_event(struct link *l, int status, int events)
{
    struct session *s = l->owner;
    if (status < 0 && l->eof) {
        /* Behind its FIN reading says nothing but "end", whatever is wrong with the socket. */
        session_drop(s, s->quit ? "quit" : "client lost", "the connection was reset");
        return;
    }
    if (events & UV_WRITABLE) {
        struct err e;
        if (link_flush(l, &e) < 0) {
            session_drop(s, "client lost", e.text);
            return;
        }
    }
    if ((events & UV_READABLE) || status < 0)
        client_readable(s);
    if (s->state == SESSION_CLOSING)
        session_closing_step(s);
    else if (s->state < SESSION_FINISHING)
        session_poll(s);
}

/* Where another server may take over, the client is told so in words, with its next command if it
 * stands between two. */
static void server_gone(struct session *s, const char *reason, const char *detail)
{
    s->server.eof = true;
    if (session_login_server_lost(s))
        return;
    if (s->settings->backends && s->state == SESSION_RELAY && !s->quit && !s->client.eof)
        session_end_now(s, s->settings->backends->lost, reason);
    else
        session_close_softly(s, reason, detail);
}

void session_server_silent(struct session *s)
{
    if (s->finish)
        session_finished(s);
    else
        server_gone(s, "server lost", "it has acknowledged nothing for too long");
}

static void server_readable(struct session *s)
{
    const uint8_t *data;
    struct err e;
    ssize_t n = link_read(&s->server, &data, &e);
    if (n < 0) {
        if (s->state == SESSION_GREETING)
            session_connect_again(s, e.text);
        else
            server_gone(s, "server lost", e.text);
        return;
    }
    if (n > 0 && s->state == SESSION_RELAY)
        session_on_server_relay(s, data, (size_t)n);
    else if (n > 0) {
        if (buffer_append(&s->login->from_server, data, (size_t)n) < 0) {
            session_refuse(s, SESSION_ERROR_CODE, SESSION_ERROR_STATE,
                N_("The database sent garbage."), "server sent too much before the login", NULL);
            return;
        }
        if (s->state == SESSION_GREETING)
            session_on_greeting_bytes(s);
        else
            session_on_server_login(s);
    }
    if (s->server.eof && s->state == SESSION_GREETING)
        session_connect_again(s, "the server closed before its greeting");
    else if (s->server.eof && s->state < SESSION_ENDING)
        server_gone(s, s->quit ? "quit" : "server closed", NULL);
}

void session_on_server_event(struct link *l, int status, int events)
{
    struct session *s = l->owner;
    if (s->finish) {
        session_on_finishing(s, status, events);
        if (s->finish)
            session_poll(s);
        return;
    }
    if (s->state == SESSION_CONNECTING && !session_server_connected(s, status))
        return;
    if (events & UV_WRITABLE) {
        struct err e;
        if (link_flush(l, &e) < 0)
            server_gone(s, "server lost", e.text);
        else if (!link_backlog(l) && s->state == SESSION_RELAY)
            session_retry_stash(s);
        if (s->client.eof && s->state == SESSION_RELAY)
            client_ended(s);
    }
    if (((events & UV_READABLE) || status < 0) && s->state < SESSION_ENDING)
        server_readable(s);
    if (s->state < SESSION_FINISHING)
        session_poll(s);
}

static struct session *session_new(struct worker *w, uint64_t id, struct settings *settings,
    const struct listen_settings *listener, const struct address *peer, uint16_t peer_port)
{
    struct session *s = xcalloc(1, sizeof *s);
    *s = (struct session){
        .worker = w,
        .settings = settings_ref(settings),
        .listener = listener,
        .id = id,
        .peer = *peer,
        .peer_port = peer_port,
        .since_wall_ms = clock_wall_ms(),
        .last_activity_ms = uv_now(&w->loop),
        .client.fd = -1,
        .server.fd = -1,
    };
    buffer_init(&s->stash, SESSION_CLIENT_MAX);
    s->login = xcalloc(1, sizeof *s->login);
    s->login->header_due = settings->proxy_protocol;
    buffer_init(&s->login->from_client, SESSION_CLIENT_MAX);
    buffer_init(&s->login->from_server, LOGIN_PACKET_MAX + LINK_READ_MAX);
    return s;
}

struct session *session_clientless(const struct session *s)
{
    struct worker *w = s->worker;
    struct session *n = session_new(w, s->id, s->settings, s->listener, &s->peer, s->peer_port);
    n->state = SESSION_FINISHING;
    n->backend = s->backend;
    peers_add(w->peers, &s->peer);
    atomic_fetch_add(&w->assigned, 1);
    session_enlist(n, &w->leaving);
    return n;
}

void session_start(struct worker *w, int fd, uint64_t id, struct settings *settings,
    size_t listener, const struct sockaddr_storage *peer)
{
    struct address from = address_from((const struct sockaddr *)peer);
    struct sockaddr_in in; /* the port stands at the same place in both families */
    memcpy(&in, peer, sizeof in);
    struct session *s = session_new(
        w, id, settings, &settings->listeners[listener], &from, ntohs(in.sin_port));

    struct err e;
    if (link_open(&s->client, &w->loop, fd, &w->scratch, on_client_event, s, &e) < 0) {
        session_drop(s, "client lost", e.text);
        return;
    }
    s->links_open = 1;
    session_enlist(s, &w->pending);
    s->counted_pending = true;
    SLOT_ADD(w->idle.pending, 1);
    if (w->notice) {
        SLOT_ADD(w->totals.refused[REFUSAL_BLOCKED], 1);
        refuse_with(s, SESSION_ERROR_CODE, NULL, w->notice->ascii, "blocked", NULL);
    } else
        session_connect(s);
}
