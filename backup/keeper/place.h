/*
 * As whom the keeper runs, and where it keeps what it remembers: started by root it becomes a user
 * that may do nothing, in a folder that is all that this user owns.
 */
#ifndef ELEXGATE_BACKUP_KEEPER_PLACE_H
#define ELEXGATE_BACKUP_KEEPER_PLACE_H

#include <stdbool.h>
#include <sys/types.h>
#include "common/config.h"

struct keeper_place {
    bool becomes; /* else we are not root, and stay who we are */
    uid_t uid;
    gid_t gid;
    char *user;   /* owned */
    char *folder; /* owned; [backup] state_dir/own */
};

/* -ENOENT, -EPERM with words: there is no such user, and as root the keeper does not run. */
int keeper_place_find(const struct config *c, struct keeper_place *out, struct err *e) MUSTCHECK;
/* Makes the folder the working directory, so that it can be used wherever it lies; what older
 * versions kept in state_dir itself moves there. */
int keeper_place_enter(
    const struct config *c, const struct keeper_place *p, struct err *e) MUSTCHECK;
/* For good: no way back to root, and none for a program that it would start. */
int keeper_place_become(const struct keeper_place *p, struct err *e) MUSTCHECK;
void keeper_place_clear(struct keeper_place *p);

#endif
