/*
 * One job on the loop: started by the monitor, listened to line by line, asked to stop, reaped.
 */
#ifndef ELEXGATE_BACKUP_KEEPER_JOB_H
#define ELEXGATE_BACKUP_KEEPER_JOB_H

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>
#include "backup/keeper/monitor.h"
#include "common/error.h"

struct keeper_job;

struct keeper_job_events {
    /* Each line that the job prints (borrowed for the call). */
    void (*line)(void *ctx, json_t *event);
    /* It has ended and all its lines were given; the job is freed after the call. exit_code is
     * EXIT_FAILED when a signal ended it, with signal set. */
    void (*end)(void *ctx, int exit_code, int signal);
    void *ctx;
};

/* Where jobs run. Zero-initialised but for loop and monitor. */
struct keeper_jobs {
    uv_loop_t *loop;
    struct keeper_monitor *monitor;
    struct keeper_job *started; /* those that the monitor has not told the end of */
    uint32_t last_number;
};

/* q says which kind, with what; its act and number are filled in here. in: becomes the job's
 * standard input and stays the caller's; -1 = none. */
int keeper_job_start(struct keeper_jobs *jobs, struct monitor_request *q, int in,
    const struct keeper_job_events *events, struct keeper_job **out, struct err *e) MUSTCHECK;
/* What the monitor tells. */
void keeper_job_ended(struct keeper_jobs *jobs, const struct monitor_event *event);
/* Another process's job, known by the lines it leaves in a file, which is taken over and read from
 * its beginning. It has ended when process pid no longer holds the run lock; its exit code is what
 * its last line says, EXIT_FAILED without one. */
void keeper_job_adopt(struct keeper_jobs *jobs, int lines, pid_t pid,
    const struct keeper_job_events *events, struct keeper_job **out);
/* Tells of an adopted one what it has to tell by now, its end included, without waiting for the
 * next look: on its end j is gone when this returns. Of one that was started here nothing. */
void keeper_job_look(struct keeper_job *j);
/* SIGTERM: it ends by itself, leaving nothing half done. */
void keeper_job_stop(struct keeper_job *j);
int keeper_job_pid(const struct keeper_job *j);

/* Not listened to any more, and freed; it goes on, and no end is told. For a lasting one. */
void keeper_job_leave(struct keeper_job *j);

/* --- what to ask of the monitor ----------------------------------------------------------------
 */

struct monitor_request keeper_job_of(enum monitor_kind kind);
/* What has no room is cut, and the monitor refuses what is left where that means anything else. */
void keeper_job_which(struct monitor_request *q, const char *which);
void keeper_job_type(struct monitor_request *q, const char *type); /* NULL allowed: none */
/* NULL: nothing is said of a label. */
void keeper_job_label(struct monitor_request *q, const char *label);
void keeper_job_day(struct monitor_request *q, const char *day);
void keeper_job_flag(struct monitor_request *q, bool is, enum monitor_flag flag);

#endif
