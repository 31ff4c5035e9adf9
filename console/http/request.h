/*
 * One request: who asks for what, and the answers. How it gets from one to the other is in
 * dispatch.h.
 */
#ifndef ELEXGATE_CONSOLE_HTTP_REQUEST_H
#define ELEXGATE_CONSOLE_HTTP_REQUEST_H

#include <jansson.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdbool.h>
#include "console/who/accounts.h"
#include "console/console.h"
#include "common/lang.h"
#include "console/who/random.h"

#define COOKIE_DEVICE "__Host-elexgate-device"

struct route;

enum connection_phase {
    CONNECTION_HEAD,   /* waits for, or reads, the head of a request; also the TLS handshake */
    CONNECTION_BODY,   /* reads a form */
    CONNECTION_ANSWER, /* sends a page */
    CONNECTION_STREAM, /* upload, download, events */
};

struct request {
    struct console *console;
    struct settings *settings; /* of the moment when the request began */
    struct MHD_Connection *mhd;
    enum connection_phase phase;
    const struct route *route;
    char *path;
    const char *method; /* the connection's */
    bool json;          /* the answer is to be JSON */
    enum lang lang;
    bool new_device; /* the browser is remembered as one of rq->name's */
    bool set_lang;   /* ... was asked for by ?lang= and goes into the cookie */
    char address[INET6_ADDRSTRLEN];

    char id[TOKEN_LEN]; /* the cookie's value; of a session or of nobody yet */
    bool new_id;        /* ... must be sent */
    char *name;         /* who is signed in; NULL: nobody */
    enum role role;
    char csrf[HASH_LEN];

    char *body;
    size_t len, capacity;
    bool too_long;
    json_t *form;                 /* POST: what the body says */
    json_t *texts;                /* texts/LANG.json, once somebody asked for one of them */
    struct upload_append *append; /* an upload's body goes there */
    int append_result;
    struct err append_error;

    struct MHD_Response *response;
    unsigned status;
    char object[200]; /* what the action was about, for the audit log */
    bool refused;     /* an answer_refused was given */
    bool throttled;   /* turned away unseen: the attempts that led to it stand in the audit log */
};

struct request *request_begin(
    struct console *console, struct MHD_Connection *mhd, const char *method, const char *path);
void request_end(struct request *rq);

/* A query parameter, NULL if missing. Borrowed. */
const char *request_query(const struct request *rq, const char *key);
const char *request_header(const struct request *rq, const char *key);

/* The session with this id is the request's from now on; its cookie goes with the answer. */
void request_sign_in(struct request *rq, const char *name, enum role role);
void request_sign_out(struct request *rq);

/* What the browser has to show for having been one of this account's, in the throttle's terms;
 * NULL: it has nothing. Returns out. */
const char *request_device(
    const struct request *rq, const char *account, char out[static HASH_LEN]);
/* The cookie's value for an account; false: there is no such account. */
bool device_sign(const struct request *rq, const char *account, char out[static HASH_LEN]);
/* Signed in, without the code that [console] require_totp asks for: only the account's page is
 * open.
 */
bool request_code_missing(const struct request *rq);

/* A message of texts/messages.json in the request's language; {name} is replaced by the value that
 * follows it. Pairs of const char *, then NULL. malloc'ed. */
char *say(const struct request *rq, const char *key, ...) MUSTCHECK __attribute__((sentinel));

/* --- answers: exactly one of them ------------------------------------------------------------- */

/* pages/NAME.html within pages/layout.html. Takes over the model. */
void answer_page(struct request *rq, unsigned status, const char *name, json_t *model);
/* Takes over the object. */
void answer_json(struct request *rq, unsigned status, json_t *object);
void answer_redirect(struct request *rq, const char *path);
/* An error page with the message of that key, or JSON. */
void answer_error(struct request *rq, unsigned status, const char *message);
/* After a change: back to a page with a message, or JSON {"ok":true,"text",...extra}. Takes over
 * text and extra (may be NULL). */
void answer_done(struct request *rq, const char *back, char *text, json_t *extra);
/* The same for what was begun: what is said of it goes away when it no longer runs in that part of
 * the page, by its id. */
void answer_begun(struct request *rq, const char *back, const char *part, char *text);
/* The same for what did not work. */
void answer_refused(struct request *rq, unsigned status, const char *back, char *text);
/* What proxy or keeper said, for the reader; what: "proxy" or "keeper". malloc'ed. */
char *answer_words(struct request *rq, const char *what, const struct err *error) MUSTCHECK;
/* ... because proxy or keeper said no: their words and code. */
void answer_failed(struct request *rq, const char *back, const char *what, const struct err *error);
/* A ready response; takes it over. */
void answer_response(struct request *rq, unsigned status, struct MHD_Response *response);

#endif
