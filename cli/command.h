/*
 * A command of elexgate(1). Each lives in its own file cmd_NAME.c, which defines
 *
 *     const struct command cmd_NAME = {"NAME", "[--option X] ARG", "what it does", run};
 *
 * To add one: its file in cli/meson.build, its name in the list in cli/commands.h.
 */
#ifndef ELEXGATE_CLI_COMMAND_H
#define ELEXGATE_CLI_COMMAND_H

struct cli;

struct command {
    const char *name; /* one word */
    const char *args; /* for the usage line; "" if none */
    const char *help; /* one line, no final period */
    /* argv[0] is the command's name. The global options (--config, --json, --help) have been taken
     * out of argv wherever they stood before a "--". Returns an exit code (common/exit_codes.h). */
    int (*run)(struct cli *cli, int argc, char **argv);
    const char *details; /* further lines of help: options, examples; NULL if none */
    const char *words;   /* for the shells: fixed words that args does not name; NULL if none */
};

#endif
