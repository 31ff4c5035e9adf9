/*
 * A segment that is complete: compressed, encrypted where archives are, read back, published; and
 * read again later. What lies in the archive is a gzip of the server's bytes, so that stock tools
 * make the server's file of it: zcat mysql-bin.000012-*.gz >mysql-bin.000012.
 */
#ifndef ELEXGATE_BACKUP_JOB_BINLOG_CLOSING_H
#define ELEXGATE_BACKUP_JOB_BINLOG_CLOSING_H

#include "backup/job/binlog/catalog.h"
#include "backup/job/binlog/open_file.h"
#include "backup/job/run.h"

/* file: is removed at last. s gets what it is then. */
int binlog_close_segment(struct run *r, const char *dir, const struct open_file *file,
    struct binlog_segment *s, char digest[static SHA256_HEX_LEN], struct err *e) MUSTCHECK;

/* The server's bytes of a segment, open or closed, one piece after the other; all of them were
 * compared with its SHA-256 when it returns 0. EXIT_INCONSISTENT: damaged; EXIT_REFUSED: no key;
 * -ENOENT: it is not there, or was closed since. */
typedef int binlog_bytes_fn(void *ctx, const uint8_t *data, size_t n, struct err *e);
int binlog_read_segment(const struct archive_settings *a, const struct binlog_catalog *c,
    const struct binlog_segment *s, binlog_bytes_fn *fn, void *ctx, struct err *e) MUSTCHECK;
/* A closed one is what was written; an encrypted one without a key as it lies there. */
int binlog_check_segment(const struct archive_settings *a, const struct binlog_catalog *c,
    const struct binlog_segment *s, struct err *e) MUSTCHECK;

#endif
