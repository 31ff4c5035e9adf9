/*
 * What the server has: whether its log can be followed, its files, and where we go on.
 */
#ifndef ELEXGATE_BACKUP_JOB_BINLOG_SOURCE_H
#define ELEXGATE_BACKUP_JOB_BINLOG_SOURCE_H

#include "backup/job/run.h"
#include "backup/rules/binlog_timeline.h"
#include "backup/server/server.h"

struct binlog_source {
    struct binlog_file *files;
    size_t n;
    struct binlog_decision decision;
    bool restored, has_parent; /* the data were exchanged; what they were then */
    struct binlog_place parent;
    int64_t restored_at; /* seconds since 1970 */
};

/* have: the last segment, NULL = none. -ENOTSUP with what to set on the server. */
int binlog_source_look(struct run *r, const struct binlog_segment *have, struct binlog_source *out,
    struct err *e) MUSTCHECK;
void binlog_source_clear(struct binlog_source *s);
/* The exchange was taken note of. */
void binlog_source_settled(const struct run *r);

#endif
