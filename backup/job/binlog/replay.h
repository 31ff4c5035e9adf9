/*
 * Archived transactions run again, on a copy of the data that nobody else uses, in a throwaway
 * server in its sandbox. Event by event over one connection, not through mariadb-binlog and the
 * client: what was logged reaches the server as one packet a statement, so that nothing in it can
 * be taken for another one, and an error can name the event.
 *
 * Row events go in as BINLOG statements, DDL as the statements that they were, each in the session
 * settings that it was given in.
 */
#ifndef ELEXGATE_BACKUP_JOB_BINLOG_REPLAY_H
#define ELEXGATE_BACKUP_JOB_BINLOG_REPLAY_H

#include "backup/job/binlog/point.h"
#include "backup/job/trial/throwaway.h"

struct binlog_copy {
    const char *type;              /* for the progress */
    const char *datadir, *scratch; /* as in throwaway.h */
    /* In the server, when all is done; NULL = nothing. */
    int (*done)(void *ctx, struct throwaway *t, struct err *e);
    void *ctx;
};
struct binlog_replayed {
    uint64_t groups, statements, rows_events;
    uint32_t last;           /* time of the last transaction */
    struct binlog_gtid gtid; /* and its id */
    json_t *left_out; /* {"schema.table": changes} of rows that the backup lacks (stand_in.h);
                         binlog_replay has told them; NULL = none */
    bool stopped;     /* the point was reached, and there would be more */
};

/* All spans of the way, up to its point; w->reached moves along. EXIT_INCONSISTENT: an event could
 * not be run; the copy is then worth nothing, and the words name file, position, time and kind. */
int binlog_replay(struct run *r, struct binlog_way *w, const struct binlog_copy *copy,
    struct binlog_replayed *out, struct err *e) MUSTCHECK;

#endif
