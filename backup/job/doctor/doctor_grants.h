/*
 * What the keeper's account must be allowed to do, and from where it comes.
 */
#ifndef ELEXGATE_BACKUP_JOB_DOCTOR_DOCTOR_GRANTS_H
#define ELEXGATE_BACKUP_JOB_DOCTOR_DOCTOR_GRANTS_H

#include "backup/rules/settings.h"

/* NULL-terminated; exactly what is used: RELOAD for the lock and the flushes, PROCESS for the sign
 * of a waiting writer and INNODB_TRX, SUPER for the settings, SELECT for checksums and dumps,
 * SHUTDOWN and CONNECTION ADMIN for a restore, the rest for mariadb-dump. */
extern const char *const doctor_grants[];
/* "SELECT, RELOAD, ...", malloc'ed. */
char *doctor_grants_list(void) MUSTCHECK;
/* The host part of an account that comes from here. */
const char *doctor_grants_host(const struct backup_settings *s);

#endif
