/*
 * Whether a transaction is open, asked of the server: an error says nothing of it, and a client may
 * keep silent for the night. The OK to a ping does. The client is not read meanwhile and sees
 * nothing of it; what it sends next answers the question as well, so it is asked only of those who
 * keep silent for a tick.
 */
#include "proxy/session/session.h"

void session_ask_tick(struct session *s)
{
    static const uint8_t ping[] = {1, 0, 0, 0, 0x0e};
    size_t taken;
    struct err e;
    if (s->state != SESSION_RELAY || s->dialogue.transaction != TRANSACTION_UNKNOWN || s->asked ||
        !dialogue_between(&s->dialogue) || s->client.eof || link_backlog(&s->server) ||
        buffer_len(&s->stash) > 0)
        return;
    s->asked = s->asking = true;
    (void)dialogue_client(&s->dialogue, ping, sizeof ping, &taken);
    if (link_write(&s->server, ping, sizeof ping, &e) < 0)
        session_close_softly(s, "server lost", e.text);
    else
        session_poll(s);
}

bool session_asked(struct session *s, const uint8_t *data, size_t n)
{
    if (!s->asking)
        return false;
    if (dialogue_server(&s->dialogue, data, n) & (DIALOGUE_ANSWERED | DIALOGUE_LOST))
        s->asking = false;
    session_account_state(s);
    if (!s->asking)
        session_came_to_rest(s);
    return true;
}
