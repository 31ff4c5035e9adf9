/*
 * [archive] and [retention] from the configuration, as the engine takes them.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_ARCHIVE_SETTINGS_H
#define ELEXGATE_BACKUP_ARCHIVE_ARCHIVE_SETTINGS_H

#include "backup/archive/pack.h"
#include "backup/rules/retention.h"
#include "common/config.h"

struct archive_settings {
    struct pack_options pack; /* folder, backend, level, threads, rate, recipients, passphrase; the
                                 caller adds type, run, strict and the callbacks */
    struct retention_policy retention;
    const char *identity_file; /* NULL when not set */
    const char *const *trust;  /* public keys of others, NULL-terminated */
    char *passphrase;          /* owned; NULL = none */
};

/* Reads the passphrase file. The config must outlive the settings. */
int archive_settings_load(
    const struct config *c, struct archive_settings *out, struct err *e) MUSTCHECK;
void archive_settings_clear(struct archive_settings *s);

#endif
