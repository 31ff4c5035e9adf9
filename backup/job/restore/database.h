/*
 * The server is stopped while its files change places, held against a start, started and looked at.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_DATABASE_H
#define ELEXGATE_BACKUP_JOB_RESTORE_DATABASE_H

#include "backup/job/restore/restore.h"

/* What must be known before anything is stopped: commands are set. EXIT_REFUSED with words. */
int restore_database_ready(struct run *run, struct err *e) MUSTCHECK;
/* Before anybody is blocked: the server writes its changed pages, so that it has few left to write
 * when it is stopped. That it does not is no reason to give up. */
void restore_database_flush(struct restore *r);
/* Stops the server and takes its files' locks in both folders, which no server starts against. */
int restore_database_stop(struct restore *r, struct err *e) MUSTCHECK;
/* While they are held: nobody has opened what leaves the live folder for this side. -EBUSY. */
int restore_database_untouched(const struct restore *r, bool to_new, struct err *e) MUSTCHECK;
void restore_database_unlock(struct restore *r);
/* Starts it and waits until it answers. -EACCES: it runs, and does not let the keeper in. */
int restore_database_start(struct restore *r, struct err *e) MUSTCHECK;
/* Before the exchange: the side that comes is of this server's series. EXIT_REFUSED with words. */
int restore_database_same_series(struct restore *r, bool to_new, struct err *e) MUSTCHECK;
/* For going back: as it was before, and that may have been badly. */
int restore_database_start_again(struct restore *r, struct err *e) MUSTCHECK;
/* Before the block: does it run, and which tables of the live side cannot be opened. */
void restore_database_remember(struct restore *r);
/* Every table of that side can be opened that could be opened before. */
int restore_database_check(struct restore *r, bool new_side, struct err *e) MUSTCHECK;

#endif
