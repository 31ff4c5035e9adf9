/*
 * Backups that are open for reading: each is a job of its own beside whatever else runs
 * (job/restore/opened.h), ends by itself after [restore] open_for, and with us. What a killed one
 * left on the disk goes when we begin, and when one ended badly.
 */
#ifndef ELEXGATE_BACKUP_KEEPER_OPENED_H
#define ELEXGATE_BACKUP_KEEPER_OPENED_H

#include "backup/keeper/keeper.h"

void keeper_opened_tick(struct keeper *k);
void keeper_opened_stop(struct keeper *k);
/* [{"id":N,"which":RUN|MOMENT,"state":"opening|open|closing|failed","since":TIME,
 *   opening: "phase","bytes","total"; open:
 * "socket","user","until","databases":[{"name","tables"}]; failed: "error","error_phrase"}] */
json_t *keeper_opened_status(const struct keeper *k);

#endif
