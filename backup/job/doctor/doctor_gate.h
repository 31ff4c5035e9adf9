/*
 * What the doctor asks about logins through the gate: accounts that cannot use it, and whether
 * clients since MariaDB 11.4 trust its certificate.
 */
#ifndef ELEXGATE_BACKUP_JOB_DOCTOR_DOCTOR_GATE_H
#define ELEXGATE_BACKUP_JOB_DOCTOR_DOCTOR_GATE_H

#include <jansson.h>
#include "backup/server/server.h"
#include "common/config.h"

enum doctor_finding { DOCTOR_FOUND_GOOD, DOCTOR_FOUND_WARNING, DOCTOR_FOUND_BAD };

/* One finding: phrases (common/phrase.h), which are taken over; fix NULL: there is none. */
typedef void doctor_tell_fn(
    void *ctx, enum doctor_finding how, const char *name, json_t *text, json_t *fix);

/* server: the admin's connection. proxy_socket: the gate's control socket. */
void doctor_gate(struct server *server, const struct config *c, const char *proxy_socket,
    doctor_tell_fn *tell, void *ctx);

#endif
