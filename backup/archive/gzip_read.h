/*
 * gzip, inflated in parallel where the members say how long they are (gzip_write.h), else by one
 * thread. CRC-32 and length of every member are checked; what follows the last member but is no
 * member is damage (zeros behind a foreign archive are allowed, as gzip(1) allows them).
 *
 * Memory: as for writing. A member of ours holds at most GZIP_BLOCK_MAX bytes; one that claims more
 * is damage, so that no header can ask for memory.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_GZIP_READ_H
#define ELEXGATE_BACKUP_ARCHIVE_GZIP_READ_H

#include "backup/archive/deflate.h"
#include "backup/archive/gzip_write.h"
#include "backup/archive/stream.h"

#define GZIP_READ_END     1
#define GZIP_READ_DAMAGED 2

struct gzip_reader;

/* source stays the caller's and is used on the caller's thread. threads 0 = one a processor. */
struct gzip_reader *gzip_read_open(
    struct source *source, const struct inflate_backend *backend, unsigned threads) MUSTCHECK;
/* The next bytes, valid until the next call. 0, GZIP_READ_END, GZIP_READ_DAMAGED with the place in
 * e, or a negative error of the source. */
int gzip_read_next(
    struct gzip_reader *r, const uint8_t **data, size_t *len, struct err *e) MUSTCHECK;
void gzip_read_drop(struct gzip_reader *r); /* NULL allowed */

#endif
