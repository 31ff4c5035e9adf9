/*
 * What elexgate-job does for `elexgate verify`, `elexgate backups` and `elexgate schedule`: JSON
 * lines on standard output, the last one with "done":true; the CLI turns them into text. It works
 * without the keeper, so that a practice can look into its backups on any machine.
 *
 *   elexgate-job --config FILE verify [WHICH|--all] [--type TYPE] [--foreign]
 *   elexgate-job --config FILE list [--type TYPE]
 *   elexgate-job --config FILE remove RUN [--type TYPE]
 *   elexgate-job --config FILE mark RUN [--label TEXT] [--protect|--unprotect]
 *   elexgate-job --config FILE schedule [--count N] [--from ISO] ["M H D M W"]
 * and about who made a backup and where it lies, which a person decides:
 *   adopt RUN... [--type TYPE]   takes archives over that are not sealed by us, after a check
 *   key [show]                   the public key, its fingerprint, the former ones
 *   key sheet                    the same with the secret key, for the recovery sheet
 *   key rotate                   a new key; what the former ones sealed stays ours
 *   key import FILE              the key of the sheet, on a machine that was built anew
 *   folder [show]                is the backup medium the one that it should be
 *   folder init                  marks it, or makes another one known
 *
 * The job's main() hands over when archive_command_known(argv[0]).
 */
#ifndef ELEXGATE_BACKUP_JOB_COMMANDS_H
#define ELEXGATE_BACKUP_JOB_COMMANDS_H

#include <stdbool.h>
#include "backup/archive/store.h"
#include "common/config.h"

/* null for 0 */
json_t *archive_time_json(int64_t ms) MUSTCHECK;
/* What is known of an archive without opening it, as `list` tells it. */
json_t *archive_item_json(const char *folder, const struct store_item *it) MUSTCHECK;
bool archive_command_known(const char *name);
/* The others of them, each of which returns an exit code and fills the job's last line: in
 * command_schedule.c with
 * {"schedules":[{"what","schedule","words","next":[{"utc","local"}…]}…],"zone":…}; after a mistake
 * in a schedule "field" too; in command_seal.c. */
int command_schedule(
    const struct config *c, int argc, char **argv, json_t *last, struct err *e) MUSTCHECK;
int command_adopt(
    const struct config *c, int argc, char **argv, json_t *last, struct err *e) MUSTCHECK;
int command_key(
    const struct config *c, int argc, char **argv, json_t *last, struct err *e) MUSTCHECK;
int command_folder(
    const struct config *c, int argc, char **argv, json_t *last, struct err *e) MUSTCHECK;
/* The lock of all runs, where there are any. EXIT_BUSY when another one has it. */
int command_lock(const struct config *c, int *lock, struct err *e) MUSTCHECK;
/* argv[0] is the command's name. Returns the exit code (0, 1, 2, 6, 9, 10 as documented). */
int archive_command_run(const struct config *c, int argc, char **argv);

#endif
