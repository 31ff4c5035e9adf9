#include "proxy/wire/session_state.h"

static const char *const names[SESSION_STATES] = {
    [SESSION_CONNECTING] = "connecting",
    [SESSION_GREETING] = "greeting",
    [SESSION_FIRST] = "first",
    [SESSION_TLS] = "tls",
    [SESSION_LOGIN] = "login",
    [SESSION_RELAY] = "relay",
    [SESSION_ENDING] = "ending",
    [SESSION_CLOSING] = "closing",
    [SESSION_FINISHING] = "finishing",
    [SESSION_CLOSED] = "closed",
};

#define TO(s) (1u << SESSION_##s)

/* The client's side goes: FINISHING while the server's is not done. */
#define GONE (TO(FINISHING) | TO(CLOSED))

static const unsigned moves[SESSION_STATES] = {
    /* CLOSING from here: the server cannot be reached, the client is told so. */
    [SESSION_CONNECTING] = TO(GREETING) | TO(CLOSING) | GONE,
    /* CONNECTING again: the server closed at once, as it does while it restarts. */
    [SESSION_GREETING] = TO(FIRST) | TO(CONNECTING) | TO(CLOSING) | GONE,
    /* LOGIN without TLS: only where the listener does not require it. */
    [SESSION_FIRST] = TO(TLS) | TO(LOGIN) | TO(CLOSING) | GONE,
    [SESSION_TLS] = TO(LOGIN) | TO(CLOSING) | GONE,
    [SESSION_LOGIN] = TO(RELAY) | TO(CLOSING) | GONE,
    /* ENDING: blocked between two statements. CLOSING: the server said goodbye, or a block in
     * mid-statement. */
    [SESSION_RELAY] = TO(ENDING) | TO(CLOSING) | GONE,
    [SESSION_ENDING] = TO(CLOSING) | GONE,
    [SESSION_CLOSING] = GONE,
    [SESSION_FINISHING] = TO(CLOSED),
    [SESSION_CLOSED] = 0,
};

const char *session_state_name(enum session_state s)
{
    return s < SESSION_STATES ? names[s] : "?";
}

bool session_state_may(enum session_state from, enum session_state to)
{
    return from < SESSION_STATES && to < SESSION_STATES && (moves[from] & (1u << to));
}
