/*
 * Is there room? Asked before anything is begun; for a backup from what the last run of each type
 * needed and from the size of its sources.
 */
#ifndef ELEXGATE_BACKUP_JOB_SPACE_H
#define ELEXGATE_BACKUP_JOB_SPACE_H

#include "backup/job/run.h"

struct space_plan {
    uint64_t sources; /* bytes to read, as far as known */
    uint64_t needed;  /* bytes of the archives, estimated */
    uint64_t free;    /* in the backup folder */
};

/* types: NULL-terminated. 0, or EXIT_NO_SPACE with both figures in words; *plan is filled for both.
 * EXIT_REFUSED when the backup folder lies inside what is to be backed up. */
int space_check(
    struct run *r, const char *const *types, struct space_plan *plan, struct err *e) MUSTCHECK;
/* Do so many bytes fit into this folder? 0, EXIT_NO_SPACE with both figures in words; negative. */
int space_for(const char *folder, uint64_t needed, struct err *e) MUSTCHECK;

#endif
