/*
 * The server's own log files in its data directory: the error log, audit, general and slow logs,
 * whatever plugin writes them and whatever they are called. They grow while everything else is held
 * still, and are no data.
 */
#ifndef ELEXGATE_BACKUP_JOB_METHOD_LAYOUT_LOGS_H
#define ELEXGATE_BACKUP_JOB_METHOD_LAYOUT_LOGS_H

#include "backup/job/method/layout.h"

/* Adds them to l->skip, with the pid file and the socket. What the server has open for appending is
 * asked of /proc; where that is not allowed or not reachable (a server in a container, an account
 * of our own), the server's variables tell. server_datadir: as the server sees it. */
int layout_logs_find(
    struct server *s, const char *server_datadir, struct layout *l, struct err *e) MUSTCHECK;

/* The server's log tables (log_output=TABLE), whose files grow too: they belong to the data, and
 * what was written until they are read is taken. path: relative to the data directory. */
bool layout_logs_is_table(const char *path);

#endif
