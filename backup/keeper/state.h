/*
 * What the keeper remembers across restarts: up to when the schedules have been looked at, the run
 * that is due and waits, and the last runs. One JSON file, published whole at every change.
 */
#ifndef ELEXGATE_BACKUP_KEEPER_STATE_H
#define ELEXGATE_BACKUP_KEEPER_STATE_H

#include <jansson.h>
#include <stdbool.h>
#include "backup/keeper/plan.h"
#include "common/error.h"

/* All times: UTC, milliseconds since 1970; 0 = none. */
struct keeper_state {
    char *path;
    struct plan_memory plan;
    char restore_seen[48]; /* id of the last restore that is among the runs (restore/restore.c) */
    json_t *runs;          /* newest first, at most KEEPER_RUNS_MAX objects */
};

#define KEEPER_RUNS_MAX 100

/* A missing file is a first start. A damaged one is put aside as <path>.damaged, with *e saying so
 * and 1 returned; the state is then that of a first start. */
int keeper_state_open(const char *path, struct keeper_state *out, struct err *e) MUSTCHECK;
int keeper_state_save(const struct keeper_state *s, struct err *e) MUSTCHECK;
void keeper_state_clear(struct keeper_state *s);

/* The newest run of a kind that says something: not one that was cancelled or found another one at
 * work. good: that succeeded. NULL = none; borrowed. */
json_t *keeper_state_newest(const struct keeper_state *s, const char *kind, bool good);
/* The newest drill of a database: one of folders alone says nothing about it, unless it failed. */
json_t *keeper_state_drill(const struct keeper_state *s);
/* Takes over the reference. */
void keeper_state_add_run(struct keeper_state *s, json_t *run);

#endif
