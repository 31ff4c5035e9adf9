/*
 * The job that archives the server's binary log ([binlog] archive): started, and started again,
 * beside whatever else runs. It goes on through backups and restores; see job/binlog/follow.h.
 */
#ifndef ELEXGATE_BACKUP_KEEPER_STREAM_H
#define ELEXGATE_BACKUP_KEEPER_STREAM_H

#include "backup/keeper/keeper.h"

void keeper_stream_tick(struct keeper *k);
/* The keeper ends: the job is told to, and what it has is safe at any time. */
void keeper_stream_stop(struct keeper *k);
/* Whether what is archived has a physical backup to begin with. */
enum plan_base keeper_stream_base(const struct keeper *k);
/* {"state":"following|waiting|starting","saved":..,...}; null where nothing is archived. */
json_t *keeper_stream_status(const struct keeper *k);

#endif
