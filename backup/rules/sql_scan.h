/*
 * An SQL dump looked through before anything is done with it: is it whole, does it stay in its own
 * database, does it hold what this server cannot take. Pure; bytes in any pieces, bounded memory,
 * nothing is changed.
 *
 * It knows strings, quoted names, comments, version comments (whose inside is code) and DELIMITER,
 * and looks at the first words of each statement only. It is there against mistakes, not against
 * malice: the keeper's account may write to the one database only, but its SUPER lets a routine or
 * trigger of the dump have any definer, whose rights are then the routine's. Who may bring SQL back
 * is an administrator of the database.
 */
#ifndef ELEXGATE_BACKUP_RULES_SQL_SCAN_H
#define ELEXGATE_BACKUP_RULES_SQL_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQL_SCAN_NAME_MAX 65
#define SQL_SCAN_WORDS    7

struct sql_scan {
    /* read these after sql_scan_finish */
    uint64_t lines, statements, tables; /* tables: CREATE TABLE */
    uint64_t other_line;                /* 0 = none: first statement about another database */
    char other[SQL_SCAN_NAME_MAX];
    uint64_t command_line; /* 0 = none: first command of the client, such as \! or system */
    char command[16];
    uint64_t account_line;   /* 0 = none: first GRANT, CREATE USER and the like */
    uint64_t collation_line; /* 0 = none: first collation of MySQL 8 (utf8mb4_0900_...) */
    uint64_t nul_line;       /* 0 = none: first NUL byte: no text */
    bool complete;           /* the last thing was "-- Dump completed" */
    bool open;               /* ended inside a string, a name or a comment */

    /* private */
    char database[SQL_SCAN_NAME_MAX];
    uint8_t state;
    bool version_number, escaped;
    uint32_t version;
    uint8_t prev;
    char delimiter[9];
    uint8_t delimiter_at;
    char word[SQL_SCAN_NAME_MAX];
    uint8_t word_len;
    char words[SQL_SCAN_WORDS][SQL_SCAN_NAME_MAX];
    uint8_t n_words;
    uint64_t statement_line;
    char tail[24]; /* start of the line comment that is being read */
    uint8_t tail_len;
    uint8_t collation_at;
};

/* database: the only one that statements may name. */
void sql_scan_start(struct sql_scan *s, const char *database);
void sql_scan_feed(struct sql_scan *s, const char *data, size_t n);
void sql_scan_finish(struct sql_scan *s);

#endif
