/*
 * What is asked for is found, judged and made ready, while clients work. Results of the run
 * (run.h).
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_STAGE_H
#define ELEXGATE_BACKUP_JOB_RESTORE_STAGE_H

#include "backup/job/restore/restore.h"

int restore_stage(struct restore *r, const struct restore_request *q, struct err *e) MUSTCHECK;
/* One event that says what would be replaced by what. */
int restore_plan(struct run *run, const struct restore_request *q, struct err *e) MUSTCHECK;

#endif
