/*
 * The command phase. The hot path: one recv, the dialogue looks at the headers, one send.
 * Everything else here is done only when something changes.
 */
#include "proxy/session/session.h"

#include <string.h>
#include "common/log.h"
#include "proxy/audit_trail.h"

/* The slot's counters follow the dialogue; each flag says what this session has counted. */
static void count(_Atomic uint32_t *counter, bool *counted, bool now)
{
    if (*counted == now)
        return;
    *counted = now;
    uint32_t v = SLOT_GET(*counter);
    SLOT_SET(*counter, now ? v + 1 : v - 1);
}

void session_account_state(struct session *s)
{
    const struct dialogue *d = &s->dialogue;
    struct idle_slot *slot = &s->worker->idle;
    count(&slot->in_flight, &s->counted_flight, d->outstanding > 0 || d->lost);
    count(&slot->write_in_flight, &s->counted_write, d->write_outstanding > 0 || d->lost);
    count(&slot->transactions, &s->counted_transaction, d->transaction == TRANSACTION_OPEN);
    count(&slot->unknown, &s->counted_unknown, d->transaction == TRANSACTION_UNKNOWN);
}

void session_account(struct session *s, unsigned events)
{
    const struct dialogue *d = &s->dialogue;
    struct worker *w = s->worker;
    struct idle_slot *slot = &w->idle;
    uint64_t now = uv_now(&w->loop);
    bool wrote = s->counted_write; /* a write that ends now moves the clock as well */

    s->last_activity_ms = now;
    session_account_state(s);
    if (s->counted_unknown)
        worker_want_tick(w);
    if (events & DIALOGUE_READ)
        SLOT_ADD(w->totals.statements_read, 1);
    if (events & (DIALOGUE_WRITE | DIALOGUE_LATE_WRITE)) {
        SLOT_ADD(w->totals.statements_write, 1);
        worker_tell_write(w, s->id);
        wrote = true;
    }
    if (wrote || d->lost)
        SLOT_SET(slot->last_write_ms, now);
    SLOT_SET(slot->last_statement_ms, now);
    writer_look(&s->writer, wrote || d->lost, s->counted_write, &s->peer, s->thread_id);
}

void session_account_gone(struct session *s)
{
    struct idle_slot *slot = &s->worker->idle;
    count(&slot->sessions, &s->counted_session, false);
    count(&slot->pending, &s->counted_pending, false);
}

void session_account_off(struct session *s)
{
    struct idle_slot *slot = &s->worker->idle;
    uint64_t now = uv_now(&s->worker->loop);
    /* The server rolls back what was open, and that writes. */
    if (s->counted_write ||
        ((s->counted_transaction || s->counted_unknown) && s->dialogue.transaction_wrote))
        SLOT_SET(slot->last_write_ms, now);
    if (s->counted_write)
        writer_look(&s->writer, true, false, &s->peer, s->thread_id);
    count(&slot->in_flight, &s->counted_flight, false);
    count(&slot->write_in_flight, &s->counted_write, false);
    count(&slot->transactions, &s->counted_transaction, false);
    count(&slot->unknown, &s->counted_unknown, false);
    session_account_gone(s);
}

static bool kept_by_hold(const struct session *s)
{
    return s->worker->holding && dialogue_between(&s->dialogue) &&
           s->dialogue.transaction == TRANSACTION_NONE;
}

bool session_client_held(const struct session *s)
{
    /* The dialogue cannot take more, or a hold keeps it where it stands between transactions, or
     * the answer to our own question is awaited. */
    return buffer_len(&s->stash) > 0 || s->asking || s->cutting || kept_by_hold(s);
}

bool session_between(const struct session *s)
{
    return s->asking || dialogue_between(&s->dialogue);
}

void session_relay_start(struct session *s, uint16_t status)
{
    struct worker *w = s->worker;
    uint64_t caps = s->login->head.caps & s->login->greeting.caps;
    dialogue_init(&s->dialogue, caps, status);
    if (session_user_is_watched(s))
        s->guard = user_guard_new(caps);
    session_move(s, SESSION_RELAY);
    session_enlist(s, &w->relaying);
    buffer_free(&s->login->from_client);
    buffer_free(&s->login->from_server);
    free(s->login);
    s->login = NULL;
    s->login_done = true;
    count(&w->idle.pending, &s->counted_pending, false);
    count(&w->idle.sessions, &s->counted_session, true);
    SLOT_ADD(w->totals.logins_ok, 1);
    SLOT_SET(w->totals.login_ok_ms, uv_now(&w->loop));
    session_account(s, 0);
    session_log_login(s);
    if (w->notice)
        session_end_for(s, w->notice);
}

/* What the dialogue reported beyond plain reads and writes. */
static void rare_events(struct session *s, unsigned events)
{
    if (events & DIALOGUE_QUIT)
        s->quit = true;
    if (events & DIALOGUE_USER_CHANGED) {
        login_names_free(&s->names);
        s->names = s->dialogue.names;
        s->dialogue.names = (struct login_names){0};
        log_event(LOG_INFO, "user-changed", LOG_U("session", s->id), LOG_S("user", s->names.user),
            LOG_S("database", s->names.database));
        audit_trail_user_changed(s);
    }
    if (events & DIALOGUE_DB_CHANGED) {
        free(s->names.database);
        s->names.database = s->dialogue.names.database;
        s->dialogue.names.database = NULL;
    }
    if (events & DIALOGUE_LOST)
        log_event(LOG_WARNING, "dialogue-lost", LOG_U("session", s->id),
            LOG_S("why", s->dialogue.lost_why),
            LOG_S("meaning", "the session goes on and counts as writing"));
}

#define RARE_EVENTS (DIALOGUE_QUIT | DIALOGUE_USER_CHANGED | DIALOGUE_DB_CHANGED | DIALOGUE_LOST)

void session_came_to_rest(struct session *s)
{
    struct worker *w = s->worker;
    if (s->end_asked && w->notice && s->state == SESSION_RELAY)
        session_end_for(s, w->notice);
    if (w->holding)
        worker_check_held(w);
}

/* Kept for later. The bound is the one of all places that these bytes can have come from. */
static bool stash(struct session *s, const uint8_t *data, size_t n)
{
    if (n == 0 || buffer_append(&s->stash, data, n) == 0)
        return true;
    session_close_softly(s, "client sent too much ahead", NULL);
    return false;
}

/* Follows and forwards; what the dialogue does not take is kept. */
static void client_forward(struct session *s, const uint8_t *data, size_t n)
{
    size_t taken;
    struct err e;
    unsigned events = dialogue_client(&s->dialogue, data, n, &taken);
    if (!stash(s, data + taken, n - taken))
        return;
    s->asked = false;
    if (events & RARE_EVENTS)
        rare_events(s, events);
    /* Counted before it is passed on: nobody may see its effect and an idle clock that denies it.
     */
    session_account(s, events);
    if (link_write(&s->server, data, taken, &e) < 0)
        session_close_softly(s, "server lost", e.text);
    else /* a command without an answer, as the closing of a statement, may have been the last thing
          */
        session_came_to_rest(s);
}

/* A change of user must not get past the client certificate's map. What is refused ends here: the
 * server never gets the end of the packet. */
static bool guard_passes(struct session *s, const uint8_t *data, size_t n)
{
    user_guard_set_file(s->guard, s->dialogue.infile);
    while (n > 0) {
        size_t taken;
        struct login_names names;
        struct err e;
        int r = user_guard_feed(s->guard, data, n, &taken, &names, &e);
        /* Data of LOAD DATA LOCAL may look like one; what the guard can read is asked all the same.
         */
        if (r < 0 && !user_guard_in_file(s->guard)) {
            session_close_softly(s, "a change of user that cannot be understood", e.text);
            return false;
        }
        if (r == 1) {
            bool may = session_user_may(s, names.user);
            login_names_free(&names);
            if (!may)
                return false;
        }
        data += taken;
        n -= taken;
    }
    return true;
}

void session_on_client_relay(struct session *s, const uint8_t *data, size_t n)
{
    SLOT_ADD(s->worker->totals.bytes_in, n);
    if (s->guard && !guard_passes(s, data, n))
        return;
    if (kept_by_hold(s)) /* sent ahead of its login, or behind it in the same read */
        (void)stash(s, data, n);
    else
        client_forward(s, data, n);
}

void session_retry_stash(struct session *s)
{
    if (buffer_len(&s->stash) == 0 || link_backlog(&s->server) || kept_by_hold(s))
        return;
    struct buffer stash = s->stash;
    buffer_init(&s->stash, stash.max);
    client_forward(s, buffer_ptr(&stash), buffer_len(&stash));
    buffer_free(&stash);
}

void session_resume(struct session *s)
{
    session_retry_stash(s);
    session_poll(s);
}

void session_on_server_relay(struct session *s, const uint8_t *data, size_t n)
{
    struct worker *w = s->worker;
    struct err e;
    if (session_asked(s, data, n))
        return;
    if (s->cutting)
        n = dialogue_server_rest(&s->dialogue, data, n);
    unsigned events = dialogue_server(&s->dialogue, data, n);
    SLOT_ADD(w->totals.bytes_out, n);
    if (events & RARE_EVENTS)
        rare_events(s, events);
    session_account(s, events);
    if (events & DIALOGUE_FULL_AUTH && session_sha2_refuses(s, s->dialogue.server.seq))
        return;
    if (link_write(&s->client, data, n, &e) < 0) {
        session_drop(s, "client lost", e.text);
        return;
    }
    if (s->cutting) {
        if (dialogue_can_end(&s->dialogue, &(uint8_t){0}))
            session_cut(s);
        return;
    }
    if (!(events & DIALOGUE_ANSWERED))
        return;
    session_retry_stash(s);
    session_came_to_rest(s);
}

/* The next command, in whatever pieces it comes: its header and first byte say what to answer. */
void session_on_client_ending(struct session *s, const uint8_t *data, size_t n)
{
    uint8_t packet[ERROR_PACKET_MAX], *head = s->next_command;
    while (n > 0 && s->next_command_len < sizeof s->next_command) {
        head[s->next_command_len++] = *data++;
        n--;
    }
    bool empty = s->next_command_len == PACKET_HEADER && packet_length(head) == 0;
    if (s->next_command_len < sizeof s->next_command && !empty)
        return;
    if (!empty && head[PACKET_HEADER] == 0x01 /* COM_QUIT */) {
        session_close_softly(s, "blocked", NULL);
        return;
    }
    size_t len = error_packet(
        packet, (uint8_t)(head[3] + 1), SESSION_ERROR_CODE, SESSION_ERROR_STATE, s->notice->text);
    if (link_write(&s->client, packet, len, NULL) < 0)
        session_drop(s, "blocked", NULL);
    else
        session_close_softly(s, "blocked", NULL);
}
