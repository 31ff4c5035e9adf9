/*
 * The space in which an archive is unpacked to be tried out: [drill] scratch, else the backup
 * folder. One at a time, under the run lock; what a killed job left there goes first.
 */
#ifndef ELEXGATE_BACKUP_JOB_TRIAL_SCRATCH_H
#define ELEXGATE_BACKUP_JOB_TRIAL_SCRATCH_H

#include "backup/job/run.h"

struct scratch {
    char *home;              /* removed with all that is in it */
    char *datadir, *scratch; /* in it, empty: for the data, and for the server on trial */
    char *parent;
    int parent_fd;
};

/* bytes: that will be unpacked. 0; EXIT_NO_SPACE with words; negative. scratch_close in any case.
 */
int scratch_open(struct scratch *s, const struct run *r, uint64_t bytes, struct err *e) MUSTCHECK;
void scratch_close(struct scratch *s);

#endif
