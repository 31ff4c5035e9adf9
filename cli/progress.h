/*
 * The lines of a job for people: a bar on a terminal, a line a step elsewhere; with --json the
 * lines as they come.
 */
#ifndef ELEXGATE_CLI_PROGRESS_H
#define ELEXGATE_CLI_PROGRESS_H

#include <jansson.h>
#include "cli/cli.h"

struct progress {
    struct cli *cli;
    bool raw;      /* JSON lines as they come: --json */
    bool terminal; /* one line is written over again and again */
    bool bar_open; /* the cursor stands behind a bar */
    char waiting[128];
};

void progress_init(struct progress *p, struct cli *cli);
/* A job_stream_fn; ctx is the struct progress. */
void progress_line(void *ctx, const json_t *line);

/* Says what a line means, on an empty line; false: it is not one of those that ctx waits for. */
typedef bool progress_tell_fn(struct cli *cli, const json_t *line, void *ctx);
/* Runs a job (job_stream_run) whose result is told by tell; the bar shows the other lines. With
 * --json all of them stand as they come. */
int progress_run(
    struct cli *cli, const char *const *args, progress_tell_fn *tell, void *ctx) MUSTCHECK;
/* The last line, of a job that went well: where the result says enough. */
bool progress_good_end(const json_t *line);

/* Takes an open bar away, before something else is printed. */
void progress_clear(struct progress *p);

#endif
