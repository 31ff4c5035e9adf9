/*
 * elexgate-job binlog: follows the server's binary log for as long as it runs, and archives it.
 *
 * Lines on standard output, at most one a second and one at each change:
 *   {"event":"binlog","state":"following","saved":TIME,"timeline":N,"file":..,"position":N,
 *    "gtid":..}                                everything up to TIME is safe
 *   {"event":"binlog","state":"waiting","error":WORDS,...}   and is tried again
 *   {"event":"timeline","timeline":N,"reason":"reset|gap|changed|restored|first|damaged"}
 */
#ifndef ELEXGATE_BACKUP_JOB_BINLOG_FOLLOW_H
#define ELEXGATE_BACKUP_JOB_BINLOG_FOLLOW_H

#include "backup/job/run.h"
#include "backup/rules/binlog_segment.h"

int job_binlog(struct run *r, int argc, char **argv, struct err *e) MUSTCHECK;

/* The data were exchanged, by a restore or its undo: the stream begins a new timeline. place: what
 * the data are now, if that is known (timeline 0 = it is not). NULL: they are what they were. */
int binlog_mark_restored(
    const struct run *r, const struct binlog_place *place, struct err *e) MUSTCHECK;
/* They were, and the stream has not taken note of it yet. */
bool binlog_restore_pending(const struct run *r);

#endif
