/*
 * elexgate rescue: one table, or rows of it, as it was at a moment, written back to the live one.
 *
 *   {"action":"rescue","table":T,"to":MOMENT | "before":GTID,"timeline":N,"where":CONDITION,
 *    "exact":BOOL,"rows":BOOL,"dry_run":BOOL}
 *   {"action":"write_back","id":ID}   what was compared, if it is that one still
 *   {"action":"discard"}
 *
 * rescue unpacks the backup before that moment and replays the log (moment.h) in a folder of ours,
 * compares, and tries the writing in a transaction that is taken back:
 *   {"event":"rescue","id":ID,"table":"db.t","gone":N,"changed":N,"added":N,"same":N,"exact":BOOL,
 *    "keys":{"gone":[..],"changed":[..],"added":[..]},"rows":[{"key","then":{..},"now":{..}}]}
 * write_back boots what lies there once more: {"event":"rescued","table","rows":N,"undo":PATH}
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_RESCUE_H
#define ELEXGATE_BACKUP_JOB_RESTORE_RESCUE_H

#include "backup/job/run.h"
#include "backup/rules/restore_request.h"

int restore_rescue(struct run *run, struct restore_request *q, struct err *e) MUSTCHECK;

#endif
