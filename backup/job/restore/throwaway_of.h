/*
 * A throwaway server on a copy of the live data directory, set up as the live one is.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_THROWAWAY_OF_H
#define ELEXGATE_BACKUP_JOB_RESTORE_THROWAWAY_OF_H

#include "backup/job/method/layout.h"
#include "backup/job/run.h"
#include "backup/job/trial/throwaway.h"

/* database: the one that SQL text is going to be read into; NULL: none (see throwaway.h). Results
 * of the run. */
int throwaway_of_copy(struct run *run, const struct layout *l, const char *fresh,
    const char *scratch, const char *database, struct throwaway **out, struct err *e) MUSTCHECK;

#endif
