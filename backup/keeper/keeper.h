/*
 * The keeper: knows when a backup is due, waits until the database is idle, and starts one job.
 *
 *   main.c      the program: options, signals, reload, systemd
 *   plan.c      what is due, whether it may run now, and what its end means: pure
 *   drive.c     does what the plan says
 *   run.c       jobs: begun, listened to, ended, remembered
 *   restore.c   restores, which go on when the keeper ends
 *   commands.c  the control socket's commands: archives.c, config.c, ...
 *   opened.c    backups that are open for reading
 *   errand.c    questions that a child process answers
 *   place.c     whom root becomes before anybody may ask
 *   job.c       follows a job that monitor.c has had started
 *   ports.h     to the world: gate.c asks the witnesses, control.c is the socket, notify.c tells
 * people state.c     what is remembered across restarts
 *
 * All of it on one loop, in one thread; only the questions to proxy and server go to a worker
 * thread.
 */
#ifndef ELEXGATE_BACKUP_KEEPER_KEEPER_H
#define ELEXGATE_BACKUP_KEEPER_KEEPER_H

#include "backup/keeper/place.h"
#include "backup/keeper/plan.h"
#include "backup/keeper/ports.h"
#include "backup/keeper/restore.h"
#include "backup/keeper/run.h"
#include "backup/keeper/state.h"
#include "backup/rules/health.h"
#include "backup/rules/settings.h"
#include "common/notify_check.h"

struct keeper {
    uv_loop_t loop;
    const char *config_path; /* as given; NULL = the default */
    struct config *config;
    struct backup_settings settings;
    struct plan_rules rules;       /* plan.h: what the configuration says of it */
    struct plan plan;              /* plan.h: what is decided from */
    struct keeper_state state;     /* what is remembered across restarts */
    struct keeper_current current; /* run.h: the job that runs */
    struct keeper_trail trail;     /* restore.h: what restores left on the disk */
    struct keeper_ports ports;     /* ports.h: to the world */
    struct keeper_place place;     /* place.h: as whom we run, and where */
    bool notify_good;              /* whether somebody could be told, as it was at the start */
    struct notify_trouble notify_trouble;
    int64_t started_mono_ms;
    bool stopping;
    bool over; /* nothing is begun any more */
};

/* commands.c */
void keeper_command(void *ctx, struct control_client *c, json_t *request);

/* A command gives its answer (new reference), or NULL when it has sent it or will later. */
typedef json_t *keeper_command_fn(struct keeper *k, struct control_client *c, json_t *request);
keeper_command_fn keeper_archives, keeper_timeline, keeper_verify, keeper_delete, keeper_mark,
    keeper_info; /* archives.c */
/* NULL, or the answer that says what is wrong with a request's label. In archives.c. */
json_t *keeper_wrong_label(const json_t *request);
keeper_command_fn keeper_restore;                             /* restore.c */
keeper_command_fn keeper_open_backup, keeper_close_backup;    /* opened.c */
keeper_command_fn keeper_config_get, keeper_schedule_preview; /* config.c */

/* drive.c: does what the plan says. Started after state and settings are loaded. */
void keeper_drive_start(struct keeper *k);
void keeper_drive_tick(struct keeper *k);
void keeper_drive_witnesses(void *ctx, const struct keeper_witnesses *w);
void keeper_drive_cancel(struct keeper *k);
/* The clocks, and whether a job runs, for the plan. */
struct plan_facts keeper_facts(const struct keeper *k);

/* health.c: the facts for the verdict (backup/rules/health.h), gathered; and the verdict, as of
 * now; texts are borrowed until the next call. */
void keeper_health(struct keeper *k, struct health *out);

/* main.c: two phases; the old settings serve on when the new ones are not good. */
int keeper_reload(struct keeper *k, bool force, json_t **answer, struct err *e) MUSTCHECK;

#endif
