/*
 * Who may do what, on all of the server and on parts of it, by roles and for others: whoever runs a
 * text that others wrote, with all rights, looks before and afterwards.
 */
#ifndef ELEXGATE_BACKUP_JOB_BINLOG_RIGHTS_H
#define ELEXGATE_BACKUP_JOB_BINLOG_RIGHTS_H

#include "backup/server/server.h"

/* Of each table its checksum, which no setting of the session changes. Those of routines change
 * with them. */
#define RIGHTS 6
struct rights {
    uint64_t of[RIGHTS];
    size_t n;
};

int rights_look(struct server *s, struct rights *out, struct err *e) MUSTCHECK;
/* 1: they are not what they were. */
int rights_same(struct server *s, const struct rights *before, struct err *e) MUSTCHECK;

#endif
