/*
 * What the doctor's checks share: each tells what it found, one event a finding.
 */
#ifndef ELEXGATE_BACKUP_JOB_DOCTOR_DOCTOR_H
#define ELEXGATE_BACKUP_JOB_DOCTOR_DOCTOR_H

#include "backup/job/run.h"
#include "backup/server/server.h"

struct doctor {
    struct run *run;
    struct server *server; /* the admin's connection; NULL: it lets nobody in */
    char *version;         /* of its greeting; NULL: it does not answer */
    unsigned bad;
};

/* A warning is to be looked at, but no backup fails for it; it does not count as bad. */
enum doctor_finding { DOCTOR_FOUND_GOOD, DOCTOR_FOUND_WARNING, DOCTOR_FOUND_BAD };

/* text, fix: phrases (common/phrase.h), which are taken over; fix is told of what is not good,
 * NULL: there is none. */
void doctor_found(
    struct doctor *d, enum doctor_finding how, const char *name, json_t *text, json_t *fix);
/* address: also a name; of this machine only. */
bool doctor_is_loopback(const char *address);
/* The newest of these that is whole and ours: the one that `restore latest` would take. */
const struct store_item *doctor_newest(const struct store_list *l);

/* Does anybody go past the gate? Who does is not encrypted, not counted as idle or not, and not
 * kept out during a restore. */
void doctor_bypass(struct doctor *d);
/* Logins through the gate: accounts that cannot use it, and whether clients since MariaDB 11.4
 * trust its certificate. */
void doctor_gate(struct doctor *d);
/* Whether any second can be brought back: what the server's binary log must be like for that. One
 * finding "binlog", and one more for each setting that is not as it should be. */
void doctor_binlog(struct doctor *d);
/* Whether the newest backup's files fit the server of today, and the trial server too: asked before
 * a restore must know. */
void doctor_series(struct doctor *d);
/* Whether backups can be tried out: where they are unpacked for that, who could change it there,
 * whether there is room, and whether it would lie in clear on a medium of encrypted archives. */
void doctor_scratch(struct doctor *d);

#endif
