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
 *   elexgate-job --config FILE adopt | key | folder ...     see command_seal.h
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
/* argv[0] is the command's name. Returns the exit code (0, 1, 2, 6, 9, 10 as documented). */
int archive_command_run(const struct config *c, int argc, char **argv);

#endif
