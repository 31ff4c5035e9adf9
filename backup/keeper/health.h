/* The facts for the verdict (backup/rules/health.h), gathered; and the verdict. */
#ifndef ELEXGATE_BACKUP_KEEPER_HEALTH_H
#define ELEXGATE_BACKUP_KEEPER_HEALTH_H

#include "backup/keeper/keeper.h"
#include "backup/rules/health.h"

/* As of now; texts are borrowed until the next call. */
void keeper_health(struct keeper *k, struct health *out);

#endif
