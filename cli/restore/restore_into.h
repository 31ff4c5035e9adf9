/*
 * elexgate restore --into DIR: a run unpacked elsewhere, and with --serve a throwaway server on it.
 */
#ifndef ELEXGATE_CLI_RESTORE_RESTORE_INTO_H
#define ELEXGATE_CLI_RESTORE_RESTORE_INTO_H

#include "cli/cli.h"

struct restore_into {
    const char *dir, *socket; /* socket NULL = unpack only */
    const char *const *words; /* WHICH and types; none: latest, or what dir holds already */
    size_t n;
    const char *const *moment; /* further options of the job */
    size_t moment_n;
    bool foreign;
};

/* Returns the exit code. Serving lasts until Ctrl-C. */
int restore_run_into(struct cli *cli, const struct restore_into *in) MUSTCHECK;

#endif
