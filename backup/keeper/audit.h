/*
 * What the keeper writes into the audit log: what was asked of it and by whom, what its own
 * schedule did, and what the console reports about those who are signed in there.
 */
#ifndef ELEXGATE_BACKUP_KEEPER_AUDIT_H
#define ELEXGATE_BACKUP_KEEPER_AUDIT_H

#include "backup/keeper/keeper.h"

/* From now on lines go to the monitor, which writes and rotates the file of [audit] file. */
void keeper_audit_begin(struct keeper_monitor *m);
json_t *keeper_audit_status(const struct keeper *k); /* as audit_status */
/* A request and its answer, by the user that the kernel names; those that change nothing are passed
 * over (link/rights.h). */
void keeper_audit_request(unsigned uid, const json_t *request, const json_t *answer);
/* A job that ended. */
void keeper_audit_job(const char *kind, const char *run, const char *result, const char *error);
/* {"cmd":"audit","as":{"account","role"},"address","action","object","result"}: the page's program
 * tells what was done there; for whom is what "as" says, as in every request, and by which program,
 * says the kernel. role: as the keeper knows it. */
void keeper_audit_console(unsigned uid, const json_t *request, const char *role);

#endif
