/* Restores, which go on when the keeper ends. */
#ifndef ELEXGATE_BACKUP_KEEPER_RESTORE_H
#define ELEXGATE_BACKUP_KEEPER_RESTORE_H

#include <jansson.h>
#include <stdint.h>

struct keeper;

/* What was seen of what restores leave on the disk. */
struct keeper_trail {
    int64_t settled_s;     /* change time of the restore's journal that was settled */
    int64_t tried_mono_ms; /* when that was last tried; 0 = never */
    int64_t seen_ns;       /* change time of the restore's trail that was looked at */
};

/* A restore that another process began is taken over; one that was cut off is settled, so that
 * clients do not stay outside; data that were kept long enough are let go. */
void keeper_restore_look(struct keeper *k);
void keeper_restore_line(struct keeper *k, const char *name, json_t *event); /* of its job */
void keeper_restore_ended(struct keeper *k, int exit_code);
/* restore_words.c: adds to a run what the restore was and how it ended, in words */
void keeper_restore_words(const struct keeper *k, json_t *run);

#endif
