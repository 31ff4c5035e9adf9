/*
 * A point in time, and the way there: which backup, and which stretches of the archived log.
 */
#ifndef ELEXGATE_BACKUP_JOB_BINLOG_POINT_H
#define ELEXGATE_BACKUP_JOB_BINLOG_POINT_H

#include "backup/archive/store.h"
#include "backup/job/binlog/events.h"

enum binlog_point_kind {
    BINLOG_LATEST, /* everything that there is */
    BINLOG_TIME,   /* as it was when that second began */
    BINLOG_UPTO,   /* with that transaction, and nothing after it */
    BINLOG_BEFORE, /* without it */
    BINLOG_PLACE,  /* up to a place in the log */
};
struct binlog_point {
    enum binlog_point_kind kind;
    uint32_t time;
    struct binlog_gtid gtid;
    uint32_t timeline; /* 0 = the newest that has it */
    struct binlog_place place;
};

/* "latest", "2026-11-30 14:32:07" in local time or with a zone (RFC 3339), or a GTID; before: the
 * last one without itself. timeline: a number, NULL = any. -EINVAL with words; -EDOM with words of
 * the catalogue: a local time that comes twice or never. */
int binlog_point_parse(const char *text, bool before, const char *timeline,
    struct binlog_point *out, struct err *e) MUSTCHECK;

struct binlog_way {
    struct binlog_point point;
    struct binlog_catalog catalog;
    struct binlog_span *spans; /* in the order in which they are run: one for each restore since */
    size_t n;
    char run[RUN_SUFFIX_LEN]; /* of the backup that it begins with */
    bool proven;
    /* of the server that the backup is of, as its manifest says: binlog_way_server */
    uint32_t page_size;
    int lower_case_table_names;
    json_t *settings;            /* may be NULL */
    json_t *missing;             /* that it lacks, as layout_missing has them; may be NULL */
    struct binlog_place reached; /* how far a copy is: behind the last whole transaction */
};

/* which: the backup to begin with; NULL = the newest proven one before the point. EXIT_REFUSED when
 * nothing leads there, with what is missing. */
int binlog_way_find(struct run *r, const struct binlog_point *p, const char *which,
    struct binlog_way *out, struct err *e) MUSTCHECK;
void binlog_way_clear(struct binlog_way *w);
void binlog_way_server(struct binlog_way *w, const struct manifest *m);

/* A backup that the log can be run on, whatever is known of it beside. */
bool binlog_can_begin(const struct store_item *it);

/* Where a backup stands in a timeline; false: not in this one. */
bool binlog_place_in(const struct binlog_catalog *c, const struct manifest *m, uint32_t timeline,
    struct binlog_place *out);

/* The first event in that timeline that cannot be run again, from a place on and before another
 * one; NULL: from its beginning, to its end. NULL: there is none. */
const struct binlog_segment *binlog_stop_between(const struct binlog_catalog *c, uint32_t timeline,
    const struct binlog_place *from, const struct binlog_place *to);

/* Whether a transaction that begins here lies behind the point. */
bool binlog_point_passed(const struct binlog_point *p, const struct binlog_group *g, uint32_t when);

#endif
