#ifndef ELEXGATE_BACKUP_JOB_RESTORE_STAGE_TRIAL_H
#define ELEXGATE_BACKUP_JOB_RESTORE_STAGE_TRIAL_H

#include "backup/job/trial/copy_check.h"
#include "backup/job/restore/site.h"

/* A staged copy of a data directory, before anybody is blocked. recover_with: a mariadbd that is
 * started on it first, or NULL. 0, or a result of the run with its words. */
int restore_try_out(struct copy_check *c, const struct site *site, const char *recover_with,
    struct err *e) MUSTCHECK;

#endif
