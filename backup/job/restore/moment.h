/*
 * A restore to a moment (docs/pitr.md): the backup before it is staged as in any restore, then what
 * the archived binary log has from there on is run on the copy, while everybody works. To the
 * latest moment, the rest is caught up once clients are out.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_MOMENT_H
#define ELEXGATE_BACKUP_JOB_RESTORE_MOMENT_H

#include "backup/job/binlog/point.h"
#include "backup/job/restore/restore.h"
#include "backup/job/restore/site.h"

/* The way to q->moment; q->which and q->types become the backup that it begins with. The caller
 * clears the way. */
int moment_find(
    struct run *run, struct restore_request *q, struct binlog_way *way, struct err *e) MUSTCHECK;
/* On a copy that lies in datadir; scratch beside it. site: the accounts that the restore needs are
 * put in as well; NULL = none are. */
int moment_replay(struct run *run, struct binlog_way *way, const struct store_item *it,
    const char *manifest, const char *datadir, const char *scratch, const struct site *site,
    struct err *e) MUSTCHECK;
/* Clients are out and the server still runs: what it wrote since is caught up
 * (restore.before_stop); ctx: the request. EXIT_REFUSED: it runs, and its log is not the archived
 * one, so that what it wrote would be lost. */
int moment_catch_up(struct restore *r, void *ctx, struct err *e) MUSTCHECK;

/* Where the data of a backup stand in the archived log; timeline 0 = not known. */
void moment_place_of(struct run *run, const struct manifest *m, struct binlog_place *out);
/* Folders have changed places: the stream begins a new timeline. NULL: they went back. */
int moment_mark(const struct restore *r, const struct binlog_place *place, struct err *e) MUSTCHECK;

#endif
