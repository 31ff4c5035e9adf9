/*
 * A copy of the live data directory in staging (root/new), made while everybody works, and what has
 * been written to the live one since.
 *
 * The first pass is made without any lock, then the fence is put up (fence.h), which makes way for
 * writers at once, and only what has changed is copied again. When writers never leave it the
 * moment that this takes, clients are blocked for it, in words, and let in again.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_LIVE_COPY_H
#define ELEXGATE_BACKUP_JOB_RESTORE_LIVE_COPY_H

#include "backup/job/restore/restore.h"

struct live_copy;

/* l must last as long as the copy. The folders are made (restore_make_staging). runs: the server
 * does; else its files are held against a start while they are copied. Results of the run. */
int live_copy_take(struct restore *r, const struct layout *l, bool runs, struct live_copy **out,
    struct err *e) MUSTCHECK;
void live_copy_drop(struct live_copy *c); /* NULL allowed */

/* Nobody can commit on the live server from here until it ends, or until *lock is closed, and its
 * files are complete. 1: this server cannot be told to write its files, so that any of them may
 * have changed. */
int live_copy_freeze(struct live_copy *c, struct server **lock, struct err *e) MUSTCHECK;
/* While it is frozen: does this file or folder of the data directory (NULL: any of it) differ from
 * the copied one? 0 no, 1 yes. */
int live_copy_changed(struct live_copy *c, const char *path, struct err *e) MUSTCHECK;

#endif
