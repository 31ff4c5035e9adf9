/*
 * elexgate-job timeline [DAY]: one day at a glance, for the page and the command. DAY is local,
 * "2026-11-30"; without, today. Reads indices, notes and logs only, no archive.
 *
 *   {"event":"timeline","day":DAY,"from":TIME,"to":TIME,"archived":BOOL,
 *    "minutes":[N,..]       transactions in each minute from "from" on
 *    "saved":[{"from":TIME,"to":TIME,"timeline":N}]    what can be gone back to
 *    "gaps":[{"from":TIME,"to":TIME,"reason":"gap|damaged|..."}]   what cannot, within the log
 *    "marks":[{"time":TIME,"kind":"backup|proof|drill-failed|restore|block|open","text":TEXT}]}
 */
#ifndef ELEXGATE_BACKUP_JOB_TIMELINE_H
#define ELEXGATE_BACKUP_JOB_TIMELINE_H

#include "backup/job/run.h"

int job_timeline(struct run *r, int argc, char **argv, struct err *e) MUSTCHECK;

#endif
