/*
 * A statement in a binary log, and the session that it was given in: what must be set before it is
 * run again. See the server's sql/log_event.h, Query_log_event. Bytes in, text out.
 */
#ifndef ELEXGATE_BACKUP_RULES_BINLOG_QUERY_H
#define ELEXGATE_BACKUP_RULES_BINLOG_QUERY_H

#include "backup/rules/binlog_event.h"

#define BINLOG_COLLATIONS_MAX 63 /* in a byte, four bytes each */

struct binlog_query {
    uint32_t when, micros; /* micros 0: none were needed */
    uint32_t thread;
    uint16_t error; /* with which it ended, after it had changed something */
    bool thread_specific;
    bool has_flags, has_mode, has_charset;
    uint32_t flags;
    uint64_t mode;
    uint16_t increment, offset;          /* auto_increment; 0 = 1 */
    uint16_t client, connection, server; /* charset and collations, by their numbers */
    uint16_t names, database_collation;  /* 0 = en_US, the server's default */
    char zone[256];                      /* "" = SYSTEM */
    char schema[65 * 4];                 /* "" = none */
    char user[256], host[256];           /* who gave it, where that matters; "" = it does not */
    /* character_set_collations, since MariaDB 11.2: the collations that were meant, by their
     * numbers */
    uint16_t collations[BINLOG_COLLATIONS_MAX];
    size_t n_collations;
    const char *text; /* within the event; not terminated */
    size_t length;
};

/* n without the CRC. Of BINLOG_QUERY_COMPRESSED text is what is compressed. -EBADMSG; -ENOTSUP: a
 * setting that a newer server has written, and that we do not know. */
int binlog_query_parse(
    const uint8_t *event, size_t n, struct binlog_query *out, struct err *e) MUSTCHECK;

/* -ENOTSUP: its bytes may mean something else under its client's character set than to the server
 * that logged it. Of CREATE TABLE … SELECT, DROP TABLE and others the server logs a text that it
 * made itself, in UTF-8, beside the character set of the session: where the second byte of a letter
 * may be a ` or \, a name ends early and its rest is run. Also: it
 * changes the account CURRENT_USER. Of the text that was inflated. */
int binlog_query_check(const struct binlog_query *q, struct err *e) MUSTCHECK;

/* SET …, all of it, so that nothing of the statement before is left; malloc'ed. quote: gives text
 * as a literal, malloc'ed (server_quote_text). */
char *binlog_query_settings(
    const struct binlog_query *q, char *(*quote)(void *ctx, const char *text), void *ctx) MUSTCHECK;

/* BEGIN, COMMIT, ROLLBACK as the server writes them around row events. */
enum binlog_bracket { BINLOG_NO_BRACKET, BINLOG_BEGIN, BINLOG_COMMIT, BINLOG_ROLLBACK };
enum binlog_bracket binlog_query_bracket(const struct binlog_query *q);

/* Its first two words in upper case, "CREATE TABLE", for people: names and values are not told. */
#define BINLOG_KIND_LEN 32
char *binlog_query_kind(const struct binlog_query *q, char out[static BINLOG_KIND_LEN]);

/* It is there to change accounts or roles. */
bool binlog_query_of_accounts(const struct binlog_query *q);

/* What a session must have before the statement that comes next: INTVAR, RAND, and USER_VAR, which
 * is also logged with row events (SET @t=…; CREATE EVENT … AT @t). */
struct binlog_variable {
    uint32_t collation; /* a number; the session's when text is run; 0: any */
    char *text;         /* SET …, in UTF-8, malloc'ed */
};

/* n without the CRC. -EBADMSG; -ENOTSUP: files of LOAD DATA are not run again,
 * and the message says what to set on the server. */
int binlog_variable_parse(
    const uint8_t *event, size_t n, struct binlog_variable *out, struct err *e) MUSTCHECK;

#endif
