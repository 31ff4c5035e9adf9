/*
 * How many rows each table has in the very snapshot that a dump is made from, counted beside it:
 * what came back can then be compared with what was there, whatever the dump program wrote.
 *
 * For the moment in which both snapshots are opened nobody commits (BACKUP STAGE BLOCK_COMMIT, what
 * mariadb-backup uses); statements go on, and whoever commits waits for some tenths of a second.
 */
#ifndef ELEXGATE_BACKUP_JOB_METHOD_DUMP_ROWS_H
#define ELEXGATE_BACKUP_JOB_METHOD_DUMP_ROWS_H

#include "backup/rules/manifest.h"
#include "backup/server/server.h"

struct dump_rows;

/* Before the dump program starts: nobody commits from here on, for at most some seconds. history:
 * the dump has the past rows of tables WITH SYSTEM VERSIONING. Negative: they cannot be counted,
 * for instance because the server is none that knows BACKUP STAGE. */
int dump_rows_begin(const struct server_target *t, const char *database, bool history,
    struct dump_rows **out, struct err *e) MUSTCHECK;
/* Waits until the dump program has its snapshot, which it has at the latest when begun says so,
 * lets commits through and starts to count. NULL allowed. */
int dump_rows_go(struct dump_rows *d, bool (*begun)(void *ctx), void *ctx, struct err *e) MUSTCHECK;
/* Waits while go_on says yes and adds the tables to the manifest, in place of those there. 1:
 * stopped. */
int dump_rows_take(struct dump_rows *d, struct manifest *m, bool (*go_on)(void *ctx), void *ctx,
    struct err *e) MUSTCHECK;
void dump_rows_close(struct dump_rows *d); /* NULL allowed */

#endif
