/*
 * A restore from SQL text; see sql.c.
 */
#ifndef ELEXGATE_BACKUP_RESTORE_SQL_H
#define ELEXGATE_BACKUP_RESTORE_SQL_H

#include "backup/restore/restore.h"

/* path: a file, also .gz or .zst, or "-" for standard input. Results of the run: EXIT_REFUSED and
 * EXIT_INCONSISTENT before anything was changed; any failure after the block brings the safety dump
 * back. */
int restore_sql(struct run *run, const char *path, bool dry_run, struct err *e) MUSTCHECK;
/* The same from a dump archive of ours, by its name. It is read as a stream, twice. */
int restore_dump(struct run *run, const char *folder, const struct store_item *dump, bool dry_run,
    struct err *e) MUSTCHECK;
/* For recover: brings the safety dump that the journal names back and opens. */
int restore_sql_undo(struct restore *r, struct err *e) MUSTCHECK;

#endif
