/*
 * What each of our programs begins with: options that all have, memory that nobody else reads, the
 * log.
 */
#ifndef ELEXGATE_COMMON_PROGRAM_H
#define ELEXGATE_COMMON_PROGRAM_H

#include <stdbool.h>
#include "common/config.h"

struct program_option {
    const char *name;   /* "--check" */
    bool *flag;         /* set by it; or */
    const char **value; /* where its value goes: "--config FILE" or "--config=FILE" */
};

struct program {
    const char *name;                     /* "elexgate-proxy" */
    const char *usage;                    /* what --help prints */
    const char **config_path;             /* -c, --config; untouched without */
    const struct program_option *options; /* the program's own, to one without a name; NULL: none */
    int *operands; /* the first argument that is no option; NULL: there must be none */
};

/* Private memory, SIGPIPE ignored, a log in logfmt; reads the options. -1:
 * the program goes on; else what main returns: --help and --version were answered, or a mistake was
 * told. */
int program_begin(const struct program *p, int argc, char **argv) MUSTCHECK;
/* Format and level of the log, as configured. */
void program_log(const char *name, const struct config *c);
/* The level alone, after a reload. */
void program_log_level(const struct config *c);
/* Gives up, for good, what no program that serves others needs (call_filter.h); where the kernel
 * refuses that it is told in the log. */
void program_shut(bool starts_programs);
/* As many open files as this user may have: two sockets a session go beyond the soft limit. */
void program_raise_open_files(void);

#endif
