/*
 * The commands of elexgate-job. Each returns a result of the run (run.h) and prints progress; main
 * prints the last line and turns the result into the exit code.
 */
#ifndef ELEXGATE_BACKUP_JOB_JOB_H
#define ELEXGATE_BACKUP_JOB_JOB_H

#include "backup/job/run.h"

int job_backup(struct run *r, int argc, char **argv, struct err *e) MUSTCHECK;
/* `elexgate-job restore ...`: restore/restore.c */
int job_restore(struct run *r, int argc, char **argv, struct err *e) MUSTCHECK;
/* doctor: one JSON object a check, see doctor.c */
int job_doctor(struct run *r, int argc, char **argv, struct err *e) MUSTCHECK;

/* info [WHICH] [--type TYPE] [--against now|RUN] [--foreign]: what is in a backup, and how it
 * differs from another one or from what the server holds now: its tables with their rows and newest
 * records, as they were counted when it was made or drilled.
 *   {"event":"info","run","archives":[what `list` says of each, of the database also
 *     "tables":[{"table","rows","newest"}..], and with --against
 *     "difference":{"against","equal":N,"tables":[{"table","rows","other_rows","newest",
 *     "other_newest","change":"rows|content|missing|new"}..]}]}
 * rows null: they were not counted; newest null: the table does not tell. "other" is what it is
 * compared with, "new" is only there. */
int job_info(struct run *r, int argc, char **argv, struct err *e) MUSTCHECK;
/* timeline [DAY]: one day at a glance, for the page and the command. DAY is local, "2026-11-30";
 * without, today. Reads indices, notes and logs only, no archive.
 *   {"event":"timeline","day":DAY,"from":TIME,"to":TIME,"archived":BOOL,
 *    "minutes":[N,..]       transactions in each minute from "from" on
 *    "saved":[{"from":TIME,"to":TIME,"timeline":N}]    what can be gone back to
 *    "gaps":[{"from":TIME,"to":TIME,"reason":"gap|damaged|..."}]   what cannot, within the log
 *    "marks":[{"time":TIME,"kind":"backup|proof|drill-failed|restore|block|open","text":TEXT}]} */
int job_timeline(struct run *r, int argc, char **argv, struct err *e) MUSTCHECK;

/* One run at a time, whoever starts it. The lock is the run's, and goes away with the process,
 * however it ends. EXIT_BUSY when another run has it. */
int job_lock(struct run *r, struct err *e) MUSTCHECK;

#endif
