/*
 * What elexgate-job does for `elexgate backups adopt`, `elexgate backup-key` and `elexgate
 * backup-folder`: everything about who made a backup and where it lies that a person decides.
 *
 *   adopt RUN... [--type TYPE]   takes archives over that are not sealed by us, after a check
 *   key [show]                   the public key, its fingerprint, the former ones
 *   key sheet                    the same with the secret key, for the recovery sheet
 *   key rotate                   a new key; what the former ones sealed stays ours
 *   key import FILE              the key of the sheet, on a machine that was built anew
 *   folder [show]                is the backup medium the one that it should be
 *   folder init                  marks it, or makes another one known
 */
#ifndef ELEXGATE_BACKUP_JOB_COMMAND_SEAL_H
#define ELEXGATE_BACKUP_JOB_COMMAND_SEAL_H

#include <jansson.h>
#include "common/config.h"

/* Each returns an exit code and fills the job's last line. */
int command_adopt(
    const struct config *c, int argc, char **argv, json_t *last, struct err *e) MUSTCHECK;
int command_key(
    const struct config *c, int argc, char **argv, json_t *last, struct err *e) MUSTCHECK;
int command_folder(
    const struct config *c, int argc, char **argv, json_t *last, struct err *e) MUSTCHECK;

/* The lock of all runs, where there are any. EXIT_BUSY when another one has it. */
int command_lock(const struct config *c, int *lock, struct err *e) MUSTCHECK;

#endif
