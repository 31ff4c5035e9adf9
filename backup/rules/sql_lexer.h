/*
 * SQL text cut into statements, for sending each by itself and for refusing what could be cut
 * otherwise. Pure; bytes in any pieces.
 *
 * Two readers go through the text side by side: one reads as the server's lexer does (strings and
 * quoted names under the sql_mode that the text has set, comments, version comments, whose inside
 * is code), one as the stock `mariadb` client does, which splits lines without knowing SQL. A place
 * where only one of them ends a statement is refused, and so is what either reads in its own way:
 * control characters outside literals, "--" before anything but white space and text, a backslash
 * outside literals, client commands, character sets whose letters hold quotes or backslashes. What
 * passes is cut in the same way by the server, by the client and here.
 *
 * A dump that was cut differently than it was written would run what was only stored: the body of a
 * routine, a comment in it.
 */
#ifndef ELEXGATE_BACKUP_RULES_SQL_LEXER_H
#define ELEXGATE_BACKUP_RULES_SQL_LEXER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQL_TOKENS_MAX    96
#define SQL_DELIMITER_MAX 15

/* In the server's status flags there is one for each. */
enum { SQL_ANSI_QUOTES = 1, SQL_NO_BACKSLASH_ESCAPES = 2, SQL_MSSQL = 4 };

enum sql_token_kind { SQL_WORD, SQL_NAME /* `..` */, SQL_STRING /* '..' or ".." */, SQL_SIGN };

struct sql_token {
    enum sql_token_kind kind;
    size_t at, len; /* in the statement's text, quotes included */
};

struct sql_statement {
    const char *text; /* without its delimiter; with keep: all of it, else its beginning */
    size_t len;
    uint64_t line; /* where its first token stands */
    const struct sql_token *tokens;
    size_t n_tokens; /* the first ones; never inside comments */
};

enum sql_refusal {
    SQL_ACCEPTED,
    SQL_NUL,       /* no text */
    SQL_CONTROL,   /* a control character outside literals */
    SQL_DASHES,    /* "--" that only one of the two takes for a comment */
    SQL_BACKSLASH, /* outside literals */
    SQL_COMMENT,   /* a version comment that servers read differently; a comment that ends elsewhere
                      for the client */
    SQL_SPLIT,     /* a delimiter that only one of the two sees */
    SQL_COMMAND,   /* of the client */
    SQL_DELIMITER, /* a DELIMITER that nobody can be sure of */
    SQL_CHARSET,   /* SET to a character set with quotes or backslashes in its letters */
    SQL_MODE,      /* sql_mode set to something that only the server knows */
    SQL_LONG,      /* a statement longer than the limit */
    SQL_OPEN,      /* ends inside a literal or a comment */
};

struct sql_lexer;

/* keep: the whole text of each statement, which may have `max` bytes; else only what tells what it
 * is, in bounded memory. */
struct sql_lexer *sql_lexer_new(bool keep, size_t max);
void sql_lexer_free(struct sql_lexer *l); /* NULL allowed */
/* What the session has before the text sets anything; 0 unless told. */
void sql_lexer_start_modes(struct sql_lexer *l, unsigned modes);

void sql_lexer_feed(struct sql_lexer *l, const void *data, size_t n);
void sql_lexer_end(struct sql_lexer *l); /* nothing more comes */
/* 1: a statement, valid until the next call; 0: needs more, or the text has ended; -1: refused, and
 * stays so. Empty statements and comments alone are not given. */
int sql_lexer_next(struct sql_lexer *l, struct sql_statement *out);

enum sql_refusal sql_lexer_refused(const struct sql_lexer *l);
const char *sql_refusal_words(enum sql_refusal r);  /* "a control character outside of literals" */
uint64_t sql_lexer_line(const struct sql_lexer *l); /* being read, or of what was refused */
/* SQL_ANSI_QUOTES | ..., as the text has set it so far. */
unsigned sql_lexer_modes(const struct sql_lexer *l);

/* The token is this word, whatever its case. */
bool sql_token_is(const struct sql_statement *s, size_t i, const char *word);
/* What a name, word or string means: quotes and doubled ones removed. buf has its NUL; false when
 * it does not fit. */
bool sql_token_text(const struct sql_statement *s, size_t i, char *buf, size_t size);

#endif
