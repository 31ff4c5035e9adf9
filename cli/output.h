/*
 * Output for people: tables that fit the terminal, sizes, and text from peers made harmless.
 */
#ifndef ELEXGATE_CLI_OUTPUT_H
#define ELEXGATE_CLI_OUTPUT_H

#include <jansson.h>
#include "common/lang.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/* malloc'ed copy of s in which control characters and bytes that are not UTF-8 are "?": names come
 * from clients, and a terminal obeys escape sequences. NULL gives "". */
char *output_safe(const char *s) MUSTCHECK;
/* The same for words of several lines. */
char *output_safe_lines(const char *s) MUSTCHECK;
/* Columns that s takes: characters, combining marks not counted, wide ones twice. */
size_t output_columns(const char *s);

/* Prints lines (each with its "\n"), wrapped by words at the terminal's width; what goes on in a
 * next line begins at column indent. Not on a terminal: as they are. */
void output_lines(const char *text, size_t indent);
/* The same for what is written like printf(). */
void output_say(size_t indent, const char *fmt, ...) PRINTF(2, 3);

/* A member of a JSON object as text, "" if missing; numbers are written out. malloc'ed, made safe.
 */
char *output_member(const json_t *object, const char *key) MUSTCHECK;
/* The texts of an array, "a, b", made safe; malloc'ed. */
char *output_list(const json_t *array) MUSTCHECK;
/* The texts, a line each, below the label; nothing where there are none. */
void output_texts(const char *label, const json_t *list);
/* The same in the reader's language, where the member has a phrase beside it (common/phrase.h). */
char *output_words(enum lang lang, const json_t *object, const char *key) MUSTCHECK;
/* A member as a number; fallback if missing or no number. */
int64_t output_number(const json_t *object, const char *key, int64_t fallback);

/* A table: create with its headings, add rows, end. */
struct table;
/* headings: NULL-terminated; "<" in front = left (default), ">" = right-aligned, "!" = what
 * the question is about: cut only where nothing else is left to cut;
 * "?" = left out, the last of them first, where the terminal is too narrow; "+" = stands, whole and
 * with its heading, below its row where the terminal is too narrow even then. */
struct table *table_create(const char *const *headings) MUSTCHECK;
/* cells: as many as headings; copied and made safe. */
void table_add(struct table *t, const char *const *cells);
/* Whether words may be coloured: a terminal, and nobody said NO_COLOR (no-color.org). */
bool output_colour(void);
/* width 0: as wide as needed. Otherwise the widest columns are cut, with an ellipsis, until a row
 * fits. */
void table_print(const struct table *t, size_t width);
void table_free(struct table *t);
/* Prints it as wide as the terminal is, if it has a row below its headings, and frees it. */
void table_end(struct table *t);

#endif
