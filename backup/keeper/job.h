/*
 * One elexgate-job process on the loop: started, listened to line by line, asked to stop, reaped.
 */
#ifndef ELEXGATE_BACKUP_KEEPER_JOB_H
#define ELEXGATE_BACKUP_KEEPER_JOB_H

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>
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

struct keeper_job_options {
    const char *const *args; /* NULL-terminated, beginning with the command ("backup") */
    const char *config_path; /* NULL = the default */
    int in;                  /* becomes its standard input and stays the caller's; 0 = none */
    /* It goes on when the keeper ends, in a session of its own; else it is told to end then. */
    bool lasting;
    bool cli; /* elexgate(1) instead of elexgate-job */
};

/* Standard error is ours. */
int keeper_job_start(uv_loop_t *loop, const struct keeper_job_options *options,
    const struct keeper_job_events *events, struct keeper_job **out, struct err *e) MUSTCHECK;
/* Another process's job, known by the lines it leaves in a file, which is read from its beginning.
 * It has ended when process pid no longer holds the lock file; its exit code is what its last line
 * says, EXIT_FAILED without one. */
int keeper_job_adopt(uv_loop_t *loop, const char *lines, const char *lock, pid_t pid,
    const struct keeper_job_events *events, struct keeper_job **out, struct err *e) MUSTCHECK;
/* Tells of an adopted one what it has to tell by now, its end included, without waiting for the
 * next look: on its end j is gone when this returns. Of one that was started here nothing. */
void keeper_job_look(struct keeper_job *j);
/* SIGTERM: it ends by itself, leaving nothing half done. */
void keeper_job_stop(struct keeper_job *j);
int keeper_job_pid(const struct keeper_job *j);

/* Not listened to any more, and freed; it goes on, and no end is told. For a lasting one. */
void keeper_job_leave(struct keeper_job *j);

#endif
