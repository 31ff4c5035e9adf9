/*
 * What a database holds, and what of it would be lost if another took its place: a restore from SQL
 * is to say so before, and ask.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_INVENTORY_H
#define ELEXGATE_BACKUP_JOB_RESTORE_INVENTORY_H

#include <jansson.h>
#include "backup/server/server.h"

struct inventory_item {
    const char *kind; /* table, sequence, view, procedure, function, package, trigger, event */
    char *name;
    int64_t rows; /* of a table; -1 = it cannot be read, or has none */
};

struct inventory {
    bool exists;                  /* the database is there */
    struct inventory_item *items; /* by kind and name */
    size_t n;
};

/* Counts every row; a table that cannot be read counts as unknown, never as an error. go_on as for
 * archives. 1: stopped. */
int inventory_read(struct server *s, const char *database, bool (*go_on)(void *ctx), void *ctx,
    struct inventory *out, struct err *e) MUSTCHECK;
void inventory_clear(struct inventory *v);
/* By kind and exact name; NULL = not there. kind "table" finds sequences as well. */
const struct inventory_item *inventory_find(
    const struct inventory *v, const char *kind, const char *name);

/* {"vanish":[{"kind","name","rows"}], "empty":[{"name","rows"}], "fewer":[{"name","rows","then"}],
 *  "tables":N, "rows":N, "then":N}: what is in `before` and would be no more. New reference. */
json_t *inventory_loss(const struct inventory *before, const struct inventory *after) MUSTCHECK;
/* Is that more than somebody expects who reads in a dump: a table with rows gone or emptied, most
 * tables gone, or most rows of one or of all? (Of an empty table, of views, routines and so on it
 * is only told.) */
bool inventory_loss_is_grave(const json_t *loss);

/* Tables of `after` whose names are those of `before` but for upper and lower case, which are not
 * the same to this server: array of [name after, name before]. New reference. */
json_t *inventory_other_case(
    const struct inventory *before, const struct inventory *after) MUSTCHECK;

#endif
