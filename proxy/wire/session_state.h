/*
 * The states of a session and the moves between them. Pure; the only place that knows which move is
 * allowed, and why.
 */
#ifndef ELEXGATE_PROXY_WIRE_SESSION_STATE_H
#define ELEXGATE_PROXY_WIRE_SESSION_STATE_H

#include <stdbool.h>

enum session_state {
    SESSION_CONNECTING, /* the server is being connected; the client waits for its greeting */
    SESSION_GREETING,   /* connected; the server's greeting has not come yet */
    SESSION_FIRST,      /* the client has the greeting; its SSLRequest or login is awaited */
    SESSION_TLS,        /* TLS handshake */
    SESSION_LOGIN,      /* from the client's HandshakeResponse to the server's OK or ERR */
    SESSION_RELAY,      /* logged in: bytes go through as they come */
    SESSION_ENDING,     /* given up; the client's next command gets an error */
    SESSION_CLOSING,    /* last bytes on their way to the client, then FIN, then its FIN */
    SESSION_FINISHING,  /* the client's side is gone, the server has not finished yet */
    SESSION_CLOSED,     /* both sockets closed; memory goes with the last close callback */
    SESSION_STATES
};

const char *session_state_name(enum session_state s);
bool session_state_may(enum session_state from, enum session_state to);

#endif
