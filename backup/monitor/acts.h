/*
 * What a job would do, as the request that a person confirmed: the monitor puts that together anew
 * from what it is about to start, and looks up in link/rights.h whether it must be confirmed.
 */
#ifndef ELEXGATE_BACKUP_MONITOR_ACTS_H
#define ELEXGATE_BACKUP_MONITOR_ACTS_H

#include <jansson.h>
#include "backup/monitor/monitor.h"
#include "common/error.h"

/* The request that this job answers, a new reference; NULL: one of a kind that nobody confirms.
 * told: what the job is to read, NULL = nothing. q as kind_words has taken it. */
json_t *act_of(const struct monitor_request *q, json_t *told) MUSTCHECK;
/* What a descriptor of the keeper's holds, for a kind that is told a request (INPUT_TOLD): *told, a
 * new reference, and in its place *copy, of the caller, which nobody can change any more. */
int act_read(int given, json_t **told, int *copy, struct err *e) MUSTCHECK;
/* 0: it may be started now; a grant that it needed is used up, and stands in the audit log.
 * -EPERM: nobody confirmed it. */
int act_allowed(const struct monitor_request *q, json_t *told, struct err *e) MUSTCHECK;

#endif
