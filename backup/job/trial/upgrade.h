/*
 * Data of an older series under a throwaway server of a newer one: its mariadb-upgrade, in the
 * sandbox.
 */
#ifndef ELEXGATE_BACKUP_JOB_TRIAL_UPGRADE_H
#define ELEXGATE_BACKUP_JOB_TRIAL_UPGRADE_H

#include "backup/job/run.h"
#include "backup/job/trial/throwaway.h"

/* server: the program that t runs; in another root (sandbox.h), the client is in /usr/bin. from:
 * the data's version, for the words. 0, or a result of the run; EXIT_INCONSISTENT: it could not be
 * done. */
int upgrade_run(struct run *run, struct throwaway *t, const char *server, bool in_root,
    const char *from, struct err *e) MUSTCHECK;

#endif
