/*
 * What the keeper remembers across restarts: up to when the schedules have been looked at, the run
 * that is due and waits, and the last runs. One JSON file, published whole at every change.
 */
#ifndef ELEXGATE_BACKUP_KEEPER_STATE_H
#define ELEXGATE_BACKUP_KEEPER_STATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"

/* All times: UTC, milliseconds since 1970; 0 = none. */
struct keeper_pending {
    int64_t due_ms;   /* 0 = nothing is due */
    int64_t asked_ms; /* when it began to wait; the deadline counts from here */
    bool missed;      /* made up for: the machine was off, or the keeper */
    bool by_hand;     /* asked for by a person, to run when idle */
    unsigned yielded; /* how often it began and made way */
    unsigned failed;  /* how often it began and failed */
    json_t *types;    /* array of names; empty = all */
};

struct keeper_state {
    char *path;
    int64_t backup_seen_ms, drill_seen_ms; /* schedules are looked at up to here */
    struct keeper_pending pending;
    bool drill_due;
    char restore_seen[48]; /* id of the last restore that is among the runs (restore/trail.h) */
    json_t *runs;          /* newest first, at most KEEPER_RUNS_MAX objects */
};

#define KEEPER_RUNS_MAX 100

/* A missing file is a first start. A damaged one is put aside as <path>.damaged, with *e saying so
 * and 1 returned; the state is then that of a first start. */
int keeper_state_open(const char *path, struct keeper_state *out, struct err *e) MUSTCHECK;
int keeper_state_save(const struct keeper_state *s, struct err *e) MUSTCHECK;
void keeper_state_clear(struct keeper_state *s);

void keeper_pending_set(struct keeper_pending *p, int64_t due_ms, int64_t now_ms);
void keeper_pending_drop(struct keeper_pending *p);
/* Takes over the reference. */
void keeper_state_add_run(struct keeper_state *s, json_t *run);

#endif
