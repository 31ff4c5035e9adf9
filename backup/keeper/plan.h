/* What is due, whether it may run now, and what its end means. */
#ifndef ELEXGATE_BACKUP_KEEPER_PLAN_H
#define ELEXGATE_BACKUP_KEEPER_PLAN_H

#include "backup/keeper/gate.h"
#include "backup/rules/cron.h"
#include "backup/rules/idle_rule.h"

struct keeper;

/* What the configuration says. */
struct keeper_rules {
    bool has_backup, has_drill; /* a schedule is set */
    struct cron backup, drill;
    struct idle_settings idle;
    int64_t deadline_ms; /* how long a due run waits; 0 = not at all */
};

struct keeper_plan {
    struct idle_watch watch; /* from the witnesses' answers */
    struct idle_decision decision;
    bool decided;
    int64_t asked_mono_ms;      /* when the witnesses were last asked */
    int64_t not_before_mono_ms; /* pause after a run that made way or found another one */
    bool put_back_due;          /* a killed job may have left settings of the server changed */
};

void keeper_plan_start(struct keeper *k); /* after state and settings are loaded */
void keeper_plan_tick(struct keeper *k);
void keeper_plan_witnesses(void *ctx, const struct keeper_witnesses *w);
void keeper_plan_cancel(struct keeper *k);
void keeper_plan_ended(struct keeper *k, int exit_code, int signal); /* the job that runs */
/* The next time a schedule comes, UTC ms; 0 = never. */
int64_t keeper_plan_next(const struct keeper *k, bool drill);
#endif
