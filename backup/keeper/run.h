/* The job that runs: begun, or taken over from a keeper that is gone; listened to; remembered. */
#ifndef ELEXGATE_BACKUP_KEEPER_RUN_H
#define ELEXGATE_BACKUP_KEEPER_RUN_H

#include "backup/keeper/job.h"

struct keeper;

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
    JOB_PROVE,
};

struct keeper_current {
    struct keeper_job *job; /* NULL = none runs */
    enum keeper_kind kind;
    int64_t due_ms;     /* of the run that waited; 0 = it is another one */
    bool cancelled;     /* by a person */
    bool goes_on;       /* it has ended, and is tried again later */
    const char *method; /* "", "dump", "lock": why it is not the ordinary one */
    char run[32];
    int64_t started_ms;
    json_t *phase, *last; /* the last phase or progress event; the line with done */
    json_t *warnings;     /* its warnings so far; NULL = none */
    /* a restore's events restore-begin, restored and difference */
    json_t *restore_begin, *restore_done, *restore_difference;
    char blocked_since[40]; /* since when it keeps clients out; "" = it does not */

    /* Set once: what a restore's job says; every end, before it is forgotten, and after. */
    void (*on_line)(struct keeper *k, const char *name, json_t *event);
    void (*on_ended)(struct keeper *k, int exit_code, int signal);
    void (*on_gone)(struct keeper *k);
};

const char *keeper_kind_name(enum keeper_kind kind);
bool keeper_kind_lasts(enum keeper_kind kind); /* goes on when the keeper ends */
/* -EBUSY, in words, while a job goes on; the only place that says so to anybody. */
int keeper_run_busy(struct keeper *k, struct err *e) MUSTCHECK;
/* Starts a job now, as q says (keeper_job_start). -EBUSY when one runs. */
int keeper_run(
    struct keeper *k, enum keeper_kind kind, struct monitor_request *q, struct err *e) MUSTCHECK;
/* The same for a client: the answer. */
json_t *keeper_run_asked(
    struct keeper *k, enum keeper_kind kind, struct monitor_request *q) MUSTCHECK;
/* Takes a restore over that another process has begun (keeper_job_adopt). No job may run. */
void keeper_run_adopt(struct keeper *k, int trail, int pid);
/* Remembers a run that was due and was not begun. */
void keeper_record_skipped(struct keeper *k, int64_t due_ms, const struct err *error);
/* What is remembered of the job, on the way out. */
void keeper_run_clear(struct keeper_current *c);

#endif
