/*
 * Whether the newest backup's files fit the server of today, and the trial server too: asked by the
 * doctor, before a restore must know.
 */
#ifndef ELEXGATE_BACKUP_JOB_DOCTOR_DOCTOR_SERIES_H
#define ELEXGATE_BACKUP_JOB_DOCTOR_DOCTOR_SERIES_H

#include "backup/job/doctor/doctor_gate.h"
#include "backup/job/run.h"

/* server: the admin's connection. */
void doctor_series(struct run *run, struct server *server, doctor_tell_fn *tell, void *ctx);

#endif
