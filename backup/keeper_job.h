/*
 * One elexgate-job process on the loop: started, listened to line by line, asked to stop, reaped.
 */
#ifndef ELEXGATE_BACKUP_KEEPER_JOB_H
#define ELEXGATE_BACKUP_KEEPER_JOB_H

#include <jansson.h>
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

/* args: NULL-terminated, beginning with the command ("backup"). Standard error is ours. */
int keeper_job_start(uv_loop_t *loop, const char *config_path, const char *const *args,
    const struct keeper_job_events *events, struct keeper_job **out, struct err *e) MUSTCHECK;
/* SIGTERM: it ends by itself, leaving nothing half done. */
void keeper_job_stop(struct keeper_job *j);
int keeper_job_pid(const struct keeper_job *j);

/* Path of elexgate-job: beside this program, else where it is installed. malloc'ed. */
char *keeper_job_program(void);

#endif
