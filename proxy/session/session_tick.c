/* What is due: deadlines of the phases. */
#include "proxy/session/session.h"
#include "common/lang.h"

static void deadline_passed(struct session *s)
{
    switch (s->state) {
    case SESSION_GREETING:
        session_refuse(s, SESSION_ERROR_CODE, NULL, N_("The database does not answer."),
            "server sent no greeting in time", NULL);
        break;
    case SESSION_FIRST:
    case SESSION_TLS:
    case SESSION_LOGIN:
        session_login_too_late(s);
        break;
    case SESSION_RELAY: /* the packet that it was to be cut behind does not end */
        session_close_softly(s, s->end_reason, NULL);
        break;
    case SESSION_ENDING: {
        /* No command came: the error goes out as the answer to the next one. */
        uint8_t packet[ERROR_PACKET_MAX];
        size_t n = error_packet(
            packet, 1, SESSION_ERROR_CODE, SESSION_ERROR_STATE, s->notice->text);
        if (link_write(&s->client, packet, n, NULL) < 0)
            session_drop(s, "blocked", NULL);
        else
            session_close_softly(s, "blocked", NULL);
        break;
    }
    default:
        session_drop(s, "not closed by the client in time", NULL);
    }
}

void session_tick(struct session *s, uint64_t now_ms)
{
    if (s->finish)
        session_finish_tick(s, now_ms);
    if (s->state >= SESSION_FINISHING)
        return;
    if (s->state == SESSION_CONNECTING)
        session_connect_tick(s, now_ms);
    else if (s->deadline_ms && now_ms >= s->deadline_ms)
        deadline_passed(s);
}
