/*
 * What the doctor asks about logins through the gate: accounts that cannot use it, and whether
 * clients since MariaDB 11.4 trust its certificate.
 */
#ifndef ELEXGATE_BACKUP_JOB_DOCTOR_DOCTOR_GATE_H
#define ELEXGATE_BACKUP_JOB_DOCTOR_DOCTOR_GATE_H

#include "backup/server/server.h"
#include "common/config.h"

enum doctor_finding { DOCTOR_FOUND_GOOD, DOCTOR_FOUND_WARNING, DOCTOR_FOUND_BAD };

/* One finding. text_de, fix, fix_de NULL: there is none, or the English one is good for both. */
typedef void doctor_tell_fn(void *ctx, enum doctor_finding how, const char *name, const char *text,
    const char *text_de, const char *fix, const char *fix_de);

/* server: the admin's connection. proxy_socket: the gate's control socket. */
void doctor_gate(struct server *server, const struct config *c, const char *proxy_socket,
    doctor_tell_fn *tell, void *ctx);

#endif
