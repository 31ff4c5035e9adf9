/*
 * The list of commands, in the order of the help. One line each.
 */
#ifndef ELEXGATE_CLI_COMMANDS_H
#define ELEXGATE_CLI_COMMANDS_H

#include "cli/command.h"

/* clang-format off */
#define COMMANDS(X) \
    X(init) \
    X(migrate) \
    X(status) \
    X(sessions) \
    X(workstations) \
    X(watch) \
    X(block) \
    X(open) \
    X(drain) \
    X(kill) \
    X(reload) \
    X(upgrade) \
    X(log) \
    X(log_level) \
    X(config) \
    X(cert) \
    X(backup) \
    X(drill) \
    X(rehearse) \
    X(doctor) \
    X(backups) \
    X(info) \
    X(diff) \
    X(backup_key) \
    X(backup_folder) \
    X(verify) \
    X(schedule) \
    X(restore) \
    X(timeline) \
    X(changes) \
    X(rescue) \
    X(opened) \
    X(metrics) \
    X(notify) \
    X(completion) \
    /* end of the list */
/* clang-format on */

#define COMMAND_DECLARE(name) extern const struct command cmd_##name;
COMMANDS(COMMAND_DECLARE)
#undef COMMAND_DECLARE

#endif
