/*
 * Global variables of the server that a backup changes for a moment, remembered on disk before they
 * are changed, so that they are put back on every way out, a killed job included.
 *
 * The journal is a small JSON file. It exists exactly while something may be changed: whoever finds
 * it at a start (job or keeper) puts the values back first.
 */
#ifndef ELEXGATE_BACKUP_SERVER_GLOBALS_H
#define ELEXGATE_BACKUP_SERVER_GLOBALS_H

#include "backup/server/server.h"

struct globals;

/* Opens the journal at path. If one was left behind by a killed run, its values are put back at
 * once
 * (*put_back, if not NULL, gets their number). */
int globals_open(struct server *s, const char *path, struct globals **out, unsigned *put_back,
    struct err *e) MUSTCHECK;
/* Remembers the present value on disk (once per variable), then sets the new one. value is written
 * into the statement as it is: a number, ON or OFF. Setting what is set already does nothing. 1:
 * this server does not have the variable. */
int globals_set(struct globals *g, struct server *s, const char *name, const char *value,
    struct err *e) MUSTCHECK;
/* Puts one variable back and forgets it; nothing to do when it was not changed. */
int globals_restore_one(
    struct globals *g, struct server *s, const char *name, struct err *e) MUSTCHECK;
/* Puts all back, newest first, and removes the journal. On failure the journal stays. */
int globals_restore(struct globals *g, struct server *s, struct err *e) MUSTCHECK;
/* Frees; the journal stays on disk if something was not put back. */
void globals_close(struct globals *g);

/* For the keeper: puts back what a killed run left, if anything. */
int globals_recover(
    struct server *s, const char *path, unsigned *put_back, struct err *e) MUSTCHECK;

#endif
