/*
 * Tables that the backup lacks, as its sealed manifest says: of those a copy has a definition and
 * no rows (DATA DIRECTORY, an engine that is not copied). What the log says of their rows is left
 * out, and told; a table that is made again, or can be read for another reason, is like any other.
 */
#ifndef ELEXGATE_BACKUP_JOB_BINLOG_LEFT_OUT_H
#define ELEXGATE_BACKUP_JOB_BINLOG_LEFT_OUT_H

#include "backup/job/binlog/replay_event.h"

/* Is it one of them, and still without rows? The server is asked. */
bool left_out_is(struct binlog_player *p, const char *schema, const char *table);
/* Once a change more. */
void left_out_count(struct binlog_player *p, const char *name);
/* A note for each of them. */
void left_out_tell(const json_t *counted);

#endif
