/*
 * What must not be lost when a copy of the data directory, made a while ago, takes the place of the
 * live one: everything but the Elexis database, as it is now. Clients are out; the live server
 * still runs and is held still meanwhile, so that nothing that it has acknowledged comes in
 * between.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_CARRY_H
#define ELEXGATE_BACKUP_JOB_RESTORE_CARRY_H

#include "backup/job/restore/live_copy.h"

struct carry {
    struct run *run;
    struct live_copy *copy;
    const struct layout *layout;
    char *fresh, *scratch; /* the copy, and a private folder for its server */
    const char *database;  /* the one that is not carried: it has just been made */
    json_t *schemas; /* {name: folder} of the others when the copy was made; see carry_schemas */
    struct server *lock; /* result: keeps the live server still until it ends; the caller closes */
};

/* The other databases of a server and the folders that they lie in; new reference. */
int carry_schemas(struct server *s, const char *database, json_t **out, struct err *e) MUSTCHECK;

/* Brings over the other databases that have been changed, made or dropped since, and the accounts,
 * rights, routines and events. Event: {"event":"carried","databases":[NAME..],"accounts":BOOL} when
 * there was anything. */
int carry_over(struct carry *c, struct err *e) MUSTCHECK;

#endif
