/*
 * Folders and trees that change hands, by descriptors only.
 *
 * Whoever owns a folder can put a link in place of what lies in it at any moment, and root that
 * goes by a path follows it. So a folder is opened once, is known to be ours alone while something
 * goes on in it, and what lies beneath is reached from there, one name at a time, never through a
 * link. Not as root there is nobody to give anything to, and giving does nothing.
 */
#ifndef ELEXGATE_BACKUP_JOB_TRIAL_OWNED_H
#define ELEXGATE_BACKUP_JOB_TRIAL_OWNED_H

#include <sys/types.h>
#include "common/error.h"

/* Opens a folder that belongs to us and that nobody else can change; its last part may be no link.
 * The descriptor, or -EPERM with words for one that is not so. */
int owned_open(const char *path, struct err *e) MUSTCHECK;
/* The same beneath an opened one. */
int owned_open_at(int dir, const char *name, struct err *e) MUSTCHECK;
/* Makes and opens a folder of ours, mode 0700. -EEXIST if something lies there. */
int owned_make_at(int dir, const char *name, struct err *e) MUSTCHECK;
/* Members of the group may pass through a folder of ours, nobody may look into it or change it. */
int owned_let_pass(int dir, gid_t group, struct err *e) MUSTCHECK;

/* The whole tree beneath an opened folder, and the folder itself, changes hands. First it becomes
 * ours, from the top down, so that nobody else changes it on the way; anything that is neither a
 * folder nor a file of one name (links, devices, pipes, a second name of a file elsewhere) is
 * refused with -EPERM and its path. Files lose set-id bits and may not be executed. */
int owned_give(int dir, uid_t uid, gid_t gid, struct err *e) MUSTCHECK;
/* owned_give to ourselves; what a server has left behind that holds no data goes. */
int owned_take_back(int dir, struct err *e) MUSTCHECK;

#endif
