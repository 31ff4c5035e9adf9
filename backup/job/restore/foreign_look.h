/*
 * What an unpacked archive of the old system tells of the server that it came from, and whether
 * this one can do anything with it.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_FOREIGN_LOOK_H
#define ELEXGATE_BACKUP_JOB_RESTORE_FOREIGN_LOOK_H

#include "backup/job/restore/site.h"
#include "backup/server/server.h"

#define FOREIGN_VERSION_LEN 24

/* "10.5.8": the newest server that this data directory tells of; "" when that is not known. */
const char *foreign_version(const char *datadir, char buf[static FOREIGN_VERSION_LEN]);
/* Before a server is started on it. EXIT_REFUSED with words: it is of a newer series, or its tables
 * have names that this server would not find. */
int foreign_fits(
    struct run *run, const char *datadir, const struct site *site, struct err *e) MUSTCHECK;
/* After a start in vain: replaces the words when the archive was taken of a running older server.
 * log: the trial server's. Returns true when it did. */
bool foreign_was_hot(const char *log, const char *datadir, struct err *e);

#endif
