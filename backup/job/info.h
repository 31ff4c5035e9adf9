/*
 * What is in a backup, and how it differs from another one or from what the server holds now: its
 * tables with their rows and newest records, as they were counted when it was made or drilled.
 */
#ifndef ELEXGATE_BACKUP_JOB_INFO_H
#define ELEXGATE_BACKUP_JOB_INFO_H

#include "backup/job/run.h"

/* info [WHICH] [--type TYPE] [--against now|RUN] [--foreign]
 *   {"event":"info","run","archives":[what `list` says of each, of the database also
 *     "tables":[{"table","rows","newest"}..], and with --against
 *     "difference":{"against","equal":N,"tables":[{"table","rows","other_rows","newest",
 *     "other_newest","change":"rows|content|missing|new"}..]}]}
 * rows null: they were not counted; newest null: the table does not tell. "other" is what it is
 * compared with, "new" is only there. */
int job_info(struct run *r, int argc, char **argv, struct err *e) MUSTCHECK;

#endif
