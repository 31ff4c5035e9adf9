/*
 * Who is signed in. A session's id is in the browser's cookie only; here and in
 * state_dir/sessions.json lies its hash, so that whoever reads the file cannot go on as somebody
 * else. The file lets people stay signed in when the console is restarted. Thread-safe.
 */
#ifndef ELEXGATE_CONSOLE_WHO_SESSIONS_H
#define ELEXGATE_CONSOLE_WHO_SESSIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"
#include "console/who/accounts.h"
#include "console/who/random.h"

struct sessions;

struct session_times {
    int64_t idle_ms, max_ms;
};

/* A damaged file is no error: everybody signs in again. */
int sessions_open(const char *state_dir, struct sessions **out, struct err *e) MUSTCHECK;
void sessions_close(struct sessions *s); /* NULL allowed; writes the file */

/* A new session for an account; id is the cookie's value. The oldest one of many makes way. */
void sessions_begin(struct sessions *s, const char *name, long generation, const char *address,
    char id[static TOKEN_LEN]);
/* The account's name (malloc'ed) and its generation, or NULL: unknown, idle or old for too long.
 * touch: counts as being active. */
char *sessions_find(struct sessions *s, const char *id, struct session_times t, bool touch,
    long *generation) MUSTCHECK;
void sessions_end(struct sessions *s, const char *id);
/* All of an account, but for the one with id (may be NULL). */
void sessions_end_all(struct sessions *s, const char *name, const char *but_id);
/* Drops what is over and writes the file if something changed; call it every now and then. */
void sessions_tidy(struct sessions *s, struct session_times t);

/* One message for the next page of a session. Taken once; NULL if there is none. */
void sessions_set_flash(struct sessions *s, const char *id, json_t *flash); /* takes over */
json_t *sessions_take_flash(struct sessions *s, const char *id) MUSTCHECK;

/* The console's own key, kept in the same file: CSRF tokens are made with it. */
const char *sessions_key(const struct sessions *s);

#endif
