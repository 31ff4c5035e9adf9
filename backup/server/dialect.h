/*
 * What MySQL says in other words than MariaDB, in one place. Of MySQL only SQL dumps are made: its
 * files are none that a copy of ours could take.
 */
#ifndef ELEXGATE_BACKUP_SERVER_DIALECT_H
#define ELEXGATE_BACKUP_SERVER_DIALECT_H

#include "backup/server/server.h"

/* "9.7.4": a version without MariaDB's name, of a server, a program or an archive. */
bool dialect_version_is_mysql(const char *version);
/* What a server says of its version before anybody logs in, malloc'ed; "MySQL" of one that lets
 * nobody in from here; NULL: nothing. */
char *dialect_greeting(const struct server_target *t) MUSTCHECK;
/* A sum of counters that every write moves, in whatever engine, and being asked does not. */
int dialect_writes(struct server *s, uint64_t *out, struct err *e) MUSTCHECK;
/* Commits wait from here on until this connection ends; who reads is not held up. Waits for
 * running writers for at most `seconds`, and is limited to them afterwards. */
int dialect_hold_commits(struct server *s, unsigned seconds, struct err *e) MUSTCHECK;
/* -ENOTSUP on MySQL, with its name; `what` is what it is not there for: "the archived binary log".
 */
int dialect_needs_mariadb(const struct server *s, const char *what, struct err *e) MUSTCHECK;

#endif
