/*
 * What the service manager is told (sd_notify(3)). Where there is none, or without libsystemd,
 * nothing happens. A library of its own, so that only the services need libsystemd.
 */
#ifndef ELEXGATE_COMMON_SYSTEMD_H
#define ELEXGATE_COMMON_SYSTEMD_H

#include <stdint.h>

void systemd_tell(const char *state); /* "READY=1" */
/* How often "WATCHDOG=1" is to be told at least, in ms; 0 = never. */
uint64_t systemd_watchdog_ms(void);

#endif
