/*
 * Child processes of a job: the dump program, a throwaway server, hooks. Each dies with the job,
 * however that ends (PR_SET_PDEATHSIG), and gets no file of the job but those given.
 */
#ifndef ELEXGATE_BACKUP_JOB_CHILD_H
#define ELEXGATE_BACKUP_JOB_CHILD_H

#include <stdbool.h>
#include <sys/types.h>
#include "backup/job/trial/sandbox.h"
#include "common/error.h"
#include "common/said.h"

struct child {
    pid_t pid;                 /* 0 = none, or ended and reaped */
    int status;                /* as waitpid gives it, once reaped */
    enum sandbox_kind sandbox; /* which one it got */
};

struct child_options {
    const char *const *argv;        /* argv[0] is looked up in PATH */
    const char *const *environment; /* further "NAME=value", NULL-terminated; may be NULL */
    int in;                         /* becomes its standard input; 0 = none (/dev/null) */
    int out, err; /* become its standard output and error; -1 = our standard error if that is a
                     terminal, else nowhere: what programs say may quote patients' data, and our
                     standard error is a log */
    int keep;     /* a further descriptor it inherits, under the same number; -1 = none */
    const struct sandbox *sandbox; /* it runs in one, see sandbox.h; NULL: as we do */
};

/* With a sandbox of SANDBOX_AUTO: in namespaces, or with Landlock where those are refused. */
int child_start(const struct child_options *o, struct child *out, struct err *e) MUSTCHECK;
/* Waits up to timeout_ms (-1 = without limit) while go_on says yes (NULL = always). 0: ended, see
 * status; 1: time is up or go_on said no, and it still runs. */
int child_wait(struct child *c, int timeout_ms, bool (*go_on)(void *ctx), void *ctx) MUSTCHECK;
/* SIGTERM, then SIGKILL after grace_ms, and reaps it. Nothing to do when it has ended. */
void child_end(struct child *c, int grace_ms);
/* "ended with 3", "was ended by signal 9 (Killed)"; for messages. */
const char *child_how(const struct child *c, char *buf, size_t size);
bool child_good(const struct child *c); /* ended by itself with 0 */

/* What a program of the server's said, from the file that was its output: number and line of its
 * error, not its text (common/said.h). Returns buf. */
const char *child_said(int fd, char buf[static SAID_MAX]);

#endif
