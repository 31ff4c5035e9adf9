/*
 * elexgate rescue: one table, or rows of it, as it was at a moment, written back to the live one.
 *
 *   elexgate-job restore rescue prepare TABLE --to MOMENT | --before GTID [--timeline N]
 *                [--where CONDITION] [--exact] [--rows] [--dry-run]
 *   elexgate-job restore rescue apply ID   what was prepared, if it is that one still
 *   elexgate-job restore rescue discard
 *
 * prepare unpacks the backup before that moment and replays the log (moment.h) in a folder of ours,
 * compares, and tries the writing in a transaction that is taken back:
 *   {"event":"rescue","id":ID,"table":"db.t","gone":N,"changed":N,"added":N,"same":N,"exact":BOOL,
 *    "keys":{"gone":[..],"changed":[..],"added":[..]},"rows":[{"key","then":{..},"now":{..}}]}
 * apply boots what lies there once more: {"event":"rescued","table","rows":N,"undo":PATH}
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_RESCUE_H
#define ELEXGATE_BACKUP_JOB_RESTORE_RESCUE_H

#include "backup/job/run.h"

int restore_rescue(struct run *run, int argc, char **argv, struct err *e) MUSTCHECK;

#endif
