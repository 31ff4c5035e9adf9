/*
 * elexgate-job changes --from MOMENT --to MOMENT [--table [DB.]TABLE] [--workstation ADDRESS|NAME]
 * [--timeline N] [--rows]: what the archived log says was changed, transaction by transaction.
 *
 *   {"event":"change","timeline":N,"time":TIME,"gtid":GTID,"tables":[{"table":"db.table",
 *    "inserted":N,"changed":N,"deleted":N,"unsure":true where not all could be counted}],
 *    "statements":["DROP TABLE"],"workstations":["192.168.1.5 (Empfang)"],"by":"connection|time",
 *    "rows":[{"table","change","row":[..],"was":[..]}] with --rows: the first ones of it}
 *   {"event":"changes","transactions":N,"shown":N,"workstations_unknown":WORDS}   at the end
 */
#ifndef ELEXGATE_BACKUP_JOB_BINLOG_CHANGES_H
#define ELEXGATE_BACKUP_JOB_BINLOG_CHANGES_H

#include "backup/job/run.h"

int job_changes(struct run *r, int argc, char **argv, struct err *e) MUSTCHECK;

#endif
