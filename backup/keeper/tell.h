/* What the keeper remembers is written, and what happens is told to those who follow. */
#ifndef ELEXGATE_BACKUP_KEEPER_TELL_H
#define ELEXGATE_BACKUP_KEEPER_TELL_H

#include "backup/keeper/keeper.h"

void keeper_save(struct keeper *k);
/* Takes over the reference: to the log's readers on the control socket. */
void keeper_publish(struct keeper *k, json_t *event);
json_t *keeper_state_event(const struct keeper *k); /* {"event":"state",...} */
/* "reason", "words": why the run that is due waits; nothing when it was not looked at
 * yet. */
void keeper_tell_decision(const struct keeper *k, json_t *o);

#endif
