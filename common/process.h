/*
 * Other programs: found, started, waited for, ended. What they are given is said here, and nothing
 * else reaches them. libuv's uv_spawn does it on the proxy's loop.
 */
#ifndef ELEXGATE_COMMON_PROCESS_H
#define ELEXGATE_COMMON_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>
#include "common/error.h"
#include "common/said.h"

struct process {
    pid_t pid;  /* 0 = none, or ended and reaped; it leads a group of its own */
    int status; /* as waitpid gives it, once reaped */
};

#define PROCESS_OURS (-100) /* in, out, err: the one that we have */

/* What happens to it between fork and exec, with async-signal-safe calls only: 0, or -1 with what
 * it was that failed. */
struct process_failure {
    int code;         /* errno value */
    const char *what; /* static */
};
struct process_cage {
    /* NULL, or makes another process that goes on in its place: a child of our own, its number in
     * *pid, where the caller is; 0 in the new one, which goes on with enter. */
    int (*move)(const void *ctx, pid_t *pid, struct process_failure *f);
    int (*enter)(const void *ctx, struct process_failure *f);
    const void *ctx;
};

struct process_options {     /* zero-initialise */
    const char *const *argv; /* argv[0] is looked up in PATH */
    int program; /* 0, or the program's opened file, whatever argv[0] says: no path leads to it */
    const char *const *environment; /* further "NAME=value", NULL-terminated; may be NULL */
    int in;                         /* becomes its standard input; 0 = /dev/null */
    int out, err; /* become its standard output and error; 0 = our standard error if that is a
                     terminal, else nowhere: what programs say may quote patients' data, and our
                     standard error is a log */
    int keep;     /* a further descriptor it inherits, under the same number; 0 = none */
    int on_death; /* the signal it gets when the thread that has started it ends; 0 = SIGKILL */
    const struct process_cage *cage; /* NULL = none */
};

/* Returns once it has become the program. 1: the cage cannot be had, *e says why. */
int process_start(const struct process_options *o, struct process *out, struct err *e) MUSTCHECK;
/* Waits up to timeout_ms (-1 = without limit) while go_on says yes (NULL = always). 0: ended, see
 * status; 1: time is up or go_on said no, and it still runs. */
int process_wait(struct process *p, int timeout_ms, bool (*go_on)(void *ctx), void *ctx) MUSTCHECK;
/* SIGTERM to its group, then SIGKILL after grace_ms, and reaps it. Nothing to do when it has ended.
 */
void process_end(struct process *p, int grace_ms);
bool process_good(const struct process *p); /* ended by itself with 0 */
/* "ended with 3", "was ended by signal 9 (Killed)", as an argument of a sentence (err_words); in
 * *how. */
const char *process_how(const struct process *p, struct err *how);
/* What a program of the server's said, from the file that was its output: number and line of its
 * error, not its text (common/said.h). */
const char *process_said(int fd, struct err *said);

/* To its end: process_wait, and process_end past its time. 0: it was good. 1: it was not, and *e
 * says how, with what it said when its standard error is a file. -ETIMEDOUT; -ECANCELED: go_on said
 * no. */
int process_finish(struct process *p, const struct process_options *o, int timeout_ms,
    bool (*go_on)(void *ctx), void *ctx, struct err *e) MUSTCHECK;
/* process_start, process_finish. */
int process_run(const struct process_options *o, int timeout_ms, bool (*go_on)(void *ctx),
    void *ctx, struct err *e) MUSTCHECK;

/* This program becomes another one, with the files that it has; returns only when it fails. */
int process_become(const char *const *argv, struct err *e) MUSTCHECK;

/* Where PATH has a program: malloc'ed, NULL = nowhere. A name with a slash is that file itself. */
char *process_find(const char *program) MUSTCHECK;
/* The file that this program runs from, also when another one has taken its name meanwhile.
 * malloc'ed; NULL: not known. */
char *process_self(void) MUSTCHECK;
/* The same, opened: for process_options.program. */
int process_self_open(struct err *e) MUSTCHECK;
/* Another program of ours: as the build lays it, relative to this one's folder, else as installed.
 * malloc'ed. */
char *process_beside(const char *relative, const char *installed) MUSTCHECK;

#endif
