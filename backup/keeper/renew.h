/*
 * The server's certificate, renewed in time wherever a keeper runs: containers have no timer. Only
 * what our own CA issued; for others notify.h tells people. The work is done by
 * `elexgate cert renew --if-needed`, a process of its own; elexgate-cert-renew.timer does the same
 * on a machine without a keeper.
 */
#ifndef ELEXGATE_BACKUP_KEEPER_RENEW_H
#define ELEXGATE_BACKUP_KEEPER_RENEW_H

#include "backup/keeper/keeper.h"

/* Looks at the start and every hour. */
void keeper_renew_tick(struct keeper *k);
/* The keeper ends; a renewal that has begun publishes whole or not at all. */
void keeper_renew_stop(struct keeper *k);

#endif
