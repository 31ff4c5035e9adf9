/*
 * The folders in which a restore is made ready (restore.h).
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_STAGING_H
#define ELEXGATE_BACKUP_JOB_RESTORE_STAGING_H

#include "backup/job/restore/restore.h"

/* Where staging of a live folder lies, malloc'ed. */
int restore_staging_root(const char *live, char **out, struct err *e) MUSTCHECK;
/* Makes the folders; EXIT_NO_SPACE when so many bytes do not fit. */
int restore_make_staging(const struct restore_part *p, uint64_t bytes, struct err *e) MUSTCHECK;
/* The files to their owner, and all on the disk. */
int restore_finish_staging(const struct restore_part *p, struct err *e) MUSTCHECK;

#endif
