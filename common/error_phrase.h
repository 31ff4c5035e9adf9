/*
 * Errors on their way to readers of other languages: what common/error.h records, as a phrase
 * (common/phrase.h).
 */
#ifndef ELEXGATE_COMMON_ERROR_PHRASE_H
#define ELEXGATE_COMMON_ERROR_PHRASE_H

#include <jansson.h>

#include "common/error.h"
#include "common/phrase.h"

/* An error as members "error" and "error_phrase"; and back: what a peer's answer says
 * becomes the error; returns -code. */
void error_phrase_put(json_t *object, const struct err *e);
int error_phrase_take(struct err *e, int code, const json_t *object);
/* An error in words; malloc'ed. */
char *error_phrase_words(enum lang lang, const struct err *e) MUSTCHECK;

#endif
