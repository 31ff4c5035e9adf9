/*
 * The help of elexgate(1), in the reader's language and within 80 columns, made from the commands'
 * own tables: for the terminal and for the shells that complete.
 */
#ifndef ELEXGATE_CLI_HELP_H
#define ELEXGATE_CLI_HELP_H

#include <stdio.h>

#include "cli/command.h"
#include "common/lang.h"

/* commands: all, in the order of the help; NULL ends them. Returns NULL where none has that name.
 */
const struct command *help_find(const struct command *const *commands, const char *name);

/* The list of commands, and the global options. */
void help_overview(FILE *f, enum lang lang, const struct command *const *commands);
/* How one command is called, what it does, its options. */
void help_command(FILE *f, enum lang lang, const struct command *c);
#endif
