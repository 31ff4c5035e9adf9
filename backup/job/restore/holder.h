/*
 * Who has the files of a data directory. A running MariaDB holds fcntl write locks on
 * aria_log_control and ibdata1, whatever its accounts say and whether or not its socket is there.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_HOLDER_H
#define ELEXGATE_BACKUP_JOB_RESTORE_HOLDER_H

#include <sys/types.h>
#include "common/error.h"

/* The two files, NULL-terminated. */
extern const char *const holder_files[];

/* The process that holds one of them; 0 = nobody; -1 = one that cannot be seen from here (another
 * container's, another machine's). */
pid_t holder_of(const char *datadir);
/* The same, once it is the same for so long: a server that is started in vain again and again lets
 * go in between, which is "nobody". */
pid_t holder_that_stays(const char *datadir, unsigned ms);
/* Asks that process to end, as SQL SHUTDOWN would (SIGTERM). 1: there is none to ask. */
int holder_end(const char *datadir, struct err *e) MUSTCHECK;

#endif
