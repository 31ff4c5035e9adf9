/*
 * The time zone. The C library takes a name that it does not know for UTC and says nothing; backups
 * then run, and clients are told, an hour or two off.
 */
#ifndef ELEXGATE_COMMON_ZONE_H
#define ELEXGATE_COMMON_ZONE_H

#include "common/error.h"

/* Whether name, the value of TZ, is one that the C library knows: a file of $TZDIR
 * (/usr/share/zoneinfo) or a rule as in POSIX ("CET-1CEST,M3.5.0,M10.5.0/3"). -EINVAL, with the
 * name that may have been meant. */
int zone_check(const char *name, struct err *e) MUSTCHECK;

#endif
