/*
 * gzip, deflated in parallel.
 *
 * The input is cut into blocks of up to 1 MiB; each becomes a gzip member of its own (RFC 1952), so
 * that any gzip reads the file as one stream, a damaged place costs one block, and our own reader
 * inflates in parallel: each member's header says in an extra field ("EG", 4 bytes, little endian)
 * how long the member is. Each member carries its own CRC-32 and length.
 *
 * Threads: the caller fills blocks, workers deflate them, one writer hands them on in order.
 * Memory: (2 × threads + 2) blocks in and out, at most about 36 MB.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_GZIP_WRITE_H
#define ELEXGATE_BACKUP_ARCHIVE_GZIP_WRITE_H

#include <stdbool.h>
#include "backup/archive/deflate.h"
#include "backup/archive/stream.h"

#define GZIP_BLOCK_MAX   (1024 * 1024)
#define GZIP_HEADER      20 /* with the extra field */
#define GZIP_TRAILER     8
#define GZIP_MEMBER_MAX  (GZIP_BLOCK_MAX + 4096) /* stored blocks at worst */
#define GZIP_THREADS_MAX 32
#define GZIP_STOPPED     1

struct gzip_writer;

/* sink stays the caller's and is used from the writer's thread until finish or drop. threads 0 =
 * one a processor. go_on is asked while waiting; no = GZIP_STOPPED. */
struct gzip_writer *gzip_write_open(struct sink *sink, const struct deflate_backend *backend,
    int level, unsigned threads, bool (*go_on)(void *ctx), void *ctx) MUSTCHECK;
/* As the first thing: room for n bytes (at most 8192) that are known only at the end. */
int gzip_write_reserve(struct gzip_writer *w, size_t n, struct err *e) MUSTCHECK;
int gzip_write_data(struct gzip_writer *w, const void *data, size_t len, struct err *e) MUSTCHECK;
/* Hands on everything, fills in what was reserved (NULL if nothing), ends the threads. */
int gzip_write_finish(struct gzip_writer *w, const void *reserved, struct err *e) MUSTCHECK;
uint64_t gzip_write_in(const struct gzip_writer *w); /* bytes taken */
uint64_t gzip_write_out(struct gzip_writer *w);      /* bytes handed on */
void gzip_write_drop(struct gzip_writer *w);         /* NULL allowed; ends the threads */

#endif
