/*
 * Tables that the backup lacks, as its sealed manifest says (DATA DIRECTORY, an engine that is not
 * copied): a copy has their names and no rows. So that nothing that the log says of them ends a
 * replay, an empty table of the same definition stands in for each. What is written to it since the
 * backup comes back; changes of rows that only the lost table had are left out, counted and told.
 */
#ifndef ELEXGATE_BACKUP_JOB_BINLOG_STAND_IN_H
#define ELEXGATE_BACKUP_JOB_BINLOG_STAND_IN_H

#include "backup/job/binlog/replay_event.h"

/* For each table of missing (layout_missing) that the server cannot read; NULL = none. A note for
 * each: one of which there is no definition stays as it is. EXIT_INCONSISTENT: a definition changed
 * who may do what. */
int stand_in_make(struct server *s, const json_t *missing, struct err *e) MUSTCHECK;
/* A change was left out, of a row of this table. */
void stand_in_count(struct binlog_player *p, const char *name);
/* A note for each table of them. */
void stand_in_tell(const json_t *left_out);

#endif
