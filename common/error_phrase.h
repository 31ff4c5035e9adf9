/*
 * Errors on their way to readers of other languages: what common/error.h records, as a phrase
 * (common/phrase.h).
 */
#ifndef ELEXGATE_COMMON_ERROR_PHRASE_H
#define ELEXGATE_COMMON_ERROR_PHRASE_H

#include <jansson.h>

#include "common/error.h"
#include "common/phrase.h"

/* Records a phrase, which is taken over, as err_set does a sentence; returns -code. */
int error_phrase_set(struct err *e, int code, json_t *phrase);
/* An error as members "error" and "error_phrase"; and back: what a peer's answer says
 * becomes the error; returns -code. */
void error_phrase_put(json_t *object, const struct err *e);
int error_phrase_take(struct err *e, int code, const json_t *object);
/* The same with members of another name: KEY and KEY_phrase. */
void error_phrase_put_as(json_t *object, const char *key, const struct err *e);
int error_phrase_take_from(struct err *e, int code, const json_t *object, const char *key);
/* The error as an argument of a phrase, or a phrase itself. A new reference; NULL if there is none.
 */
json_t *error_phrase_json(const struct err *e) MUSTCHECK;
/* An error in words; malloc'ed. */
char *error_phrase_words(enum lang lang, const struct err *e) MUSTCHECK;

#endif
