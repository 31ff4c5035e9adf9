/*
 * elexgate doctor: what is looked at from here; the account, grants, data directory and the like
 * are looked at by elexgate-job doctor. cmd_doctor.c leads through both.
 *
 *   doctor_gate.c   the programs, their warnings, the audit log, the clock
 *   doctor_tls.c    each listener as a client sees it
 *   doctor_keeper.c the last backup, the last drill
 */
#ifndef ELEXGATE_CLI_DOCTOR_DOCTOR_H
#define ELEXGATE_CLI_DOCTOR_DOCTOR_H

#include <jansson.h>
#include "cli/cli.h"

enum doctor_level { DOCTOR_GOOD, DOCTOR_WARNING, DOCTOR_CRITICAL };

struct doctor {
    struct cli *cli;
    unsigned good, warnings, criticals;
    bool nagios; /* one line only */
    char *worst; /* the first of the gravest */
    bool worst_is_critical;
    bool proxy_told;        /* the job's own line about the proxy says nothing new */
    json_t *proxy, *keeper; /* their status; NULL: they do not answer */
};

/* One line. fix: what to do, NULL when good. text in the admin's language. */
void doctor_tell(
    struct doctor *d, enum doctor_level level, const char *name, const char *text, const char *fix);

/* The same of an error. */
void doctor_tell_err(struct doctor *d, enum doctor_level level, const char *name,
    const struct err *e, const char *fix);

void doctor_look_at_gate(struct doctor *d);
void doctor_tls(struct doctor *d);
void doctor_keeper(struct doctor *d);

#endif
