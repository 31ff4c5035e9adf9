/*
 * The backup's lines in `elexgate status`.
 */
#ifndef ELEXGATE_CLI_STATUS_BACKUP_H
#define ELEXGATE_CLI_STATUS_BACKUP_H

#include <jansson.h>
#include <stdio.h>

#include "cli/cli.h"

/* The keeper's status, or JSON null when it does not run; new reference. Tells nothing. */
json_t *status_backup_ask(struct cli *cli) MUSTCHECK;
void status_backup_print(FILE *f, const struct cli *cli, const json_t *keeper);

#endif
