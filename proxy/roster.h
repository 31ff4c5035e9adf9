/*
 * Who has come from which address and how: the board of a roll-out of TLS, kept over restarts in
 * state_dir/workstations.json. At most ROSTER_MAX addresses; of those who never logged in the
 * oldest gives way first, so that a scanner drives no workstation out. Nothing of a person beyond
 * address and database user is kept. Any thread.
 */
#ifndef ELEXGATE_PROXY_ROSTER_H
#define ELEXGATE_PROXY_ROSTER_H

#include <jansson.h>
#include "common/error.h"
#include "proxy/wire/cidr.h"

#define ROSTER_MAX      256
#define ROSTER_TEXT_MAX 64

/* How an address came; the last time of each is kept. Whether a client looks at our certificate
 * cannot be seen from here, except when it refuses one. */
enum roster_how {
    ROSTER_CERTIFICATE, /* logged in with TLS and a certificate of its own */
    ROSTER_TLS,         /* logged in with TLS */
    ROSTER_PLAIN,       /* logged in without TLS */
    ROSTER_NO_TLS,      /* tried without TLS where it is required */
    ROSTER_DISTRUST,    /* refused our certificate: it knows another CA, or another name */
    ROSTER_REFUSED,     /* not allowed from there */
    ROSTER_HOWS
};

struct roster_visit {
    enum roster_how how;
    const char *listener, *user, *program; /* NULL: not known */
    bool tls_off;                          /* the listener takes no TLS at all */
};

/* Reads what was kept; a file that cannot be read is said and left alone. Once, at the start. */
void roster_open(const char *state_dir);
void roster_note(const struct address *from, const struct roster_visit *visit, int64_t now_ms);
/* [{"address","name","listener","user","program","tls_off","how","seen","certificate","tls",
 * "plain","no_tls","distrust","refused"}], times ISO or absent; the last seen first. */
json_t *roster_json(void) MUSTCHECK;
/* An admin's name for it, "" for none. -ENOENT, -EINVAL. */
int roster_name(const struct address *a, const char *name, struct err *e) MUSTCHECK;
int roster_forget(const struct address *a, struct err *e) MUSTCHECK;
/* Writes the file where something has changed. Main thread. */
void roster_save(void);

#endif
