/*
 * The commands of elexgate-job. Each returns a result of the run (run.h) and prints progress; main
 * prints the last line and turns the result into the exit code.
 */
#ifndef ELEXGATE_BACKUP_JOB_JOB_H
#define ELEXGATE_BACKUP_JOB_JOB_H

#include "backup/job/run.h"

int job_backup(struct run *r, int argc, char **argv, struct err *e) MUSTCHECK;
/* `elexgate-job restore ...`: restore/restore.c */
int job_restore(struct run *r, int argc, char **argv, struct err *e) MUSTCHECK;
/* doctor: one JSON object a check, see doctor.c */
int job_doctor(struct run *r, int argc, char **argv, struct err *e) MUSTCHECK;

/* One run at a time, whoever starts it. The lock is the run's, and goes away with the process,
 * however it ends. EXIT_BUSY when another run has it. */
int job_lock(struct run *r, struct err *e) MUSTCHECK;

#endif
