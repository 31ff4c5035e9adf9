/*
 * Whether backups can be tried out: where they are unpacked for that, who could change it there,
 * whether there is room, and whether it would lie in clear on a medium of encrypted archives.
 */
#ifndef ELEXGATE_BACKUP_JOB_DOCTOR_DOCTOR_SCRATCH_H
#define ELEXGATE_BACKUP_JOB_DOCTOR_DOCTOR_SCRATCH_H

#include "backup/job/run.h"

/* One event "check". false: nothing can be tried out. */
bool doctor_scratch(const struct run *run) MUSTCHECK;

#endif
