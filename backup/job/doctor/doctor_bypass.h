/*
 * Does anybody go past the gate? The doctor's questions about that.
 */
#ifndef ELEXGATE_BACKUP_JOB_DOCTOR_DOCTOR_BYPASS_H
#define ELEXGATE_BACKUP_JOB_DOCTOR_DOCTOR_BYPASS_H

#include <jansson.h>
#include "backup/server/server.h"

/* true: the server's own port cannot be reached from other machines. *text: a phrase
 * for both cases, new reference. */
bool doctor_port_closed(struct server *s, json_t **text);
/* true: every client of the server came through the proxy (proxy_socket NULL: not known which did).
 * admin: the keeper's account, which does not count. */
bool doctor_nobody_past(
    struct server *s, const char *proxy_socket, const char *admin, json_t **text);

#endif
