/*
 * What the keeper's account must be allowed to do, and from where it comes.
 */
#ifndef ELEXGATE_BACKUP_JOB_DOCTOR_DOCTOR_GRANTS_H
#define ELEXGATE_BACKUP_JOB_DOCTOR_DOCTOR_GRANTS_H

#include "backup/rules/settings.h"
#include "backup/server/server.h"

/* NULL-terminated; exactly what is used: RELOAD for the lock and the flushes, PROCESS for the sign
 * of a waiting writer and INNODB_TRX, SUPER for the settings, SELECT for checksums and dumps,
 * SHUTDOWN and CONNECTION ADMIN for a restore, SET USER for SQL with definers of others in a
 * database beside the live one (before MariaDB 11 SUPER allowed that), REPLICATION SLAVE and BINLOG
 * MONITOR where [binlog] archive says yes, the rest for mariadb-dump. version: the server's, of
 * which the product tells what its rights are called; NULL: a MariaDB. */
const char *const *doctor_grants(const struct config *c, const char *version);
/* Those of needed (NULL-terminated, GRANTS_MAX at most) that this connection has not, its roles
 * included: "SELECT, SET USER", malloc'ed, empty when it has all. */
#define GRANTS_MAX 16
int doctor_grants_missing(
    struct server *s, const char *const *needed, char **missing, struct err *e) MUSTCHECK;
/* "SELECT, RELOAD, ...", malloc'ed. */
char *doctor_grants_list(const struct config *c, const char *version) MUSTCHECK;
/* The statements with which it may restore SQL beside the live database, malloc'ed: rights in a
 * role that it takes for that (server_take_role). CREATE USER is for the account that reads the
 * text in, BINLOG ADMIN to keep it out of the log, and for functions where there is one. */
char *doctor_grants_beside(const struct backup_settings *s, const char *version) MUSTCHECK;
/* This connection, without that role, may execute functions of the practice's database. */
int doctor_grants_execute(
    struct server *s, const struct backup_settings *b, bool *may, struct err *e) MUSTCHECK;
/* The host part of an account that comes from here. */
const char *doctor_grants_host(const struct backup_settings *s);

#endif
