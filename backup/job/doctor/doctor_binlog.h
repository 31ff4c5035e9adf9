/*
 * Whether any second can be brought back: what the server's binary log must be like for that.
 */
#ifndef ELEXGATE_BACKUP_JOB_DOCTOR_DOCTOR_BINLOG_H
#define ELEXGATE_BACKUP_JOB_DOCTOR_DOCTOR_BINLOG_H

#include "backup/job/doctor/doctor_gate.h"

/* One finding "binlog", and one more for each setting that is not as it should be. */
void doctor_binlog(struct server *s, const struct config *c, doctor_tell_fn *tell, void *ctx);

#endif
