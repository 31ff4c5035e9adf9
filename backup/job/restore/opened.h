/*
 * A backup, or a moment, opened for reading from the page: unpacked into a folder of ours, served
 * to root of this machine for [restore] open_for, and gone without a trace.
 *
 *   PLACE/opened/RUN/          while it is open; PLACE: [drill] scratch, else [backup] state_dir
 *   PLACE/opened/RUN/.held     locked for so long: a folder in which it is not was left by a killed
 *                              job, and the next one removes it
 *   PLACE/opened/RUN/data      into.h
 *   PLACE/opened/RUN/socket    of the server, for root only
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_OPENED_H
#define ELEXGATE_BACKUP_JOB_RESTORE_OPENED_H

#include "backup/job/restore/restore.h"

/* Until the time is over or the job is told to stop: 0. With q->expire nothing is opened, and what
 * killed ones left goes. EXIT_BUSY when it is open already; else as restore_into and restore_serve,
 * whose events it tells. Without types it is the database alone. */
int restore_open(struct run *run, struct restore_request *q, struct err *e) MUSTCHECK;

#endif
