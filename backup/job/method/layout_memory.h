/*
 * What the server was like when it was last seen: [backup] state_dir/server.json. A restore reads
 * it when the server itself can no longer be asked.
 */
#ifndef ELEXGATE_BACKUP_JOB_METHOD_LAYOUT_MEMORY_H
#define ELEXGATE_BACKUP_JOB_METHOD_LAYOUT_MEMORY_H

#include <sys/types.h>
#include "backup/job/method/layout.h"
#include "backup/rules/settings.h"

struct layout_memory {
    struct layout layout; /* without skip */
    char *where;          /* how it was reached: its socket, or host:port */
    char *account;        /* as whom the keeper was logged in: user@host */
    uid_t uid;            /* whose the data directory was */
    gid_t gid;
    mode_t mode;
};

/* Best effort: a note of the run when it cannot be written. */
void layout_remember(
    const struct backup_settings *s, struct server *server, const struct layout *l);
/* 1: nothing is known. The caller clears. */
int layout_recall(
    const struct backup_settings *s, struct layout_memory *out, struct err *e) MUSTCHECK;
void layout_memory_clear(struct layout_memory *m);

#endif
