/*
 * elexgate config set: options changed in the file, comments kept, and taken over by the keeper.
 */
#ifndef ELEXGATE_CLI_CONFIG_SET_H
#define ELEXGATE_CLI_CONFIG_SET_H

#include "cli/cli.h"

/* words: "section.key=value", then NULL; an empty value takes the option out of the file. Exit
 * code. */
int config_set(struct cli *cli, const char *const *words) MUSTCHECK;

#endif
