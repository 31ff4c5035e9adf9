/*
 * Who changed what: told to the keeper, which keeps the audit log; the console may not touch the
 * file. What the keeper does not take stands in the console's own log at least.
 */
#ifndef ELEXGATE_CONSOLE_AUDIT_H
#define ELEXGATE_CONSOLE_AUDIT_H

#include "console/http/request.h"

/* After an action has answered. name: who did it, NULL if nobody is signed in. */
void audit_action(struct request *rq, const char *name, enum role role);
/* The same for what is no action: downloads. result: "ok", "refused", "failed". */
void audit_tell(struct request *rq, const char *action, const char *result);

#endif
