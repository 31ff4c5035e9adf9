/*
 * The text of a dump, wherever it comes from, on its way into the server. Used by sql.c.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_SQL_TEXT_H
#define ELEXGATE_BACKUP_JOB_RESTORE_SQL_TEXT_H

#include "backup/archive/store.h"
#include "backup/rules/sql_scan.h"
#include "backup/job/run.h"

struct sql_text {
    struct run *run; /* set this, and spool = -1 */
    char *name;      /* where it comes from, for messages; NULL: standard input */
    int spool;       /* a person's file, decompressed, without a name, on a disk of ours */
    const struct store_item *item; /* an archive of ours, borrowed; NULL = a person's file */
    char *manifest;
    struct sql_scan scan;
};

/* path: a file, also packed (sql_open.h), or "-" for standard input. Reads it all and fills scan.
 */
int sql_text_from_file(
    struct sql_text *t, const char *path, const char *database, struct err *e) MUSTCHECK;

/* An archive of ours in a folder; nothing is read yet. */
void sql_text_from_archive(struct sql_text *t, const char *folder, const struct store_item *it);
/* Reads the archive through, compared with its manifest, and fills scan. */
int sql_text_scan(struct sql_text *t, const char *database, struct err *e) MUSTCHECK;

/* All of it into one database, as import_sql does (import.h). */
int sql_text_import(const struct sql_text *t, const char *phase, const struct server_target *target,
    const char *database, struct err *e) MUSTCHECK;

/* Of the text, decompressed. */
uint64_t sql_text_bytes(const struct sql_text *t);

void sql_text_clear(struct sql_text *t);

#endif
