/*
 * What elexgate restore says to a person: the plan before, the report after, the state between.
 */
#ifndef ELEXGATE_CLI_RESTORE_RESTORE_WORDS_H
#define ELEXGATE_CLI_RESTORE_RESTORE_WORDS_H

#include <jansson.h>
#include "cli/cli.h"

/* The events "plan", "restored" and "restore" of elexgate-job restore (borrowed); members that are
 * missing are left out. */
void restore_words_plan(const struct cli *cli, const json_t *plan);
/* status: the event "restore" of after it; NULL allowed. */
void restore_words_report(const struct cli *cli, const json_t *restored, const json_t *status);
void restore_words_status(const struct cli *cli, const json_t *status);
/* After a failure, to standard error: how things stand by the event "restore", and what to do. */
void restore_words_failed(const struct cli *cli, const json_t *status);

/* What SQL text would lose of what is there now; nothing is printed when it loses nothing. */
void restore_words_difference(const struct cli *cli, const json_t *difference);

#endif
