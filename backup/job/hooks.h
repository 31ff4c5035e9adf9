/*
 * The admin's own programs before and after a backup or a restore. docs/backup.md has what they
 * get.
 *
 *   $1 the event: before_backup, after_backup, before_restore, after_restore
 *   $2 the run's suffix
 *   environment: ELEXGATE_EVENT ELEXGATE_RUN ELEXGATE_FOLDER ELEXGATE_TYPES (blanks between), and
 * after: ELEXGATE_RESULT (good, not-idle, no-space, inconsistent, refused, cancelled, failed)
 *   ELEXGATE_EXIT ELEXGATE_ERROR ELEXGATE_ARCHIVES (one path a line)
 *
 * What a hook writes goes to our standard error. One that takes too long is ended; that counts as a
 * failure. A `before` hook that fails prevents the run; the failure of an `after` hook is told and
 * changes nothing else.
 */
#ifndef ELEXGATE_BACKUP_JOB_HOOKS_H
#define ELEXGATE_BACKUP_JOB_HOOKS_H

#include "backup/job/run.h"

/* Nothing to do when the hook is not set. EXIT_VETOED when it fails. */
int hook_before(struct run *r, const char *event, const char *types, struct err *e) MUSTCHECK;
void hook_after(
    struct run *r, const char *event, const char *types, int exit_code, const char *error);

#endif
