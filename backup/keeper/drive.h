/* Does what the plan says: plan.h decides, run.h runs. */
#ifndef ELEXGATE_BACKUP_KEEPER_DRIVE_H
#define ELEXGATE_BACKUP_KEEPER_DRIVE_H

#include "backup/keeper/keeper.h"

void keeper_drive_start(struct keeper *k); /* after state and settings are loaded */
void keeper_drive_tick(struct keeper *k);
void keeper_drive_witnesses(void *ctx, const struct keeper_witnesses *w);
void keeper_drive_cancel(struct keeper *k);
/* The clocks, and whether a job runs, for the plan. */
struct plan_facts keeper_facts(const struct keeper *k);

#endif
