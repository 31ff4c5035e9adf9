/*
 * elexgate restore --into DIR: a run unpacked elsewhere, and with --serve a throwaway server on it.
 */
#ifndef ELEXGATE_CLI_RESTORE_RESTORE_INTO_H
#define ELEXGATE_CLI_RESTORE_RESTORE_INTO_H

#include "cli/cli.h"

/* ask: the request with "folder", and "socket" for a server. Returns the exit code. Serving lasts
 * until Ctrl-C. */
int restore_run_into(struct cli *cli, json_t *ask) MUSTCHECK;

#endif
