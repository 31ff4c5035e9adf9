/*
 * What a database server or one of its programs said, without the data that it speaks of.
 *
 * An error text quotes: "Duplicate entry 'Muster Anna' for key", "near '...'", a row in the error
 * log. No such text may reach a log, a message or a file of ours. Everything that a server or
 * client program says comes through here, and what comes out holds by construction no data:
 *
 *   - words of our own, chosen by the error's number, or
 *   - the program's own line when it begins like one of those that are known to name only tables,
 *     files, settings and numbers.
 *
 * What is not known is left out, never searched for what might be secret. Pure: no I/O.
 */
#ifndef ELEXGATE_COMMON_SAID_H
#define ELEXGATE_COMMON_SAID_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "common/error.h"

/* Each fills *said and returns it as an argument of a sentence (err_words). */

/* Our words for an error number of the server or of its client library: "a value occurs twice where
 * it may occur once"; NULL when we have none. Static. */
const char *said_words(unsigned number);

/* An error of a statement that we wrote. The server's own text is kept for numbers whose text only
 * has names and figures; it can be trusted because none of our statements runs a trigger, a
 * function or a view. Ends with "(error 1146)". */
const char *said_of_ours(unsigned number, const char *text, struct err *said);

/* An error of a statement that came from outside, an SQL file: SIGNAL lets it say anything under
 * any number, so only number and state are taken. "a value ... (error 1062, 23000)".
 */
const char *said_of_theirs(unsigned number, const char *state, struct err *said);

/* What CHECK TABLE complained of. */
const char *said_of_check(const char *text, struct err *said);

/* What mariadb, mariadb-dump or mariadb-install-db wrote: the last error number in it with our
 * words and the line of the input, else the last line that is known. */
const char *said_of_program(const char *text, struct err *said);

/* What stands in a server's error log: its first [ERROR], as far as it is known. */
const char *said_of_log(const char *text, struct err *said);

#endif
