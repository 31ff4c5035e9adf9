/* Names of databases, tables and accounts: in statements, and as people read them. All malloc'ed.
 */
#ifndef ELEXGATE_COMMON_SQL_NAME_H
#define ELEXGATE_COMMON_SQL_NAME_H

#include <stddef.h>
#include "common/error.h"

/* `name` with its backticks doubled. */
char *sql_name_quoted(const char *name) MUSTCHECK;
char *sql_name_quoted_bytes(const void *name, size_t n) MUSTCHECK;
/* `schema`.`table`, and for people schema.table. */
char *sql_name_quoted_table(const char *schema, const char *table) MUSTCHECK;
char *sql_name_table(const char *schema, const char *table) MUSTCHECK;
/* 'text', good for any server whose sql_mode lets a backslash escape, and for people. What goes
 * over a connection is escaped by that: server_quote_text. */
char *sql_name_text(const char *text) MUSTCHECK;
/* 'user'@'host', and for people user@host. */
char *sql_name_quoted_account(const char *user, const char *host) MUSTCHECK;
char *sql_name_account(const char *user, const char *host) MUSTCHECK;

#endif
