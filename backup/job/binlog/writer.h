/*
 * One segment while it is written: bytes of the server's log, as they come, in a file of their own.
 * Each flush brings them to the disk and seals an index that says how far they go; what lies behind
 * that is nobody's word, and is fetched again after a crash. Nothing sealed is ever rewritten.
 *
 * A segment that is closed is compressed, encrypted where archives are, read back and compared, and
 * only then are the plain bytes removed.
 *
 * Thread-safe: one thread appends, another flushes.
 */
#ifndef ELEXGATE_BACKUP_JOB_BINLOG_WRITER_H
#define ELEXGATE_BACKUP_JOB_BINLOG_WRITER_H

#include "backup/job/binlog/catalog.h"
#include "backup/job/run.h"

struct binlog_writer;

/* Where it goes on; nothing is made before the first event comes. seed: timeline, reason, parent,
 * file, number, from, and before. previous: the index before it in its timeline, "" = none. */
int binlog_writer_begin(struct run *r, const struct binlog_segment *seed, const char *previous,
    struct binlog_writer **out, struct err *e) MUSTCHECK;
/* An open one goes on where its index ends. 1: its bytes are not what they were; EXIT_REFUSED: its
 * key is not here any more. */
int binlog_writer_resume(struct run *r, const struct binlog_item *item, struct binlog_writer **out,
    struct err *e) MUSTCHECK;
/* A whole event that was checked. 1: it cannot be run again. On an error nothing of it counts. */
int binlog_writer_append(struct binlog_writer *w, const uint8_t *event,
    const struct binlog_header *h, struct err *e) MUSTCHECK;
/* What was appended is safe when it returns. Nothing to do is success. */
int binlog_writer_flush(struct binlog_writer *w, struct err *e) MUSTCHECK;
/* file_ends: the server went on in another file. Gives the segment as it was closed and the digest
 * of its index; w is gone, whatever is returned. */
int binlog_writer_close(struct binlog_writer *w, bool file_ends, struct binlog_segment *out,
    char digest[static SHA256_HEX_LEN], struct err *e) MUSTCHECK;
/* Without closing: its file stays, to be resumed. NULL allowed. */
void binlog_writer_drop(struct binlog_writer *w);

/* Before anything is written: segments of older timelines that are open still are closed, and so
 * compressed and encrypted as the others; begins: those of the newest one too, as another timeline
 * begins. Bytes that have a closed index already go. What fails stays, and is noted. */
void binlog_writer_tidy(struct run *r, const struct binlog_catalog *c, bool begins);

/* A copy of what it holds by now. */
void binlog_writer_state(struct binlog_writer *w, struct binlog_segment *out);

#endif
