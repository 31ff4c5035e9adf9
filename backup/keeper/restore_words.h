/* How a restore ended, in a sentence for the page and for `elexgate status`. */
#ifndef ELEXGATE_BACKUP_KEEPER_RESTORE_WORDS_H
#define ELEXGATE_BACKUP_KEEPER_RESTORE_WORDS_H

#include "backup/keeper/run.h"

/* Adds to a run what the restore was and how it ended: "words", ... */
void keeper_restore_words(const struct keeper_current *c, json_t *run);

#endif
