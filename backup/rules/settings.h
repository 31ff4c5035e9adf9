/*
 * What the keeper and its jobs take from the configuration, in one place.
 */
#ifndef ELEXGATE_BACKUP_RULES_SETTINGS_H
#define ELEXGATE_BACKUP_RULES_SETTINGS_H

#include "backup/rules/server_target.h"
#include "backup/rules/cron.h"
#include "common/config.h"

struct backup_settings {
    const struct config *config; /* borrowed; must outlive the settings */
    struct server_target target; /* the admin account */
    char *password;              /* owned; NULL = none */
    const char *proxy_socket;    /* NULL when the proxy is not to be asked */
    const char *folder;          /* of the archives */
    const char *state_dir;
    char *journal;  /* in state_dir: changed server settings, see globals.h */
    char *run_lock; /* in state_dir: one run at a time, whoever starts it */
    bool physical, dump;
    const char *physical_type, *dump_type;
};

/* Checks that all types are valid names and differ. */
int backup_settings_of(
    const struct config *c, struct backup_settings *out, struct err *e) MUSTCHECK;
/* The same, and reads the admin's password file. */
int backup_settings_load(
    const struct config *c, struct backup_settings *out, struct err *e) MUSTCHECK;
void backup_settings_clear(struct backup_settings *s);

/* Files of a restore in state_dir, which the job writes and the keeper reads: the journal, and the
 * lines that a keeper takes up which did not begin it (backup/job/restore/restore.c). */
#define STATE_RUN_LOCK        "run.lock"
#define STATE_SERVER_SETTINGS "server-settings.json"
#define STATE_RESTORE_JOURNAL "restore.json"
#define STATE_RESTORE_TRAIL   "restore.trail"

/* The schedule of [backup] or [drill]; *has: there is one. */
int backup_schedule_load(const struct config *c, const char *section, bool *has, struct cron *out,
    struct err *e) MUSTCHECK;
/* Whether keeper and jobs would take these settings over. */
int backup_settings_check(const struct config *c, struct err *e) MUSTCHECK;

/* "daily", "weekly", "monthly", "hourly" and "yearly" without the @ of crontab(5), as people write
 * them; anything else is returned as it is. */
const char *backup_schedule_text(const char *text);

#endif
