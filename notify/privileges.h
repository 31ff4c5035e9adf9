/*
 * What speaks to mail servers and web servers does so without root's rights.
 */
#ifndef ELEXGATE_NOTIFY_PRIVILEGES_H
#define ELEXGATE_NOTIFY_PRIVILEGES_H

#include "common/config.h"

/* As root: becomes [notify] user for good, with no group but his. Call it once the secrets are
 * read, before anything is sent. Somebody else stays who he is. */
int privileges_drop(const struct config *c, struct err *e) MUSTCHECK;

#endif
