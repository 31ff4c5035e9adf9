/*
 * An SQL dump looked through before anything is done with it: is it whole, does it stay in its own
 * database, what does it need of the server and what does it fill. Pure; bytes in any pieces,
 * bounded memory, nothing is changed.
 *
 * The text is cut by sql_lexer, as it will be when it is read in; what that one refuses is refused
 * here. Of each statement the verb and the object that it is about are looked at. It is there
 * against mistakes: that the text stays in its database is held by the rights of the account that
 * reads it in.
 */
#ifndef ELEXGATE_BACKUP_RULES_SQL_SCAN_H
#define ELEXGATE_BACKUP_RULES_SQL_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "backup/rules/sql_lexer.h"

#define SQL_SCAN_NAME_MAX 65
#define SQL_SCAN_TAIL     1024
#define SQL_SCAN_NEEDS    48

struct sql_scan_table {
    char name[SQL_SCAN_NAME_MAX];
    bool filled; /* rows are put into it */
};

/* A collation or character set that the text asks for: does this server have it? */
struct sql_scan_need {
    char name[SQL_SCAN_NAME_MAX];
    bool collation;
    uint64_t line; /* the first time */
};

struct sql_scan {
    /* read these after sql_scan_finish */
    uint64_t lines, statements;
    struct sql_scan_table *tables; /* that it makes */
    size_t n_tables;
    uint64_t other_line; /* 0 = none: first statement about another database */
    char other[SQL_SCAN_NAME_MAX];
    uint64_t long_line;    /* 0 = none: first list of tables too long to know which ones it names */
    uint64_t account_line; /* 0 = none: first GRANT, CREATE USER and the like */
    uint64_t gtid_line;    /* 0 = none: MySQL's GTID_PURGED is set */
    enum sql_refusal refused;
    uint64_t refused_line;
    char command[16]; /* with SQL_COMMAND and SQL_BACKSLASH: what stands there */
    bool complete;    /* the last thing is "-- Dump completed" */
    char server[64];  /* which server it is of, as the dump's head says; may be empty */
    struct sql_scan_need needs[SQL_SCAN_NEEDS];
    size_t n_needs;

    /* private */
    struct sql_lexer *lexer;
    char database[SQL_SCAN_NAME_MAX];
    size_t room;
    char head[2048];
    size_t head_len;
    char tail[2 * SQL_SCAN_TAIL];
    size_t tail_len;
    char word[SQL_SCAN_NAME_MAX];
    size_t word_len;
    enum { NEED_NOTHING, NEED_SET, NEED_CHARSET, NEED_COLLATION } expects;
};

/* database: the only one that statements may name. */
void sql_scan_start(struct sql_scan *s, const char *database);
void sql_scan_feed(struct sql_scan *s, const char *data, size_t n);
void sql_scan_finish(struct sql_scan *s);
void sql_scan_clear(struct sql_scan *s);

#endif
