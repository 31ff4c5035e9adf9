/*
 * SQL text and no server to copy: the data directory is empty or gone, or no server starts on what
 * lies in it. Then the text is read into a new installation, which has only the accounts that the
 * restore needs (accounts.h); what else there was is named. Used by sql_stage.c.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_SQL_FRESH_H
#define ELEXGATE_BACKUP_JOB_RESTORE_SQL_FRESH_H

#include "backup/job/restore/sql_stage.h"
#include "backup/job/trial/throwaway.h"

/* Makes it in fresh, which goes first with whatever is in it, and starts a server on it. why: the
 * reason that no copy serves. Results of the run. */
int sql_fresh_start(struct sql_stage *q, const char *fresh, const char *scratch, const char *why,
    struct throwaway **out, struct err *e) MUSTCHECK;
/* The accounts that the restore needs, and a note of those that it cannot bring back. */
int sql_fresh_accounts(struct sql_stage *q, struct server *s, struct err *e) MUSTCHECK;
/* The other databases whose files lie in the data directory join those that would be gone. */
int sql_fresh_loss(
    const struct sql_stage *q, struct server *s, json_t *difference, struct err *e) MUSTCHECK;

#endif
