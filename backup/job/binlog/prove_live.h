/*
 * What the running server has, read without a lock at a moment when nobody writes.
 */
#ifndef ELEXGATE_BACKUP_JOB_BINLOG_PROVE_LIVE_H
#define ELEXGATE_BACKUP_JOB_BINLOG_PROVE_LIVE_H

#include "backup/job/run.h"

/* Rows and checksums of all tables, with the place in its log, as a backup would record them. Lets
 * go when somebody waits for a table that it reads; EXIT_NOT_IDLE then, and when anything was
 * written meanwhile. */
int prove_live_read(struct run *r, struct manifest *out, struct err *e) MUSTCHECK;

#endif
