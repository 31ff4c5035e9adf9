/*
 * Archives of the old system: a tar.gz without manifest, with or without a leading folder. Nothing
 * is known about them, so the trial start in staging is the only proof.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_FOREIGN_H
#define ELEXGATE_BACKUP_JOB_RESTORE_FOREIGN_H

#include "backup/job/restore/restore.h"

/* What is asked for: run_find, or, with q->foreign and a path that has no manifest beside it, a
 * list of one item whose run is "". */
int restore_find(struct run *run, const struct restore_request *q, struct store_list *out,
    struct err *e) MUSTCHECK;
static inline bool restore_is_foreign(const struct store_item *it)
{
    return !it->run[0];
}
/* Bytes that may be unpacked beneath root: what is free there, less a reserve. */
uint64_t restore_foreign_limit(const char *root);
/* The data directory may lie in a folder of the archive: its entries come up into root/name. */
int restore_foreign_flatten(const char *root, const char *name, struct err *e) MUSTCHECK;

#endif
