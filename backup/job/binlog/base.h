/*
 * Whether what the stream archives now can be brought back: does a physical backup stand in the
 * newest timeline, behind the last statement that cannot be run again?
 */
#ifndef ELEXGATE_BACKUP_JOB_BINLOG_BASE_H
#define ELEXGATE_BACKUP_JOB_BINLOG_BASE_H

#include "backup/job/run.h"

struct binlog_watch;

/* Beside the stream, in a thread of its own, so that no commit waits for it. It looks when
 * something in the backup folder has changed, every few seconds while there is no base, and now and
 * then. What has changed, and what is at first, it says:
 *
 *   {"event":"base","base":"own|across|missing","timeline":N,"reason":..,"since":TIME,
 *    "statement":KIND}
 *
 * own: a backup that is good as far as anybody knows stands in that timeline; across: one of an
 * older timeline leads to it, over restores whose place is known; missing: none, and no moment from
 * `since` on can be had. statement: what cannot be run again; null: that is not why. */
struct binlog_watch *binlog_watch_start(const struct run *r) MUSTCHECK;
/* A timeline has begun, or a statement came that cannot be run again: it looks within seconds. Any
 * thread. */
void binlog_watch_poke(struct binlog_watch *w);
void binlog_watch_stop(struct binlog_watch *w);

#endif
