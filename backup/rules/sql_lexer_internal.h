/* What the two readers of sql_lexer.c share. */
#ifndef ELEXGATE_BACKUP_RULES_SQL_LEXER_INTERNAL_H
#define ELEXGATE_BACKUP_RULES_SQL_LEXER_INTERNAL_H

#include "backup/rules/sql_lexer.h"

#define SQL_NO_PLACE      ((size_t)-1)
#define SQL_VARIABLES_MAX 16

enum sql_state {
    CODE,
    SKIP /* code or comment, as the server's version says */,
    LITERAL,
    LINE,
    BLOCK,
    DELIMITER
};

struct sql_lexer {
    bool keep, ended, given;
    size_t max;
    enum sql_refusal refused;

    char *window; /* what was fed and is not read yet, from `at` */
    size_t at, have, room;

    char *text; /* of the statement */
    size_t len, text_room;
    struct sql_token tokens[SQL_TOKENS_MAX];
    size_t n_tokens;
    bool in_token, in_word, substance; /* more than comments and white space */
    uint64_t line, statement_line;

    enum sql_state state;
    enum { NONE, EXECUTED, SKIPPED } version; /* the version comment around it */
    char quote;
    char delimiter[SQL_DELIMITER_MAX + 1];
    size_t delimiter_len;
    bool line_start, command_at_start;
    bool after_break; /* the byte before was a line break */
    bool split, begun;

    struct {
        size_t next; /* in window: where it goes on */
        char string; /* the quote that it is in, or 0 */
        bool comment, conditional, line, empty;
    } client;

    unsigned modes;
    struct {
        char *name;
        unsigned modes;
    } variables[SQL_VARIABLES_MAX]; /* user variables that hold a sql_mode */
    size_t n_variables;

    /* Told of every word outside of literals and comments, in pieces; n = 0: it ends. sign: a sign,
     * a literal, a comment's or a statement's end instead. NULL = nobody asks. */
    void (*words)(void *ctx, const char *data, size_t n, bool sign);
    void *words_ctx;
};

/* The client reads up to `to`. Where it ends a statement, or SQL_NO_PLACE. */
size_t sql_client_reads(struct sql_lexer *l, size_t to);
/* A SET of sql_mode or of character sets: remembered or refused. */
void sql_modes_follow(struct sql_lexer *l, const struct sql_statement *s);
void sql_modes_clear(struct sql_lexer *l);

#endif
