/*
 * Does a statement write? Told from its first keyword, after comments, white space and opening
 * parentheses; bytes may arrive in any pieces. Anything not known to read counts as a write.
 *
 * Reads: SELECT SHOW DESC DESCRIBE EXPLAIN (not EXPLAIN with ANALYZE) WITH VALUES USE SET (not SET
 *   STATEMENT and SET PASSWORD/SET GLOBAL... see keyword.c) HELP DO CHECKSUM UNLOCK KILL BEGIN START SAVEPOINT RELEASE, the empty statement.
 * Ends: COMMIT, ROLLBACK: a write only if the transaction wrote (the dialogue knows).
 * Version comments (slash-star-bang NNNNN, slash-star-M-bang) are code: their inside is looked at.
 */
#ifndef ELEXGATE_PROXY_WIRE_KEYWORD_H
#define ELEXGATE_PROXY_WIRE_KEYWORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum keyword_kind { KEYWORD_UNDECIDED, KEYWORD_READ, KEYWORD_WRITE, KEYWORD_END };

/* More than this many bytes before the keyword (comments): decided as a write. */
#define KEYWORD_SEARCH_MAX 4096

struct keyword {
    uint8_t state;
    uint8_t len;
    uint8_t words; /* some statements need their second word */
    uint8_t first;
    uint16_t seen;
    char word[16];
};

void keyword_start(struct keyword *k);
/* Stays decided once it is. */
enum keyword_kind keyword_feed(struct keyword *k, const uint8_t *p, size_t n);
/* At the end of the statement: never KEYWORD_UNDECIDED. */
enum keyword_kind keyword_finish(struct keyword *k);

#endif
