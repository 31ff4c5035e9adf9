/*
 * One connection to the database server, for the keeper and its jobs: plain statements over
 * libmariadb, values as text or numbers, errors in words.
 *
 * Everything blocks; max_statement_time and the socket's own limits bound every wait. A connection
 * is used by one thread at a time. It never reconnects by itself: a lost connection is a lost lock,
 * and the caller must hear of it.
 */
#ifndef ELEXGATE_BACKUP_SERVER_SERVER_H
#define ELEXGATE_BACKUP_SERVER_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include "backup/rules/binlog_segment.h"
#include "backup/rules/server_target.h"
#include "common/error.h"

struct server;

/* Where it is, for people, malloc'ed. */
char *server_where(const struct server_target *t) MUSTCHECK;
/* program goes into the connection attributes and into error messages ("elexgate-job"). The session
 * gets a limit of 5 s a statement (server_limit), lock_wait_timeout=20, a wait_timeout of a day,
 * and UTC as time zone.
 */
int server_connect(const struct server_target *t, const char *program, struct server **out,
    struct err *e) MUSTCHECK;
void server_close(struct server *s); /* NULL allowed */
#define _cleanup_server_ CLEANUP(cleanup_server)
static inline void cleanup_server(struct server **s)
{
    server_close(*s);
}
/* The rights on the practice's database are a role's, which the session takes for a restore that
 * works in there, and never for a backup: with EXECUTE it could be made to run what others have
 * written. Where there is no such role the account has them itself, or they are missed. */
#define SERVER_RESTORE_ROLE "elexgate_restore"
void server_take_role(struct server *s);

/* The server's process, over a unix socket and where it can be seen from here; else 0. */
pid_t server_pid(const struct server *s);
/* The server's id of this connection, as in PROCESSLIST. */
uint64_t server_thread_id(const struct server *s);
/* "10.11.19-MariaDB-0+deb12u1" */
const char *server_version(const struct server *s);

/* MySQL, or what says so: no MariaDB. */
bool server_is_mysql(const struct server *s);
/* How long one of our statements may take from here on, in the server's own words; 0 = for ever. */
int server_limit(struct server *s, unsigned seconds, struct err *e) MUSTCHECK;

/* Errors of all of these: -EPIPE connection lost, -EACCES missing grant, -ETIMEDOUT statement or
 * lock limit reached, -EIO anything else the server says; the text has the server's words, as far
 * as they can hold no data (common/said.h): the statements must be ours. */
int server_exec(struct server *s, struct err *e, const char *fmt, ...) PRINTF(3, 4) MUSTCHECK;
/* Number and words of the server's last error on this connection, without the statement. */
unsigned server_errno(const struct server *s);
const char *server_error(struct server *s);
struct server_row {
    char *const *text; /* NULL where SQL says NULL */
    const unsigned long *len;
    unsigned n; /* columns */
};
/* Calls fn for each row; fn returns 0 or a negative error, which ends the reading. */
typedef int server_row_fn(void *ctx, const struct server_row *row, struct err *e);
int server_rows(struct server *s, server_row_fn *fn, void *ctx, struct err *e, const char *fmt, ...)
    PRINTF(5, 6) MUSTCHECK;
/* First column of the first row, malloc'ed; *out = NULL when there is no row or it is NULL. */
int server_text(struct server *s, char **out, struct err *e, const char *fmt, ...)
    PRINTF(4, 5) MUSTCHECK;
/* The same, of the second column. */
int server_second(struct server *s, char **out, struct err *e, const char *fmt, ...)
    PRINTF(4, 5) MUSTCHECK;
/* First column of every row, as an array of texts that the caller drops. */
int server_names(struct server *s, json_t **out, struct err *e, const char *fmt, ...)
    PRINTF(4, 5) MUSTCHECK;
int server_u64(struct server *s, uint64_t *out, struct err *e, const char *fmt, ...)
    PRINTF(4, 5) MUSTCHECK;

/* A statement that came from outside, of any bytes, as one packet; its rows are read away. Returns
 * the server's error number, 0 = good. Its words may quote data and are not told. */
#define SERVER_EMPTY_QUERY 1065
struct server_reply {
    char state[6];
    bool ansi_quotes, no_backslash_escapes; /* the session's sql_mode afterwards */
};
unsigned server_send(
    struct server *s, const char *sql, size_t n, struct server_reply *reply) MUSTCHECK;
/* The same two as flags of sql_lexer.h, as the last answer had them. */
unsigned server_modes(const struct server *s);
/* The address and the port that it is connected to over the network. */
int server_address(
    const struct server *s, char *buf, size_t size, unsigned *port, struct err *e) MUSTCHECK;
/* Who listens there: pid and user, as the kernel says; -1 over TCP. */
int server_peer(const struct server *s, struct ucred *out);

/* A global variable as text; *out = NULL if this server does not have it. */
int server_variable(struct server *s, const char *name, char **out, struct err *e) MUSTCHECK;
/* Where the server's binary log ends at this moment, and @@gtid_binlog_pos, malloc'ed; under a
 * lock, the place of a copy that is made under it. out->timeline is 0. 1: it writes none. */
int server_binlog_place(
    struct server *s, struct binlog_place *out, char **gtids, struct err *e) MUSTCHECK;
/* Several status counters in one statement, all of the same moment. A counter that the server does
 * not have is an error. */
struct server_counter {
    const char *name;
    uint64_t *value;
};
int server_counters(
    struct server *s, const struct server_counter *counters, size_t n, struct err *e) MUSTCHECK;

/* `name` for a GRANT, where the name of a database is a pattern. */
char *server_quote_pattern(const char *name) MUSTCHECK;
/* For an account of ours: also what a plugin asks for that judges passwords; nothing to quote. */
#define SERVER_PASSWORD_SIZE 40
int server_make_password(char out[static SERVER_PASSWORD_SIZE], struct err *e) MUSTCHECK;
/* What stands after FROM to read a table, malloc'ed. A view in its place is an error, before
 * anything of it is looked at: it would run functions that whoever made it has written, with our
 * rights, and to ask first what it is leaves him the moment in between. past: rows of the past as
 * well, of a table WITH SYSTEM VERSIONING. */
char *server_base_table(const char *schema, const char *name, bool past) MUSTCHECK;
/* 'text' escaped for this connection, malloc'ed. */
char *server_quote_text(struct server *s, const char *text) MUSTCHECK;

#endif
