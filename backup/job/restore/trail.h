/*
 * What a restore tells of itself, on disk beside its standard output: <state_dir>/restore.trail,
 * JSON lines as in run.h. A restore goes on when whoever started it is gone; the next keeper, or
 * one that did not start it, reads here what it is doing and how it ended. The file stays until the
 * next restore.
 *
 * First line: {"event":"restore-begin","id":TEXT,"pid":N,"action":"run|sql|undo|accept|recover",
 *              "which":TEXT,"dry_run":BOOL,"started":TIME}, the last one has "done":true.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_TRAIL_H
#define ELEXGATE_BACKUP_JOB_RESTORE_TRAIL_H

#include "backup/job/run.h"

/* From now on what the job tells goes there too. Call while holding the run lock. A trail that
 * cannot be written is a note, not a reason to leave clients outside. */
void restore_trail_begin(const struct run *r, const char *action, const char *which, bool dry_run);

#endif
