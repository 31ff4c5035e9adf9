/*
 * The accounts that a restore needs: the keeper's own, and that of elexgate-proof. They lie in the
 * data that are exchanged; a backup of another machine or an archive of the old system has none, or
 * one with another password, and the restored server would let nobody in. So they are looked for in
 * the staged copy, and made there as they are now.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_ACCOUNTS_H
#define ELEXGATE_BACKUP_JOB_RESTORE_ACCOUNTS_H

#include <jansson.h>
#include "backup/job/method/layout_memory.h"
#include "backup/job/run.h"
#include "backup/job/trial/throwaway.h"

/* As the live server has them; *out: a new reference. s NULL: as the configuration has the
 * keeper's, from where it came when it was last seen (was). */
int restore_accounts_read(struct run *run, struct server *s, const struct layout_memory *was,
    json_t **out, struct err *e) MUSTCHECK;
/* Both: as they are now, or were, into the copy. */
int restore_accounts_put(
    struct run *run, const struct layout_memory *was, struct throwaway *t, struct err *e) MUSTCHECK;
/* In a throwaway server on the copy that asks nobody for a password. A note for each that was made.
 * No password is in any message. */
int restore_accounts_make(const struct backup_settings *b, const json_t *accounts, struct server *s,
    struct err *e) MUSTCHECK;

#endif
