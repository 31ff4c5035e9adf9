/*
 * What going back to a moment would undo: the transactions behind it, told before anybody agrees.
 */
#ifndef ELEXGATE_BACKUP_JOB_BINLOG_LOSS_H
#define ELEXGATE_BACKUP_JOB_BINLOG_LOSS_H

#include "backup/job/binlog/point.h"

/* {"replayed":N,"lost":N,"earlier":N of these that say they were made before the moment: a clock
 * that was set back, or SET timestamp,"at":GTID of the first that is
 * lost,"first":TIME,"last":TIME,"changes":[{"minute":TIME,"what":"db.table" or "DROP
 * TABLE","transactions":N,"workstations":["192.168.1.5 (Empfang)"]}],"more":N}; names and counts,
 * never contents. workstations: all that may have done it (backup/server/writers.h). replayed: on
 * the point's own timeline. Results of the run. */
int binlog_loss(struct run *r, const struct binlog_way *w, json_t **out, struct err *e) MUSTCHECK;

#endif
