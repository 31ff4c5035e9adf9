/*
 * `elexgate schedule`: the next runs, in words and times.
 */
#ifndef ELEXGATE_BACKUP_JOB_COMMAND_SCHEDULE_H
#define ELEXGATE_BACKUP_JOB_COMMAND_SCHEDULE_H

#include <jansson.h>
#include "common/config.h"

/* [--count N] [--from ISO] ["M H D M W"]; without an expression the configured ones. Fills `last`
 * with
 * {"schedules":[{"what","schedule","words","next":[{"utc","local"}…]}…],"zone":…}; after
 * a mistake in a schedule "field" too. Returns an exit code. */
int command_schedule(
    const struct config *c, int argc, char **argv, json_t *last, struct err *e) MUSTCHECK;

#endif
