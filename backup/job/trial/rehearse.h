/*
 * A rehearsal of an upgrade of the database server: the newest backup under a newer server, in a
 * throwaway folder, brought up and compared; and what else would be different then.
 */
#ifndef ELEXGATE_BACKUP_JOB_TRIAL_REHEARSE_H
#define ELEXGATE_BACKUP_JOB_TRIAL_REHEARSE_H

#include "backup/archive/store.h"
#include "backup/job/run.h"

struct rehearsal {
    const char *program; /* a mariadbd; NULL: root's own */
    const char *root; /* the root of a system that has one; NULL: program is one of this system's */
    const char *image;   /* or the name of a container's image with such a system; NULL = none */
    const char *queries; /* a file of SELECTs; NULL = none */
};

/* Tells one event "rehearsal" with all that was found. 0: safe to upgrade. EXIT_INCONSISTENT: it is
 * not, with the first reason. Else it could not be tried. datadir, scratch: as in copy_check.h. */
int rehearse(struct run *run, const struct store_item *it, const struct rehearsal *what,
    const char *datadir, const char *scratch, struct err *e) MUSTCHECK;

#endif
