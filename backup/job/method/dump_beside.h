/*
 * What the text of a dump does not hold, for its manifest: what the database itself is like, and
 * the server's accounts.
 */
#ifndef ELEXGATE_BACKUP_JOB_METHOD_DUMP_BESIDE_H
#define ELEXGATE_BACKUP_JOB_METHOD_DUMP_BESIDE_H

#include <jansson.h>
#include "backup/server/server.h"

/* {"character_set","collation","comment"} of a database; a new reference, empty if it is not there.
 */
int dump_beside_database(
    struct server *s, const char *database, json_t **out, struct err *e) MUSTCHECK;
/* "CHARACTER SET x COLLATE y COMMENT 'z'" for CREATE DATABASE, malloc'ed; "" when like says
 * nothing (NULL allowed). */
char *dump_beside_clause(struct server *s, const json_t *like) MUSTCHECK;

/* The accounts and roles with their rights and the hashes of their passwords, as SQL text; made by
 * the dump program (--system=users), of MySQL by what the server says of them. malloc'ed. login:
 * descriptor of the program's option file. Negative: it cannot, or may not. */
int dump_beside_accounts(const struct server_target *target, const char *program, int login,
    char **out, bool (*go_on)(void *ctx), void *ctx, struct err *e) MUSTCHECK;

#endif
