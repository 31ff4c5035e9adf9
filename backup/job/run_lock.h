/*
 * The lock that all runs share: one backup, drill or restore at a time, whoever starts it.
 */
#ifndef ELEXGATE_BACKUP_JOB_RUN_LOCK_H
#define ELEXGATE_BACKUP_JOB_RUN_LOCK_H

#include <sys/types.h>
#include "common/error.h"

/* As file_lock. A proof of the binary log's chain, which nobody waits for, is told to end, and
 * waited for. */
int run_lock(const char *path, int *fd, pid_t *holder, struct err *e) MUSTCHECK;

#endif
