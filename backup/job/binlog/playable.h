/*
 * Whether an event can be run again, as far as its own bytes say. The stream asks it of what it
 * archives, so that a backup is made behind what cannot; the replay stops at the same.
 */
#ifndef ELEXGATE_BACKUP_JOB_BINLOG_PLAYABLE_H
#define ELEXGATE_BACKUP_JOB_BINLOG_PLAYABLE_H

#include "backup/rules/binlog_query.h"

/* A statement, inflated where it was compressed; then *inflated holds its text, malloc'ed. n
 * without the CRC. -EBADMSG; -ENOTSUP: it is not run again, as binlog_query_check says. *out may be
 * filled in all the same: its text is "" where it was not understood. */
int binlog_statement_read(uint8_t type, const uint8_t *event, size_t n, struct binlog_query *out,
    char **inflated, struct err *e) MUSTCHECK;

/* As binlog_statement_read, of any event. kind: "LOAD DATA", "GRANT SELECT", for people; "" = none
 * is known. */
int binlog_playable(const struct binlog_header *h, const uint8_t *event, size_t n,
    char kind[static BINLOG_KIND_LEN], struct err *e) MUSTCHECK;

#endif
