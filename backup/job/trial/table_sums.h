/*
 * What a drill compares with: the number of rows and the checksum of every table, taken from the
 * running server in a thread of its own while its files are being copied.
 *
 * Tables that a snapshot does not cover (MyISAM, Aria, ...) are read first, while the lock stands;
 * InnoDB's are read in a consistent snapshot that is opened under the lock, and may go on after it
 * is released.
 */
#ifndef ELEXGATE_BACKUP_JOB_TRIAL_TABLE_SUMS_H
#define ELEXGATE_BACKUP_JOB_TRIAL_TABLE_SUMS_H

#include <jansson.h>
#include "backup/rules/manifest.h"
#include "backup/server/server.h"

struct table_sums;

struct table_sums_options {
    const char *schema; /* of this one alone; NULL = of all */
    bool rows_only;     /* for what comes back as text: no checksums, InnoDB alone is counted */
    bool history;       /* of a table WITH SYSTEM VERSIONING count its past rows as well */
    bool all;           /* for a drill: MEMORY tables too, which are empty after a start */
};

/* Connects, lists the tables, and opens each once: a reader's first look at a table without
 * persistent statistics writes to the log, which must not happen under the lock. */
int table_sums_open(const struct server_target *t, const char *program,
    const struct table_sums_options *o, struct table_sums **out, struct err *e) MUSTCHECK;
/* Lock held: opens the snapshot and starts the thread. */
int table_sums_start(struct table_sums *ts, struct err *e) MUSTCHECK;
/* True once all tables are read that need the lock. */
bool table_sums_locked_part_done(struct table_sums *ts);
/* True once all are read, or the thread gave up. */
bool table_sums_done(struct table_sums *ts, size_t *read, size_t *total);
/* Waits for the thread and adds the tables to the manifest. One that could not be read has rows -1
 * there, and is added to `broken` with the server's words (broken_tables.h); one that was dropped
 * meanwhile stands in the manifest's info, where it has some: {"dropped":{"schema.table":true}}. */
int table_sums_take(
    struct table_sums *ts, struct manifest *m, json_t *broken, struct err *e) MUSTCHECK;
/* Ends the thread's statement, waits for it, frees. NULL allowed. */
void table_sums_close(struct table_sums *ts);

/* For a drill: reads all tables of a server that nobody else uses, in this thread; go_on as for
 * archives. 1: stopped. */
int table_sums_read(struct server *s, const struct table_sums_options *o, struct manifest *m,
    json_t *broken, bool (*go_on)(void *ctx), void *ctx, struct err *e) MUSTCHECK;

#endif
