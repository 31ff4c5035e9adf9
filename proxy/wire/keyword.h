/*
 * Does a statement write? Told from its first keyword, after comments, white space and opening
 * parentheses; bytes may arrive in any pieces. Anything not known to read counts as a write.
 *
 * Reads: SELECT SHOW DESC DESCRIBE EXPLAIN WITH VALUES TABLE USE HELP DO CHECKSUM KILL SAVEPOINT
 * RELEASE, and the empty statement. Explains: EXPLAIN DESC DESCRIBE in front of a statement: a read
 * unless that calls a function, which the server runs where it stands in a derived table (calls.h).
 * Ends: COMMIT ROLLBACK BEGIN START SET UNLOCK: they end an open
 * transaction or may do so (BEGIN commits the one before, SET autocommit=1 as well), so they write
 * only if the transaction wrote; the dialogue knows. But these write: EXPLAIN, DESC, DESCRIBE
 * followed by ANALYZE, which runs the statement; SET followed by PASSWORD, DEFAULT (ROLE), GLOBAL
 * or PERSIST: they change the server, not the session; BEGIN followed by anything but WORK: a
 * compound statement (BEGIN NOT ATOMIC ...); START followed by anything but TRANSACTION (START
 * SLAVE). SET STATEMENT ... FOR statement is what the statement behind FOR is (Connector/J's time
 * limits).
 *
 * Version comments are code: those that every MariaDB from 10.6 on runs (no number, a number up to
 * 50699, or 100000 to 100600) are read as if their brackets were not there; a keyword in one with
 * another number, which some servers run and others skip, counts as a write.
 *
 * Not seen from here: SELECT ... INTO OUTFILE, SELECT nextval(...) or another function that writes,
 * SET with a GLOBAL in its second place. The keeper's second witness, the server's own counters,
 * sees them.
 */
#ifndef ELEXGATE_PROXY_WIRE_KEYWORD_H
#define ELEXGATE_PROXY_WIRE_KEYWORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum keyword_kind { KEYWORD_UNDECIDED, KEYWORD_READ, KEYWORD_WRITE, KEYWORD_END, KEYWORD_EXPLAIN };

/* More than this many bytes before the keyword (comments): decided as a write. */
#define KEYWORD_SEARCH_MAX 4096

struct keyword {
    uint8_t state, phase; /* where in the text; which word is looked for */
    uint8_t len;          /* of word, which is kept in upper case */
    uint8_t code;         /* inside a version comment: sure or unsure */
    uint8_t quote, digits;
    uint16_t seen;
    uint16_t at; /* once decided: of the bytes fed last, how many stand before what decided */
    uint32_t version;
    char word[16];
};

void keyword_start(struct keyword *k);
/* Stays decided once it is. */
enum keyword_kind keyword_feed(struct keyword *k, const uint8_t *p, size_t n);
/* At the end of the statement: never KEYWORD_UNDECIDED. */
enum keyword_kind keyword_finish(struct keyword *k);

#endif
