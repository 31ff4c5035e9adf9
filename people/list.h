/*
 * The page's accounts as they count for who may what: state_dir/people.json (0600, root's),
 * {"people":[{"name","role","hash"}]}. A job of root's checks passwords against it and changes it
 * (backup/job/page_people.c), the keeper is told names and roles. The page's program keeps its own
 * list for signing in; whoever takes that program or the keeper over can neither add to this one
 * nor confirm without a password.
 */
#ifndef ELEXGATE_PEOPLE_LIST_H
#define ELEXGATE_PEOPLE_LIST_H

#include <jansson.h>
#include <stdbool.h>
#include "common/error.h"

#define PEOPLE_FILE     "people.json"
#define PEOPLE_MAX      100
#define PEOPLE_SIZE_MAX (256 * 1024)

bool people_role_good(const char *role);
/* *out: the list, the caller's; empty where there is no file. A damaged one is an error: an empty
 * list would take the next account as it comes. */
int people_read(const char *state_dir, json_t **out, struct err *e) MUSTCHECK;
/* -EINVAL: people_read would refuse it. */
int people_write(const char *state_dir, json_t *list, struct err *e) MUSTCHECK;
/* Borrowed; NULL: nobody has this name. index: NULL allowed. */
json_t *people_find(const json_t *list, const char *name, size_t *index);

#endif
