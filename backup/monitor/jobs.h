/*
 * The jobs that the monitor has started: what they read, what rights they have, how they ended.
 */
#ifndef ELEXGATE_BACKUP_MONITOR_JOBS_H
#define ELEXGATE_BACKUP_MONITOR_JOBS_H

#include "backup/monitor/monitor.h"
#include "common/config.h"

/* given: a descriptor that came with the request, -1 = none; stays the caller's. *said: what the
 * job prints can be read there; the caller closes it. */
int jobs_start(const struct monitor_request *q, const struct config *c, const char *config_path,
    int given, pid_t *pid, int *said, struct err *e) MUSTCHECK;
/* -ESRCH: it has ended, or was never begun. */
int jobs_stop(uint32_t job, struct err *e) MUSTCHECK;
/* One that has ended, reaped; false: none. */
bool jobs_reap(struct monitor_event *out);
/* SIGTERM to those that do not last, and some time for their end. */
void jobs_end(void);

/* Once, as root: the monitor keeps what its own acts need, its jobs may have what kinds.c says.
 * False with words: jobs cannot be held to less than we have. */
/* False: jobs have more than their kind needs (no CAP_SETPCAP). */
bool jobs_bound(void);
bool jobs_rights_begin(struct err *e) MUSTCHECK;

#endif
