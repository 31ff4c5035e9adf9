/*
 * The server's binary log as it comes over a connection, event by event, byte for byte: a replica's
 * side of the protocol, by libmariadb.
 *
 * One thread. A server that says nothing for three heartbeats is gone.
 */
#ifndef ELEXGATE_BACKUP_SERVER_BINLOG_CLIENT_H
#define ELEXGATE_BACKUP_SERVER_BINLOG_CLIENT_H

#include "backup/rules/binlog_event.h"
#include "backup/rules/server_target.h"

struct binlog_client;

struct binlog_client_options {
    const struct server_target *target;
    const char *file;
    uint64_t position;  /* where an event begins; BINLOG_MAGIC_SIZE = the first */
    uint32_t server_id; /* ours: one that no replica has */
    bool semi_sync; /* the server waits with each commit until it is acknowledged; not over TLS */
    unsigned heartbeat_ms;
    bool once; /* ends at the end of the log instead of waiting */
};

/* -EACCES: a grant is missing; -ENOTSUP: a log that cannot be followed; -EPIPE: no server. */
int binlog_client_open(
    const struct binlog_client_options *o, struct binlog_client **out, struct err *e) MUSTCHECK;
/* The next event, valid until the next call; artificial ones and heartbeats too. 1: the end (only
 * with once). -EPIPE: the connection is gone; -ENOENT: the server has no such file or position. */
int binlog_client_next(
    struct binlog_client *c, const uint8_t **event, size_t *n, struct err *e) MUSTCHECK;
/* A commit waits until the event that came last, and all before it, are acknowledged. */
bool binlog_client_awaited(const struct binlog_client *c);
/* position: behind that event. -EPIPE and others: the connection is gone. */
int binlog_client_acknowledge(
    struct binlog_client *c, const char *file, uint64_t position, struct err *e) MUSTCHECK;
void binlog_client_close(struct binlog_client *c); /* NULL allowed */

/* When a file of the server's was begun, by its format event. -ENOENT: there is no such file. */
int binlog_client_created(const struct server_target *t, uint32_t server_id, const char *file,
    uint32_t *created, struct err *e) MUSTCHECK;

#endif
