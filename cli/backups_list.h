/*
 * The backups as `elexgate backups` shows them: one line for the question whether they can be
 * relied on, a row each, and the archived binary log.
 */
#ifndef ELEXGATE_CLI_BACKUPS_LIST_H
#define ELEXGATE_CLI_BACKUPS_LIST_H

#include <jansson.h>
#include "cli/cli.h"

/* last: the answer of `elexgate-job list`. */
/* Of one archive: what there is to say beside the numbers, and what its proof went through. */
char *backups_list_note(const struct cli *cli, const json_t *item) MUSTCHECK;
char *backups_list_proof(const struct cli *cli, const json_t *item) MUSTCHECK;
void backups_list_print(const struct cli *cli, const json_t *last);

#endif
