/* What the parts of a sandbox share. */
#ifndef ELEXGATE_BACKUP_JOB_TRIAL_SANDBOX_INTERNAL_H
#define ELEXGATE_BACKUP_JOB_TRIAL_SANDBOX_INTERNAL_H

#include "backup/job/trial/sandbox.h"
#include "common/call_filter.h"

#define SANDBOX_GIVEN_MAX   8
#define SANDBOX_ENTRIES_MAX 40

enum sandbox_access { SANDBOX_READ, SANDBOX_WRITE, SANDBOX_DEVICE, SANDBOX_LINK, SANDBOX_SOCKET };

struct sandbox_entry {
    enum sandbox_access access;
    bool folder;
    char *path;   /* where it is seen */
    char *source; /* a path once the old root has moved; the target of a link */
};

struct sandbox_plan {
    struct sandbox s;
    enum sandbox_kind kind;
    struct sandbox_entry entries[SANDBOX_ENTRIES_MAX];
    size_t n;
    char *start, *uid_map, *gid_map;
    int landlock; /* the rule set; -1 = none */
    struct call_filter filter;
};

void sandbox_filter_make(struct sandbox_plan *p);
int sandbox_landlock_make(struct sandbox_plan *p, struct err *e) MUSTCHECK;
int sandbox_landlock_enter(const struct sandbox_plan *p);

#endif
