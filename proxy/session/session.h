/*
 * A session: one client's connection and the server's connection that was made for it.
 *
 *   session.c         life: made, moved between states, ended, freed
 *   session_connect.c the server is found and connected; its greeting goes to the client
 *   session_login.c   SSLRequest, TLS, login, with the sequence shift
 *   session_proof.c   the server's proof made one for our certificate
 *   session_sha2.c    a password that must not go to the server as it is
 *   session_tick.c    what is due: the phases' deadlines
 *   session_user.c    who may not log in here
 *   session_ask.c     the server is asked whether a transaction is open
 *   session_finish.c  the server's side once the client is done with it
 *   session_relay.c   the command phase: bytes through, back-pressure, idle clock
 *   session_report.c  what others are told about it: JSON, log
 *
 * The client waits in silence for nothing: every way out either answers it or closes its socket.
 * All functions are for the worker's own thread.
 */
#ifndef ELEXGATE_PROXY_SESSION_SESSION_H
#define ELEXGATE_PROXY_SESSION_SESSION_H

#include "proxy/session/link.h"
#include "proxy/wire/dialogue.h"
#include "proxy/wire/greeting.h"
#include "proxy/wire/login.h"
#include "proxy/wire/session_state.h"
#include "proxy/wire/sha2_login.h"
#include "proxy/wire/user_guard.h"
#include "proxy/worker.h"
#include "proxy/writers.h"

/* How long a session that was ended between two statements waits for its client's next command, so
 * that the error arrives as that command's answer. Elexis polls every 5 to 30 s. */
#define SESSION_LINGER_MS 35000u
/* How long the client may be silent before it closes after our FIN, and how long it may send or
 * take what is left: a reset before it has read its error would hide that. */
#define SESSION_CLOSE_MS     2000u
#define SESSION_CLOSE_MAX_MS 60000u

/* One bound for a client's bytes wherever they wait: before its login, for room in the pipeline,
 * for the server. So what has been taken always has a place. */
#define SESSION_CLIENT_MAX (LOGIN_PACKET_MAX + LINK_READ_MAX + 64u * 1024u)
_Static_assert(SESSION_CLIENT_MAX + ERROR_PACKET_MAX <= LINK_OUT_MAX, "it fits into a link");

/* With its NUL; longer ones do not fit into an RSA key of usual size. */
#define SESSION_PASSWORD_MAX 512u

/* Why a login is given up, in words that the client can be told only in answer to its own packet.
 */
struct session_verdict {
    uint16_t code;
    const char *text, *reason;
};
extern const struct session_verdict session_too_many;

/* What is needed only until the login is over. */
struct session_login {
    struct buffer from_client, from_server; /* plaintext, not yet taken */
    struct greeting greeting;
    struct login_head head; /* the capabilities that count */
    struct backend_lookup *lookup;
    struct control_call *proof_call; /* elexgate-proof is being asked */
    struct backend_address targets[BACKEND_ADDRESSES_MAX];
    unsigned n_targets, next_target;
    uint64_t retry_at_ms; /* 0 = not waiting to try again */
    uint64_t retry_until_ms;
    uint64_t attempt_until_ms; /* end of this attempt to connect; 0 = none under way */
    char trouble[512];         /* why the last attempt failed */
    uint8_t shift;             /* 1 when an SSLRequest took a sequence number */
    uint8_t client_seq;        /* of the client's last packet, as the client counts */
    bool client_turn;          /* the next packet is the client's */
    bool server_waits;         /* for one, behind the response; also while the client is refused */
    bool response_seen, response_sent;
    uint8_t charset;    /* of the packet with the name; head has the SSLRequest's */
    uint8_t server_seq; /* of the server's last packet, as it counts */
    bool header_due;    /* the PROXY header has not been sent */
    bool nobody;        /* the server was sent a login of nobody, to be refused */
    const struct session_verdict *verdict; /* the client is told with its next packet */
    bool proof_asked;
    struct sha2_login sha2;
    uint8_t password[SESSION_PASSWORD_MAX]; /* between the client's packet and the server's key */
    size_t password_len;
};

/* What the server's side does once the client is done: session_finish.c. */
enum session_finish { SESSION_UNFINISHED, SESSION_DRAIN, SESSION_DISMISS };

struct session {
    TAILQ_ENTRY(session) entry;
    struct session_list *list; /* the worker's list that it is on; NULL = none */
    struct worker *worker;
    struct settings *settings;
    const struct listen_settings *listener;
    uint64_t id;
    enum session_state state;
    unsigned links_open;
    struct link client, server;
    const struct backend_entry *backend; /* of the settings' pool; NULL: [database] */
    struct address peer;
    uint16_t peer_port;
    uint64_t deadline_ms; /* of the state it is in; 0 = none */
    struct session_login *login;
    struct login_names names;
    struct dialogue dialogue;
    struct user_guard
        *guard;            /* where certificates decide who may log in: catches COM_CHANGE_USER */
    struct buffer stash;   /* client's bytes that the dialogue has not taken yet */
    struct notice *notice; /* why it is being ended */
    uint8_t next_command[PACKET_HEADER + 1]; /* while ENDING: what has come of it */
    uint8_t next_command_len;
    enum session_finish finish;
    uint64_t finish_until_ms, closing_until_ms;
    uint64_t drained;
    int64_t since_wall_ms;
    uint64_t last_activity_ms;
    uint32_t thread_id;
    struct writer writer;
    /* as counted in the idle slot */
    bool counted_session, counted_flight, counted_write, counted_transaction, counted_unknown,
        counted_pending;
    bool cutting;       /* ended as soon as the server's packet is over, for its notice */
    bool asking, asked; /* session_ask.c: on its way; since the client's last word */
    bool end_asked;     /* ended as soon as it stands between transactions */
    bool quit;          /* COM_QUIT was seen */
    bool server_local;  /* the server is at the other end of a unix socket */
    bool login_done;    /* an "end" line in the log is owed */
    bool resumed;
    const char *end_reason; /* static text */
    char *end_detail;
};

/* The error that an ended session's client gets; 08S01 makes pools throw the connection away. */
#define SESSION_ERROR_CODE  1053 /* ER_SERVER_SHUTDOWN */
#define SESSION_ERROR_STATE "08S01"

void session_start(struct worker *w, int fd, uint64_t id, struct settings *settings,
    size_t listener, const struct sockaddr_storage *peer);
void session_move(struct session *s, enum session_state to);
/* Puts it on another of the worker's lists. */
void session_enlist(struct session *s, struct session_list *list);
/* Ends it now: sockets closed, counted off, logged. Idempotent; always the last call. detail is
 * copied. */
void session_drop(struct session *s, const char *reason, const char *detail);
/* Lets what waits go out, then FIN, then drop. */
void session_close_softly(struct session *s, const char *reason, const char *detail);
/* Sends an error packet as fits the phase, then as session_close_softly. english is a sentence of
 * the catalogue, marked by N_(); it is told in [proxy] languages. */
void session_refuse(struct session *s, uint16_t code, const char *state, const char *english,
    const char *reason, const char *detail);
/* The same of a phrase (common/phrase.h), which is taken over. */
void session_refuse_phrase(struct session *s, uint16_t code, const char *state, json_t *phrase,
    const char *reason, const char *detail);
/* A block: ends it now if it stands between transactions, or asks it to end as soon as it does. */
void session_end_for(struct session *s, struct notice *n);
/* The same without waiting: rolls back what is open. */
void session_end_now(struct session *s, struct notice *n, const char *reason);
/* The packet is over that kept session_end_now waiting. */
void session_cut(struct session *s);
/* From the worker's tick: whatever is due. */
void session_tick(struct session *s, uint64_t now_ms);
/* Asks each socket for what the state needs, and for nothing else. */
void session_poll(struct session *s);
void session_deadline(struct session *s, uint64_t in_ms);
/* The server acknowledges nothing any more. */
void session_server_silent(struct session *s);
/* Callbacks of both links. */
void session_on_server_event(struct link *l, int status, int events);
void session_link_closed(struct link *l);

/* session.c, for session_finish.c: the server's side is over as well. */
void session_finished(struct session *s);
/* The same: one more, of the same client, without it. Counted, and on the list of those that leave;
 * session_finished ends it. */
struct session *session_clientless(const struct session *s);

/* session_finish.c */
/* Nothing more comes from this client: the server's side is closed, or goes on by itself until the
 * server has ended what it does. Before the state moves. Idempotent. */
void session_server_leave(struct session *s);
/* The server took the connection and has not greeted in time: another is tried, and this one ends
 * by itself as if its client had left. */
void session_server_leave_behind(struct session *s);
void session_on_finishing(struct session *s, int status, int events);
void session_finish_tick(struct session *s, uint64_t now_ms);
/* session_ask.c */
/* From the worker's tick, while the state of some transaction is unknown. */
void session_ask_tick(struct session *s);
/* Bytes of the server. true: they answer our question and are not the client's. */
bool session_asked(struct session *s, const uint8_t *data, size_t n);
/* session_connect.c */
int session_send_proxy_header(struct session *s, struct err *e) MUSTCHECK;
void session_connect(struct session *s);
/* The socket of a failed attempt is gone. */
void session_connect_next(struct session *s);
/* The server closed before its greeting. */
void session_connect_again(struct session *s, const char *why);
void session_connect_tick(struct session *s, uint64_t now_ms);
/* The connecting socket reported something. true: it is connected, go on with the event. */
bool session_server_connected(struct session *s, int status);
void session_on_greeting_bytes(struct session *s);
/* session_login.c */
/* Bytes of a client that is not logged in yet, in any of those states. */
void session_on_client_early(struct session *s, const uint8_t *data, size_t n);
void session_on_client_first(struct session *s);
void session_on_server_login(struct session *s);
/* The server has closed. true: the client is told when it says its next word. */
bool session_login_server_lost(struct session *s);
/* The login is given up, and the server has no more to do with it. The client is told at once, or
 * with its next packet if it has the word. false: it is in no such phase, nothing was done. */
bool session_login_give_up(struct session *s, const struct session_verdict *why);
/* The deadline of one of its phases has passed. */
void session_login_too_late(struct session *s);
/* session_proof.c */
/* payload: of the OK packet that ends the login, the first in from_server. true: it has to wait
 * there; session_on_server_login is called when it can go on. */
bool session_proof_awaited(struct session *s, const uint8_t *payload, size_t n);
/* The login ends otherwise. */
void session_proof_cancel(struct session *s);
/* session_sha2.c */
/* The client's packet during the login. true: it was a password in clear, which does not go on. */
bool session_sha2_password(struct session *s, uint8_t *packet, size_t n);
/* The server's packet. true: it was the answer to that and is not for the client. */
bool session_sha2_key(struct session *s, const uint8_t *packet, size_t n);
void session_sha2_forget(struct session_login *l);
/* The older sha256_password, to a client with TLS: what it sends the server cannot use. true: it is
 * told so. */
bool session_sha256_refuses(
    struct session *s, enum login_reply reply, const uint8_t *payload, size_t n);
/* After the login, at a change of user, the server asks for the password in clear in its packet
 * seq. true: refused, and the session is ending. */
bool session_sha2_refuses(struct session *s, uint8_t seq);
/* session_user.c */
/* May this user log in, by the listener's rules for client certificates and [proxy]
 * allow_own_user? false: refused, and the session is ending. */
bool session_user_may(struct session *s, const char *user);
/* Whether there is anything to ask session_user_may. */
bool session_user_is_watched(const struct session *s);
/* session_relay.c */
void session_relay_start(struct session *s, uint16_t status);
void session_on_client_relay(struct session *s, const uint8_t *data, size_t n);
void session_on_server_relay(struct session *s, const uint8_t *data, size_t n);
void session_on_client_ending(struct session *s, const uint8_t *data, size_t n);
void session_retry_stash(struct session *s);
/* A hold is over: what it kept goes on. */
void session_resume(struct session *s);
/* Both directions between packets and no answer awaited but our own. */
bool session_between(const struct session *s);
/* Somebody may be waiting for this session to stand between transactions. */
void session_came_to_rest(struct session *s);
/* Brings the worker's idle slot up to what the dialogue says. */
void session_account(struct session *s, unsigned events);
/* The same without moving the clock: no statement of the client's. */
void session_account_state(struct session *s);
/* The client is gone, what the server does still counts. */
void session_account_gone(struct session *s);
void session_account_off(struct session *s);
/* May the client be read in the relay: not held, not ending. */
bool session_client_held(const struct session *s);
/* session_report.c */
/* The name in the client's certificate, NULL if it has shown none. malloc'ed. */
char *session_certificate(const struct session *s) MUSTCHECK;
void session_log_login(const struct session *s);
void session_log_end(const struct session *s);
json_t *session_json(const struct session *s);

#endif
