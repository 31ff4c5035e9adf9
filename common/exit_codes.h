/*
 * Exit codes of elexgate(1) and of the job processes: the one table of what they mean elsewhere.
 * Documented in the manual; scripts rely on them.
 */
#ifndef ELEXGATE_COMMON_EXIT_CODES_H
#define ELEXGATE_COMMON_EXIT_CODES_H

enum exit_code {
    EXIT_GOOD = 0,
    EXIT_FAILED = 1,       /* anything without a code of its own */
    EXIT_USAGE = 2,        /* wrong options or arguments */
    EXIT_UNREACHABLE = 3,  /* the program asked is not running or does not answer */
    EXIT_NOT_IDLE = 4,     /* the database is in use */
    EXIT_NO_SPACE = 5,     /* not enough space on the disk */
    EXIT_INCONSISTENT = 6, /* archive or data are damaged */
    EXIT_BUSY = 7,         /* another run is going on */
    EXIT_VETOED = 8,       /* a hook said no */
    EXIT_REFUSED = 9,      /* does not fit, or is unsafe */
    EXIT_CANCELLED = 10,   /* by the user */
    EXIT_INCOMPLETE = 11,  /* the backup was made, but some files could not be read */
};

/* "good", "failed", "not-idle", ...: as hooks, runs and the audit log name a result. */
const char *exit_code_name(int exit_code);
/* The errno that an answer carries for a program that ended so; EIO for one without a better. */
int exit_code_errno(int exit_code);
/* The exit code for what a function returns: of a negative errno that one that fits, EXIT_FAILED
 * without one; a code stays as it is. */
int exit_code_of(int result);
/* The same for elexgate(1), which asks others: that nobody answers, that somebody else is at work,
 * and that what came is damaged have codes of their own. A job says these itself. */
int exit_code_of_call(int result);

#endif
