/*
 * Clients are kept out, in words, and let in again: by the proxy, where there is one in the way.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_CLIENTS_H
#define ELEXGATE_BACKUP_JOB_RESTORE_CLIENTS_H

#include "backup/job/restore/restore.h"

int restore_block(struct restore *r, struct err *e) MUSTCHECK;
int restore_let_in(struct restore *r, struct err *e) MUSTCHECK;

#endif
