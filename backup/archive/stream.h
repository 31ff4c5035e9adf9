/*
 * Where bytes go to and come from: a file, or a file behind encryption.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_STREAM_H
#define ELEXGATE_BACKUP_ARCHIVE_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "common/error.h"

/* Takes bytes in order. */
struct sink {
    int (*write)(struct sink *s, const void *data, size_t len, struct err *e);
    /* Puts other bytes over the first len bytes; once, after everything was written, at most
     * SINK_REWRITE_MAX bytes (a plain file takes any length). */
    int (*rewrite)(struct sink *s, const void *data, size_t len, struct err *e);
    /* No more bytes come: everything is handed on to the file. Not the fsync. */
    int (*finish)(struct sink *s, struct err *e);
    void (*drop)(struct sink *s);
};
#define SINK_REWRITE_MAX 16384

/* Gives bytes in order: how many (0 = end) or a negative error. */
struct source {
    ssize_t (*read)(struct source *s, void *buf, size_t len, struct err *e);
    void (*drop)(struct source *s);
};
/* Reads until len or the end; how many, or a negative error. */
ssize_t source_fill(struct source *s, void *buf, size_t len, struct err *e) MUSTCHECK;

/* Writes to fd from its present offset (0); keeps the page cache of others by starting write-back
 * early. Does not own fd. name stands in messages and must outlive the sink. */
struct sink *sink_file(int fd, const char *name);
/* SHA-256 (32 bytes) of what was written, and how much; the hash is of no use after a rewrite. */
uint64_t sink_file_totals(struct sink *s, uint8_t sha256[static 32]);

/* Reads fd from its present offset. Does not own fd. */
struct source *source_file(int fd, const char *name);
uint64_t source_file_totals(struct source *s, uint8_t sha256[static 32]);

#endif
