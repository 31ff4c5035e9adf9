/*
 * SQL text becomes a data directory: read into a copy of the live one, in a throwaway server that
 * nobody can reach, while everybody works. Used by sql.c.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_SQL_STAGE_H
#define ELEXGATE_BACKUP_JOB_RESTORE_SQL_STAGE_H

#include "backup/job/restore/carry.h"
#include "backup/job/restore/inventory.h"
#include "backup/job/restore/site.h"
#include "backup/job/restore/sql.h"
#include "backup/job/restore/sql_text.h"

struct sql_stage {
    struct run *run;
    const char *database;
    const struct sql_options *options;
    struct sql_text text;
    bool beside; /* the files are out of reach (beside.h) */
    bool fresh;  /* into a new installation (sql_fresh.h) */
    struct site site;
    struct live_copy *copy;
    struct carry carry;
    struct inventory before, after;
    json_t *difference; /* inventory_loss, and "dangling": foreign keys of other databases */
};

/* r: new, with its journal's path. Stages its one part, up to the swap; before_stop is set. */
int sql_stage(struct sql_stage *q, struct restore *r, struct err *e) MUSTCHECK;
void sql_stage_clear(struct sql_stage *q);

/* What the new database is like, as CREATE DATABASE says it: as it was when a dump of ours was
 * made; of other text, as the present one is. malloc'ed. */
int sql_stage_like(struct sql_stage *q, struct server *s, char **clause, struct err *e) MUSTCHECK;

/* What is compared, whichever way the text comes in; s holds the new database. EXIT_REFUSED with
 * words when the loss is grave and nobody has accepted it, or when the tables' names differ from
 * the present ones in upper and lower case only. Event "difference". */
int sql_stage_judge(
    struct sql_stage *q, struct server *s, const char *database, struct err *e) MUSTCHECK;

#endif
