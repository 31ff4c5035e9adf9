/*
 * The space in which archives are unpacked to be tried out, proven, rehearsed and looked into, and
 * where SQL text waits: [drill] scratch, else beside [backup] state_dir, on the server's own disk.
 * What is looked at there must not change before it is used, so that the folder is root's (the
 * keeper's, where that is not root), nobody else writes to it or to one above it, and its file
 * system is a local one.
 */
#ifndef ELEXGATE_BACKUP_JOB_TRIAL_SCRATCH_H
#define ELEXGATE_BACKUP_JOB_TRIAL_SCRATCH_H

#include "backup/job/run.h"
#include "common/lang.h"

/* What to do about all that can be wrong with it. */
#define SCRATCH_FIX                                                                                \
    N_("set [drill] scratch to a folder of root's on a disk of this server, with room for an unpacked backup, that nobody else writes to")

/* Its path, malloc'ed. */
char *scratch_folder(const struct run *r) MUSTCHECK;
/* Opens it, made if it is not there; the descriptor, -EPERM for one that others can change. */
int scratch_folder_open(const struct run *r, struct err *e) MUSTCHECK;
/* Whether that many bytes can be unpacked there. 0; EXIT_NO_SPACE with words; negative. */
int scratch_has_room(const struct run *r, uint64_t bytes, struct err *e) MUSTCHECK;

/* For one archive. One at a time, under the run lock; what a killed job left there goes first. */
struct scratch {
    char *home;              /* removed with all that is in it */
    char *datadir, *scratch; /* in it, empty: for the data, and for the server on trial */
    int folder;
};

/* bytes: that will be unpacked. 0; EXIT_NO_SPACE with words; negative. scratch_close in any case.
 */
int scratch_open(struct scratch *s, const struct run *r, uint64_t bytes, struct err *e) MUSTCHECK;
void scratch_close(struct scratch *s);

#endif
