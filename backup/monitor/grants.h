/*
 * What was confirmed, and may be started once (link/grant.h). Told at the monitor's own door, which
 * only root can reach, and those of [backup] control_users; never by the keeper.
 */
#ifndef ELEXGATE_BACKUP_MONITOR_GRANTS_H
#define ELEXGATE_BACKUP_MONITOR_GRANTS_H

#include <jansson.h>
#include "common/config.h"
#include "link/grant.h"

#define GRANTS_MAX 256

struct granted {
    struct grant grant;
    char user[64]; /* who told it, on this machine */
    bool used;     /* remembered for as long as it could be told once more */
};

/* The door, bound if it is not yet; -1: there is none, told in the log. */
int grants_door(const struct config *c);
/* All that wait at the door. */
void grants_take(const struct config *c);
void grants_close(const struct config *c);

/* 0; -EINVAL: it is none; -ETIME: of too long ago, or of a time to come; -EEXIST: it was told
 * before; -ENOBUFS. */
int grants_add(const struct grant *g, const char *user, uint64_t now_ms, struct err *e) MUSTCHECK;
/* The one that allows this request, used up by that; borrowed. NULL: there is none. account: whom
 * the request names, "" = nobody, which is for the machine only; NULL = it names nobody and needs
 * not. */
const struct granted *grants_use(
    const json_t *request, enum rights_level least, const char *account, uint64_t now_ms);

#endif
