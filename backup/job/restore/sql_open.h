/*
 * The text of an SQL file, whatever it is packed in: gzip, zstd, xz, bzip2, lz4; a tar or zip
 * archive that holds one SQL file; UTF-16. Told from the content, since a name may say anything and
 * an upload has none.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_SQL_OPEN_H
#define ELEXGATE_BACKUP_JOB_RESTORE_SQL_OPEN_H

#include "backup/job/run.h"

/* Reads `in`, which may be a pipe and is not closed, to its end and gives the text to put, in
 * pieces. name: for messages. Progress of the run: how much of a file has been read. Results of the
 * run; EXIT_INCONSISTENT: damaged, EXIT_REFUSED: nothing that can be opened, with what would help.
 */
int sql_open_read(struct run *r, int in, const char *name,
    int (*put)(void *ctx, const char *data, size_t n, struct err *e), void *ctx,
    struct err *e) MUSTCHECK;

#endif
