/*
 * Does a statement call a function that is not the server's own, and so may write whatever its
 * first keyword says? SELECT f() in a transaction writes when the transaction commits; EXPLAIN runs
 * f where it stands in a derived table.
 *
 * Bytes may arrive in any pieces. Comments and literals are passed over. A name in front of a
 * parenthesis is a call unless it is one of the server's functions or a keyword; a name behind a
 * dot always is, and so is NEXT VALUE FOR. What cannot be told (a quoted name, a version comment, a
 * backslash in front of a quote, which two SQL modes read differently) is one. Not seen: a view
 * that calls a function.
 */
#ifndef ELEXGATE_PROXY_WIRE_CALLS_H
#define ELEXGATE_PROXY_WIRE_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CALLS_WORD_MAX 24u /* longer than any name in the table */

struct calls {
    uint8_t state, quote, len;
    uint8_t before; /* a comment: the state to go back to */
    bool dotted;    /* the word stands behind a dot */
    bool next;      /* the word before was NEXT */
    bool found;
    char word[CALLS_WORD_MAX]; /* upper case */
};

void calls_start(struct calls *c);
/* true: yes, and nothing later changes that. */
bool calls_feed(struct calls *c, const uint8_t *p, size_t n);

#endif
