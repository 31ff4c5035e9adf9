/*
 * A job and its lines: started here as a child, or followed over the keeper's control socket.
 *
 * Ctrl-C (and SIGTERM) asks the job to stop; it ends by itself, leaving nothing half done, and its
 * last line says so. A second one is not needed.
 */
#ifndef ELEXGATE_CLI_JOB_STREAM_H
#define ELEXGATE_CLI_JOB_STREAM_H

#include <jansson.h>
#include "cli/cli.h"

/* Each line (borrowed). The last one has "done":true. */
typedef void job_stream_fn(void *ctx, const json_t *line);

/* Runs elexgate-job with these arguments (NULL-terminated, beginning with the command). Returns its
 * exit code; what it could not even begin is told. */
int job_stream_run(
    struct cli *cli, const char *const *args, job_stream_fn *fn, void *ctx) MUSTCHECK;

/* The same for a job whose last line is its answer: a new reference in *last, NULL if none came. */
int job_stream_last(struct cli *cli, const char *const *args, json_t **last) MUSTCHECK;
/* The same; with --json the answer is printed, a failure is told: *answer stays NULL then. */
int job_stream_answer(struct cli *cli, const char *const *args, json_t **answer) MUSTCHECK;

/* Sends the request to the keeper and gives every line to fn until the one with "done":true.
 * Returns that line's exit code, EXIT_UNREACHABLE with *told false when no keeper runs and nothing
 * was told, or the code for a refusal, told. Takes over the reference. */
int job_stream_keeper(
    struct cli *cli, json_t *request, job_stream_fn *fn, void *ctx, bool *told) MUSTCHECK;

#endif
