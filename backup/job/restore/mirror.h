/*
 * A folder copied while it is in use: again and again, each time only what has changed since, until
 * it stands still for the last time. A first pass while everybody works takes what is large; the
 * pass under a lock takes what little has been written meanwhile.
 *
 * A file counts as unchanged while size, inode, modification and status change times are those from
 * before it was copied, and both times lay some while before that (a write within the same tick of
 * the clock leaves them as they are).
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_MIRROR_H
#define ELEXGATE_BACKUP_JOB_RESTORE_MIRROR_H

#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"

struct mirror;

struct mirror_options {
    const char *from, *into; /* folders that exist; into is empty at first */
    /* relative paths; NULL-terminated lists, may be NULL */
    const char *const *first, *const *last; /* copied before, and after, all others */
    bool (*skip)(void *ctx, const char *path);
    bool (*go_on)(void *ctx);
    void (*progress)(void *ctx, uint64_t bytes, const char *path); /* of this pass */
    void *ctx;
};

/* The strings stay the caller's and must last. */
struct mirror *mirror_create(const struct mirror_options *o);
void mirror_drop(struct mirror *m); /* NULL allowed */

/* One pass: what changed, came or went. 1: go_on said no. -ENOSPC and others from the system. */
int mirror_pass(struct mirror *m, struct err *e) MUSTCHECK;
/* Is every file now as it was when it was copied? 1: not, or files came or went. beneath: only this
 * file, or what lies in this folder; NULL = all. */
int mirror_compare(struct mirror *m, const char *beneath, struct err *e) MUSTCHECK;

#endif
