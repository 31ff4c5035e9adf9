/*
 * What a server with log_bin_compress has compressed in an event: a byte with the length's length,
 * the length, most significant byte first, and what zlib made.
 */
#ifndef ELEXGATE_BACKUP_JOB_BINLOG_INFLATE_H
#define ELEXGATE_BACKUP_JOB_BINLOG_INFLATE_H

#include <stddef.h>
#include <stdint.h>
#include "common/error.h"

/* *out: malloc'ed, of *len bytes. what: of the message. -EBADMSG. */
int binlog_inflate(const uint8_t *p, size_t n, const char *what, uint8_t **out, size_t *len,
    struct err *e) MUSTCHECK;

#endif
