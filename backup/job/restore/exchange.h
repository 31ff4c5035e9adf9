/*
 * From block to open, and back.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_EXCHANGE_H
#define ELEXGATE_BACKUP_JOB_RESTORE_EXCHANGE_H

#include "backup/job/restore/restore.h"

/* Its locks on the files of a stopped server go as well. */
void restore_clear(struct restore *r);
/* Block, stop, swap, start, check, open; on any failure back to what was, and open. */
int restore_exchange(struct restore *r, bool to_new, struct err *e) MUSTCHECK;
/* After a kill: finishes or undoes, then opens. */
int restore_recover(struct restore *r, struct err *e) MUSTCHECK;

int restore_remove_staging(struct restore *r, struct err *e) MUSTCHECK;
/* Staging and journal go; returns code, with what else went wrong in *e. */
int restore_give_up_staging(struct restore *r, int code, struct err *e) MUSTCHECK;

#endif
