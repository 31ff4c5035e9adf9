/*
 * Which archives of a run a request means.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_PICK_H
#define ELEXGATE_BACKUP_JOB_RESTORE_PICK_H

#include "backup/job/restore/restore.h"

/* Is the i-th one meant? Without types all of the run are, but for a dump of the database beside
 * its files: of two copies of one thing the files are the more complete one. */
bool restore_picked(const struct store_list *l, size_t i, const char *const *types);

/* *dump is the dump that is meant, or NULL when only folders are. EXIT_REFUSED when both are: a
 * dump goes in as SQL, folders are swapped, and no one step does both or neither. */
int restore_picked_dump(const struct store_list *l, const char *const *types,
    const struct store_item **dump, struct err *e) MUSTCHECK;

/* EXIT_INCONSISTENT, and why, when the archive is not whole. */
int restore_picked_whole(const struct store_item *it, const char *which, struct err *e) MUSTCHECK;

#endif
