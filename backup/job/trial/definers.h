/*
 * Whom the views, routines, triggers and events of an imported text belong to. While it is read in
 * they all belong to the account of the import; afterwards each gets the account that the text has
 * named, whether this server knows it or not: one that it does not know has no rights.
 */
#ifndef ELEXGATE_BACKUP_JOB_TRIAL_DEFINERS_H
#define ELEXGATE_BACKUP_JOB_TRIAL_DEFINERS_H

#include <jansson.h>
#include "backup/rules/sql_definer.h"
#include "backup/server/server.h"

/* The account that an import is: of a server on trial at localhost, else from where we come. */
#define DEFINERS_IMPORTER "elexgate-import"

struct definers {
    struct sql_definer *list;
    size_t n;
};

void definers_add(struct definers *d, const struct sql_definer *one);
void definers_clear(struct definers *d);

/* s: an account that may do everything, on a server that nobody else uses; they belong to the
 * importer at localhost. What the text gave to nobody goes to the account that works with this
 * database, if there is one. */
int definers_put_right(
    struct server *s, const char *database, const struct definers *d, struct err *e) MUSTCHECK;
/* The same in statements that make them in a database of another name (restore/objects.h), which
 * are the importer's at host; s may read the server's accounts. */
int definers_in_statements(struct server *s, const char *database, const char *host,
    const struct definers *d, json_t *objects, struct err *e) MUSTCHECK;

#endif
