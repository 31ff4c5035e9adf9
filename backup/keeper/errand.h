/*
 * Short questions that the keeper does not answer itself: a program of ours is started, and its
 * answer goes to the client that asked, if that is still there. Neither a damaged archive nor a
 * database that hangs can hold the keeper up. They run beside a job.
 */
#ifndef ELEXGATE_BACKUP_KEEPER_ERRAND_H
#define ELEXGATE_BACKUP_KEEPER_ERRAND_H

#include "backup/keeper/keeper.h"

/* The answer to send (new reference), json_null() where it is sent otherwise. event: the last line
 * with the name asked for, or NULL; last: the line with "done":true. Both borrowed, for a
 * good end. */
typedef json_t *keeper_errand_fn(struct keeper *k, void *ctx, json_t *event, json_t *last);

struct keeper_errand_options {
    struct monitor_request *ask; /* as in keeper_job_start; the caller's */
    int in;                      /* the same; 0 = none */
    json_t *request;             /* borrowed; its end goes into the audit log */
    const char *event;           /* the line that matters besides the last one; NULL = none */
    keeper_errand_fn *answer; /* after a good end; a failure is answered with the program's words */
    void *ctx;
    void (*drop)(void *ctx); /* at the end, however it comes; NULL = nothing to do */
};

/* What a client asked, without more: event and answer as in the options. NULL: the answer comes
 * later. Else the answer that says why not. */
json_t *keeper_question(struct keeper *k, struct control_client *c, json_t *request,
    struct monitor_request *ask, const char *event, keeper_errand_fn *answer) MUSTCHECK;
/* Ends those that take too long; with `all` drops every one, since the keeper ends. */
void keeper_errands_tick(struct keeper *k, bool all);

/* A job of `kind` reads what it is told, and answers in one line (job/page.h): ask, in and event of
 * the options are filled in here. The answer as above, ctx dropped. */
json_t *keeper_told_errand(struct keeper *k, struct control_client *c, const json_t *told,
    enum monitor_kind kind, const struct keeper_errand_options *o) MUSTCHECK;
/* What a change of the configuration answers: it is in use then. In config.c. */
keeper_errand_fn keeper_config_set_answer;

#endif
