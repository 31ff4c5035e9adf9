/*
 * What a browser sends, taken apart: form bodies, JSON bodies, cookies, languages.
 *
 * Pure: bytes in, values out. Everything is bounded; what is not well-formed is an error and never
 * a guess.
 */
#ifndef ELEXGATE_CONSOLE_PAGES_FORMS_H
#define ELEXGATE_CONSOLE_PAGES_FORMS_H

#include <jansson.h>
#include "common/lang.h"
#include <stdbool.h>
#include <stddef.h>
#include "common/error.h"

#define FORM_FIELDS_MAX 200

/* application/x-www-form-urlencoded -> object of strings. A name that comes several times, as those
 * of check boxes do, becomes an array. -EINVAL: a broken %xx, a NUL or bytes that are not UTF-8;
 * -E2BIG: more than FORM_FIELDS_MAX fields. */
int form_parse(const char *body, size_t len, json_t **out, struct err *e) MUSTCHECK;

/* application/json: an object, nested at most a few levels deep. -EINVAL otherwise. */
int form_parse_json(const char *body, size_t len, json_t **out, struct err *e) MUSTCHECK;

/* A text field, trimmed; NULL if it is missing or no text. What points into the form lives as long
 * as that. */
const char *form_text(const json_t *form, const char *key);
/* "1", "on", "yes", "true" and JSON's true. */
bool form_flag(const json_t *form, const char *key);
/* A new array of the texts of a field, empty if it is missing. */
json_t *form_texts(const json_t *form, const char *key) MUSTCHECK;

/* The value of one cookie of a Cookie header (RFC 6265); malloc'ed, NULL if it is not there or if
 * it is there twice: a foreign one could be hidden behind ours. */
char *cookie_find(const char *header, const char *name) MUSTCHECK;

/* By an Accept-Language header (RFC 9110, 12.5.4); German where it names none of ours, or is NULL.
 */
enum lang language_choose(const char *header);

#endif
