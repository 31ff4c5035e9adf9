/*
 * A sentence on its way from one program to another, or into a file: its key, which is the English
 * sentence of the catalogue (common/lang.h), and its arguments. Words are made of it where it is
 * read, in the reader's language.
 *
 * In JSON: ["%s ends in %d days","the CA","12"]. An argument is a text, or such an array itself; a
 * text of several words is looked up too, as parts of sentences marked by N_() are. An array of
 * arrays are parts with ": " between them, as an error has them. Beside a member KEY with the
 * English words, for scripts and logs, it stands as KEY_phrase.
 *
 * Keys and arguments may come from a file or a peer: they are put together here, never by printf.
 * What is no phrase becomes nothing.
 */
#ifndef ELEXGATE_COMMON_PHRASE_H
#define ELEXGATE_COMMON_PHRASE_H

#include <jansson.h>
#include <stdarg.h>
#include <stdint.h>

#include "common/lang.h"
#include "common/memory.h"

/* A new reference. What printf would make of each argument is kept as text. scripts/po finds the
 * sentence. */
json_t *phrase(const char *english, ...) PRINTF(1, 2) MUSTCHECK;
json_t *phrase_v(const char *english, va_list ap) PRINTF(1, 0) MUSTCHECK;
/* A sentence within another: an argument that begins with PHRASE_MARK is a phrase in JSON, as
 * err_words() and phrase_carried() give it, and takes its words where the whole is read. */
#define PHRASE_MARK '\x1a'
/* malloc'ed. */
char *phrase_carried(const json_t *phrase) MUSTCHECK;
/* Back: a new reference; NULL for what has no mark, or was cut. */
json_t *phrase_uncarried(const char *text) MUSTCHECK;
/* Of a sentence without arguments, marked by N_() where it stands; NULL gives NULL. */
json_t *phrase_of(const char *english) MUSTCHECK;
/* Puts another phrase in an argument's place, counted from 0; takes it over. */
void phrase_set(json_t *phrase, size_t argument, json_t *inner);

/* Arguments that each language writes in its way, for phrase_set: a moment of the clock on the
 * wall, "2026-11-30" or "2026-11-30 14:05"; a size, as shown_bytes has it. */
json_t *phrase_local(const char *text) MUSTCHECK;
json_t *phrase_bytes(uint64_t bytes) MUSTCHECK;
/* The size as an argument of a sentence (phrase_carried). malloc'ed. */
char *phrase_bytes_carried(uint64_t bytes) MUSTCHECK;
/* "one, another": an array of phrases, which is taken over, as one. */
json_t *phrase_list(json_t *phrases) MUSTCHECK;

/* In words; malloc'ed. "" for what is no phrase. */
char *phrase_words(enum lang lang, const json_t *phrase) MUSTCHECK;

/* object.KEY = the English words, object.KEY_phrase = the phrase, which is taken over; NULL:
 * neither. */
void phrase_put(json_t *object, const char *key, json_t *phrase);
/* Copies both members, as far as they are there; from may be NULL. */
void phrase_copy(json_t *to, const char *to_key, const json_t *from, const char *key);
/* object.KEY_phrase, or object.KEY where there is none, as an argument of another phrase; borrowed,
 * NULL: neither. */
const json_t *phrase_got(const json_t *object, const char *key);
/* object.KEY in the reader's language, as it is where no phrase stands beside it; malloc'ed, "" if
 * missing. */
char *phrase_in(enum lang lang, const json_t *object, const char *key) MUSTCHECK;

#endif
