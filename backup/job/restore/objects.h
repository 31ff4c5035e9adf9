/*
 * What a database holds besides tables: views, routines, triggers, events, as statements that make
 * them anew in a database of another name.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_OBJECTS_H
#define ELEXGATE_BACKUP_JOB_RESTORE_OBJECTS_H

#include <jansson.h>
#include "backup/server/server.h"

/* New reference: [{"kind","name","create","sql_mode","charset","collation"}]. A view that does not
 * work any more is left out; it is named in a note. What views read in the database itself they
 * read in `becomes`, where they are to be made. */
int objects_read(struct server *s, const char *database, const char *becomes, json_t **out,
    struct err *e) MUSTCHECK;
/* Drops all that the database has now. */
int objects_drop(struct server *s, const char *database, struct err *e) MUSTCHECK;
/* Makes them, views in whatever order works. */
int objects_make(
    struct server *s, const char *database, const json_t *objects, struct err *e) MUSTCHECK;

#endif
