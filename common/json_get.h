/*
 * What a member of a JSON object is, whatever it may be: of another type it counts as not there.
 * The object may be NULL. And a text from outside, put into one.
 */
#ifndef ELEXGATE_COMMON_JSON_GET_H
#define ELEXGATE_COMMON_JSON_GET_H

#include "common/memory.h"

#include <jansson.h>
#include <stdbool.h>

const char *json_get_str(const json_t *object, const char *key);  /* NULL: not there; borrowed */
const char *json_get_text(const json_t *object, const char *key); /* "": not there; borrowed */
json_int_t json_get_int(const json_t *object, const char *key);   /* 0: not there */
bool json_get_true(const json_t *object, const char *key);        /* it is there, and true */

/* A string from outside (a file's name, a value, somebody's words) as JSON: bytes that are not
 * UTF-8 become '?', so that no line is lost for them. NULL gives null. */
json_t *json_text(const char *text) MUSTCHECK;

/* *place holds this value from now on, with a reference of its own, in place of what it held. */
void json_keep(json_t **place, json_t *value);
/* Members of `from` (may be NULL), as far as it has them, into `to`; keys ends with NULL. */
void json_take(json_t *to, const json_t *from, const char *const *keys);

/* `_cleanup_json_ json_t *answer = NULL;`: the reference goes with its scope, on each way out of
 * it. */
#define _cleanup_json_ CLEANUP(cleanup_json)
static inline void cleanup_json(json_t **j)
{
    json_decref(*j);
}

#endif
