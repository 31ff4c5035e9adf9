/* Restores, which go on when the keeper ends. */
#ifndef ELEXGATE_BACKUP_KEEPER_RESTORE_H
#define ELEXGATE_BACKUP_KEEPER_RESTORE_H

#include <jansson.h>
#include <stdint.h>

struct keeper;

/* What was seen of what restores leave on the disk. */
struct keeper_trail {
    int64_t seen_ns; /* change time of the restore's trail that was looked at */
};

/* A restore that another process began, or an earlier keeper, is taken over. */
void keeper_restore_take_over(struct keeper *k);
/* When its journal last changed, s since 1970; 0 = there is none. */
int64_t keeper_restore_journal_time(const struct keeper *k);
void keeper_restore_line(struct keeper *k, const char *name, json_t *event); /* of its job */
void keeper_restore_ended(struct keeper *k);

#endif
