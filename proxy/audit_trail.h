/*
 * What the proxy writes into the audit log (common/audit.h): who came from where as which user, who
 * was turned away, and who asked for what on the control socket. Any thread.
 */
#ifndef ELEXGATE_PROXY_AUDIT_TRAIL_H
#define ELEXGATE_PROXY_AUDIT_TRAIL_H

#include <jansson.h>
#include "common/config.h"
#include "proxy/refusal.h"
#include "proxy/wire/cidr.h"

struct session;

/* Opens the file of [audit] proxy_file anew: at the start, at each reload. */
void audit_trail_open(const struct config *c);
/* Its path; NULL: off. */
const char *audit_trail_file(const struct config *c);
void audit_trail_login(const struct session *s);
void audit_trail_user_changed(const struct session *s); /* a session goes on as somebody else */
/* Its end, or that it never came to a login. Those and refusals are limited in number, so that a
 * scanner does not fill the disk; what was kept back is counted. */
void audit_trail_end(const struct session *s, int64_t ms);
void audit_trail_refused(const struct address *peer, const char *listener, enum refusal reason);
/* A request on the control socket that changes something; others are passed over. */
void audit_trail_command(unsigned uid, const json_t *request);

#endif
