/*
 * The drill: an archive counts when it was restored. Unpacks it into scratch space, starts a
 * throwaway server on it that nobody can reach, checks every table, compares rows and checksums
 * with those taken at the backup, and records the result beside the archive.
 */
#ifndef ELEXGATE_BACKUP_JOB_TRIAL_DRILL_H
#define ELEXGATE_BACKUP_JOB_TRIAL_DRILL_H

#include "backup/archive/store.h"
#include "backup/job/run.h"
#include "backup/job/trial/rehearse.h"

/* 0: proven. EXIT_INCONSISTENT: it is not what it should be, with the first difference; recorded
 * too. EXIT_NO_SPACE, EXIT_CANCELLED, EXIT_REFUSED or negative: it could not be tried, not
 * recorded. */
int drill_item(struct run *r, const struct store_item *it, struct err *e) MUSTCHECK;

/* rehearse() in the drill's scratch space. */
int drill_rehearse(struct run *r, const struct store_item *it, const struct rehearsal *what,
    struct err *e) MUSTCHECK;

#endif
