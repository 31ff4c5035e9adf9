/*
 * What the scenarios of the libmariadb client share: the JSON line, the connection, rows.
 */
#ifndef ELEXGATE_TESTS_CLIENTS_C_SUPPORT_H
#define ELEXGATE_TESTS_CLIENTS_C_SUPPORT_H

#include <mysql.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a scenario may ask of its connection; zero = TLS with the CA verified, the usual account. */
struct how {
    const char *user, *password, *database, *ca, *attribute;
    bool plain, compress, progress;
    unsigned long flags;
};

extern char *json;
extern size_t json_len;
extern int progress_reports; /* that came on connections which asked for them */

/* The JSON text of the current answer. */
void put(const char *s, size_t n);
__attribute__((format(printf, 1, 2))) void putf(const char *fmt, ...);
void put_string(const char *s);
/* Never NULL. */
const char *env(const char *name);
void put_error(unsigned code, const char *state, const char *message);
/* NULL after having written the error as this scenario's result. */
MYSQL *connect_how(const struct how *how);
/* "error":{...} with what the library says. */
void fail(MYSQL *my);
/* First column of the first row, in static storage; NULL for SQL NULL or an error. */
const char *one(MYSQL *my, const char *sql);
void put_rows(MYSQL_RES *res);
/* All results of the last query: "results":[[row, ...], ...]. */
void put_results(MYSQL *my);
/* malloc'ed; ends the program if it cannot be read. */
char *read_file(const char *path, size_t *len);
void put_sha256(const void *data, size_t len);
/* Prepares, binds (bind may be NULL) and executes; not 0: failed, see stmt_fail. */
int execute(MYSQL_STMT *stmt, const char *sql, MYSQL_BIND *bind);
void stmt_fail(MYSQL_STMT *stmt);
MYSQL_BIND bind_text(const char *s);
MYSQL_BIND bind_long(const long long *v);
/* Fetches all rows as text: "rows":[[...]]; NULL stays null. At most 4 columns of 200 bytes. */
void put_stmt_rows(MYSQL_STMT *stmt);

/* One scenario of the table in client.c. */
void do_tls(const struct how *how);
void do_query(MYSQL *my);
void do_server(MYSQL *my);
void do_prepared(MYSQL *my);
void do_transaction(MYSQL *my);
void do_blob(MYSQL *my);
void do_packets(MYSQL *my);
void do_rows(MYSQL *my);
void do_change_user(MYSQL *my, const char *user, const char *password);
void do_sleep(MYSQL *my);
void do_cancelled(MYSQL *my);
void do_kill_idle(MYSQL *my);
void do_umlauts(MYSQL *my);
void do_infile(MYSQL *my);
void do_cursor(MYSQL *my);
void do_reset(MYSQL *my);
void do_session_vars(MYSQL *my);
void do_attributes(MYSQL *my);
void do_bulk(MYSQL *my);
void do_compress(MYSQL *my);
void do_sql_error(MYSQL *my);
void do_progress(MYSQL *my);

#endif
