/*
 * What is asked of a restore: one JSON object, from the page or the command line to the job. It is
 * read, and checked, here only.
 *
 *   {"action":"run","which":"2026-11-22-0315","types":["elexisdb"],"dry_run":true}
 *
 * A member that is null is as good as missing; unknown ones ("cmd", "follow", the control
 * protocol's own) are passed over.
 */
#ifndef ELEXGATE_BACKUP_RULES_RESTORE_REQUEST_H
#define ELEXGATE_BACKUP_RULES_RESTORE_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include "common/error.h"

#define RESTORE_TYPES_MAX 64

enum restore_action {
    RESTORE_DO_PLAN,
    RESTORE_DO_RUN,
    RESTORE_DO_SQL,
    RESTORE_DO_OPEN, /* for reading, for a while: the keeper asks, and names no place */
    RESTORE_DO_INTO,
    RESTORE_DO_SERVE,
    RESTORE_DO_UNDO,
    RESTORE_DO_ACCEPT,
    RESTORE_DO_RECOVER,
    RESTORE_DO_STATUS,
    /* one table, job/restore/rescue.h: compared, written, forgotten */
    RESTORE_DO_RESCUE,
    RESTORE_DO_WRITE_BACK,
    RESTORE_DO_DISCARD,
};

/* Who asks: the page names no path and no program; the keeper by itself also lets go of what was
 * kept for long enough. */
enum restore_asker { RESTORE_BY_PAGE, RESTORE_BY_KEEPER, RESTORE_BY_ROOT };

enum sql_names {
    SQL_NAMES_ASK,  /* refuse names that differ in upper and lower case only */
    SQL_NAMES_LIVE, /* such a table gets the name that it has in the live database */
    SQL_NAMES_FILE, /* as in the file */
};

/* What a person has decided about SQL text that is to be restored. */
struct sql_options {
    bool dry_run;
    bool accept_loss; /* tables that vanish or become empty were seen and agreed to */
    enum sql_names names;
};

struct binlog_way;

struct restore_request {
    json_t *json; /* holds the texts */
    enum restore_action action;
    /* One of the first three says what; NULL: not said. "which": latest, a run, an archive's path
     * or, of the old system, its name in the folder; "upload": by its name, comes on standard
     * input; "file": SQL text, "-" for standard input. */
    const char *which, *upload, *file;
    const char *types[RESTORE_TYPES_MAX + 1]; /* NULL-terminated; none = all of the run */
    bool dry_run, no_trial;
    bool foreign;             /* an archive without manifest is taken: job/restore/foreign.h */
    const char *recover_with; /* with foreign: a mariadbd that is started on the copy first */
    struct sql_options sql;
    /* job/restore/moment.h: as it was then, instead of as it was at the backup; NULL = that */
    const char *moment, *timeline;
    bool before;                 /* "before" in place of "to" */
    const char *folder, *socket; /* into, serve */
    bool expire; /* recover: what was kept for long enough goes; open: what a killed one left goes,
                    and nothing is opened */
    const char *table, *where; /* rescue: TABLE or DATABASE.TABLE; a condition of SQL */
    bool exact, rows;          /* rescue: also delete; tell contents */
    const char *id;            /* write_back: of what was compared */
    struct binlog_way *way;    /* the job's */
};

/* "run", ...; what it is called in requests and events. */
const char *restore_action_name(enum restore_action action);
/* -EINVAL: the member's name in the words. Texts are borrowed from out, which restore_request_clear
 * lets go of, after a failure too. */
int restore_request_read(const json_t *o, enum restore_asker asker, struct restore_request *out,
    struct err *e) MUSTCHECK;
void restore_request_clear(struct restore_request *q);
/* The members that are of it, in one line; malloc'ed. */
char *restore_request_text(const json_t *o) MUSTCHECK;

#endif
