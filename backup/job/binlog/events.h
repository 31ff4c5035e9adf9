/*
 * The archived log read back: event by event, over as many segments as it takes.
 */
#ifndef ELEXGATE_BACKUP_JOB_BINLOG_EVENTS_H
#define ELEXGATE_BACKUP_JOB_BINLOG_EVENTS_H

#include "backup/job/binlog/catalog.h"
#include "backup/job/run.h"

struct binlog_event {
    const struct binlog_segment *segment;
    uint64_t position; /* in the server's file, where it begins */
    struct binlog_header h;
    const uint8_t *data; /* h.length bytes, as in the file */
    size_t n;            /* without the checksum */
};
#define BINLOG_ENOUGH                                                                              \
    1000 /* no exit code; of fn: the rest is not wanted; then also of binlog_events */
typedef int binlog_event_fn(void *ctx, const struct binlog_event *ev, struct err *e);

/* From a place on to another one, both of one timeline. A file's format event comes first whatever
 * the place is. */
struct binlog_span {
    struct binlog_place from; /* file "": the timeline's beginning */
    struct binlog_place to;   /* file "": its end */
};
/* Results of the run: EXIT_INCONSISTENT when a segment is missing or damaged, with its name. A
 * segment's SHA-256 is known to be right only when it returns: until then what was given may be
 * anybody's. BINLOG_ENOUGH, too, comes once the segment was read to its end and is right. */
int binlog_events(struct run *r, const struct binlog_catalog *c, const struct binlog_span *span,
    binlog_event_fn *fn, void *ctx, struct err *e) MUSTCHECK;
/* How many bytes that are. */
uint64_t binlog_span_bytes(const struct binlog_catalog *c, const struct binlog_span *span);
/* The end of what a timeline has; false: it has nothing. */
bool binlog_timeline_end(
    const struct binlog_catalog *c, uint32_t timeline, struct binlog_place *out);
/* <0, 0, >0; of one timeline. */
int binlog_place_compare(const struct binlog_place *a, const struct binlog_place *b);
/* For messages: "mysql-bin.000012 at 4711 (2026-11-30 14:32:07, rows)", in local time. */
#define BINLOG_WHERE_LEN (BINLOG_NAME_MAX + 120)
const char *binlog_where(const char *file, uint64_t position, uint32_t when, const char *what,
    char buf[static BINLOG_WHERE_LEN]);
const char *binlog_event_where(const struct binlog_event *ev, char buf[static BINLOG_WHERE_LEN]);

#endif
