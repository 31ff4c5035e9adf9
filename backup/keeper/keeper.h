/*
 * The keeper: knows when a backup is due, waits until the database is idle, and starts one job.
 *
 *   main.c             the program: options, signals, reload, systemd
 *   plan.c      what is due, whether it may run now, and what its end means
 *   run.c       jobs: begun, listened to, ended, remembered
 *   restore.c   restores, which go on when the keeper ends
 *   commands.c  the control socket's commands: archives.c, config.c, ...
 *   errand.c    questions that a child process answers
 *   gate.c      asks the witnesses; job.c runs the job; control.c the socket
 *   state.c     what is remembered across restarts
 *
 * All of it on one loop, in one thread; only the questions to proxy and server go to a worker
 * thread.
 */
#ifndef ELEXGATE_BACKUP_KEEPER_KEEPER_H
#define ELEXGATE_BACKUP_KEEPER_KEEPER_H

#include "backup/keeper/control.h"
#include "backup/keeper/gate.h"
#include "backup/keeper/job.h"
#include "backup/keeper/state.h"
#include "backup/rules/cron.h"
#include "backup/rules/settings.h"

/* The names are in keeper_kind_name. */
enum keeper_kind {
    JOB_NONE,
    JOB_BACKUP,
    JOB_DRILL,
    JOB_PUT_BACK,
    JOB_ALARM,
    JOB_RECOVER,
    JOB_VERIFY,
    JOB_RESTORE,
};

struct keeper_errand;
struct keeper_people;
struct right;

struct keeper {
    uv_loop_t loop;
    uv_timer_t tick;
    uv_signal_t signals[3];
    const char *config_path; /* as given; NULL = the default */
    struct config *config;
    struct backup_settings settings;
    bool has_backup, has_drill; /* a schedule is set */
    struct cron backup, drill;
    struct idle_settings idle;
    int64_t deadline_ms; /* how long a due run waits; 0 = not at all */
    struct keeper_state state;
    struct keeper_gate *gate;
    struct keeper_control *control;
    struct keeper_notify *notify;
    struct keeper_people *people;
    int64_t started_mono_ms;

    /* the witnesses' last answer and what follows from it */
    struct keeper_witnesses witnesses;
    struct idle_watch watch;
    struct idle_decision decision;
    bool decided;
    int64_t database_since_ms;  /* UTC: since when it is as the last answer said; 0 = unknown */
    int64_t asked_mono_ms;      /* when the witnesses were last asked */
    int64_t not_before_mono_ms; /* pause after a run that made way or found another one */

    int64_t restore_seen_s;        /* change time of the restore's journal that was settled */
    int64_t restore_tried_mono_ms; /* when that was last tried; 0 = never */
    int64_t trail_seen_ns;         /* change time of the restore's trail that was looked at */
    bool put_back_due;             /* a killed job may have left settings of the server changed */

    /* the job that runs */
    struct keeper_job *job;
    enum keeper_kind kind;
    bool scheduled_run; /* it is the pending one */
    bool cancelled;
    const char *method; /* "", "dump", "lock": why it is not the ordinary one */
    char job_run[32];
    int64_t job_started_ms;
    json_t *job_phase, *job_last; /* the last phase or progress event; the line with done */
    json_t *job_warnings;         /* its warnings so far; NULL = none */
    /* a restore's events restore-begin, restored and difference */
    json_t *restore_begin, *restore_done, *restore_difference;
    char blocked_since[40]; /* since when it keeps clients out; "" = it does not */
    bool stopping;

    struct keeper_errand *errands; /* questions under way */

    struct keeper_job *renewal; /* of the certificate; NULL = none runs */
    json_t *renewal_said;
    int64_t renewal_looked_ms, renewal_told_ms; /* monotonic; 0 = never */
};

/* plan.c */
void keeper_plan_start(struct keeper *k); /* after state and settings are loaded */
void keeper_plan_tick(struct keeper *k);
void keeper_plan_witnesses(void *ctx, const struct keeper_witnesses *w);
void keeper_plan_cancel(struct keeper *k);
void keeper_plan_ended(struct keeper *k, int exit_code, int signal); /* the job that runs */
/* The next time a schedule comes, UTC ms; 0 = never. */
int64_t keeper_plan_next(const struct keeper *k, bool drill);
void keeper_save(struct keeper *k);
/* Takes over the reference: to the log's readers on the control socket. */
void keeper_publish(struct keeper *k, json_t *event);
json_t *keeper_state_event(struct keeper *k); /* {"event":"state",...} */

/* run.c */
const char *keeper_kind_name(enum keeper_kind kind);
bool keeper_kind_lasts(enum keeper_kind kind); /* goes on when the keeper ends */
/* -EBUSY, in words, while a job goes on; the only place that says so to anybody. */
int keeper_run_busy(struct keeper *k, struct err *e) MUSTCHECK;
/* Starts a job now. args begin with the command. -EBUSY when one runs. */
int keeper_run(
    struct keeper *k, enum keeper_kind kind, const char *const *args, struct err *e) MUSTCHECK;
/* The same, with a file for its standard input, which stays the caller's; 0 = none. */
int keeper_run_with(struct keeper *k, enum keeper_kind kind, const char *const *args, int in,
    struct err *e) MUSTCHECK;
/* Takes a restore over that another process has begun (keeper_job_adopt). No job may run. */
int keeper_run_adopt(struct keeper *k, const char *lines, int pid, struct err *e) MUSTCHECK;
/* Remembers the job that runs as one that has ended. */
void keeper_record_run(struct keeper *k, int exit_code, const char *error);

/* restore.c */
/* A restore that another process began is taken over; one that was cut off is settled, so that
 * clients do not stay outside; data that were kept long enough are let go. */
void keeper_restore_look(struct keeper *k);
void keeper_restore_line(struct keeper *k, const char *name, json_t *event); /* of its job */
void keeper_restore_ended(struct keeper *k, int exit_code);
/* keeper_restore_words.c: adds to a run what the restore was and how it ended, in words */
void keeper_restore_words(const struct keeper *k, json_t *run);

/* commands.c */
void keeper_command(void *ctx, struct keeper_client *c, json_t *request);
/* One that may be done: whoever asks has the right, and has confirmed it where that is needed. */
void keeper_command_run(
    struct keeper *k, struct keeper_client *c, json_t *request, const struct right *right);

/* A command gives its answer (new reference), or NULL when it has sent it or will later. */
typedef json_t *keeper_command_fn(struct keeper *k, struct keeper_client *c, json_t *request);
keeper_command_fn keeper_archives, keeper_verify, keeper_delete; /* archives.c */
keeper_command_fn keeper_restore;                                /* restore.c */
keeper_command_fn keeper_cert;                                   /* cert.c */
void keeper_cert_clean(const struct keeper *k); /* files that a killed keeper left */
keeper_command_fn keeper_config_get, keeper_config_set, keeper_schedule_preview; /* config.c */

/* keeper.c: two phases; the old settings serve on when the new ones are not good. */
int keeper_reload(struct keeper *k, bool force, json_t **answer, struct err *e) MUSTCHECK;
/* Whether the keeper would take these settings over. */
int keeper_check_config(const struct config *c, struct err *e) MUSTCHECK;
void keeper_stop(struct keeper *k);

#endif
