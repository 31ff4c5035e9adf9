/*
 * A restore from SQL text; see sql.c.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_SQL_H
#define ELEXGATE_BACKUP_JOB_RESTORE_SQL_H

#include "backup/job/restore/restore.h"

/* path: a file, also compressed, or "-" for standard input. Results of the run. Whatever goes
 * wrong, the live database is untouched or comes back as it was; afterwards the old data are kept
 * for `undo`, as those of any restore. */
int restore_sql(
    struct run *run, const char *path, const struct sql_options *o, struct err *e) MUSTCHECK;
/* The same from a dump archive of ours, by its name. It is read as a stream, twice. */
int restore_dump(struct run *run, const char *folder, const struct store_item *dump,
    const struct sql_options *o, struct err *e) MUSTCHECK;

#endif
