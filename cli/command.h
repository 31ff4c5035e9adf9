/*
 * A command of elexgate(1). Each lives in its own file cmd_NAME.c, which defines
 *
 *     const struct command cmd_NAME = {"NAME", "[--option X] ARG", N_("do it"), run};
 *
 * To add one: its file in cli/meson.build, its name in the list in cli/commands.h.
 */
#ifndef ELEXGATE_CLI_COMMAND_H
#define ELEXGATE_CLI_COMMAND_H

struct cli;

/* A line of help: an option or a word with what it does, or (term NULL) a sentence of its own;
 * {0} ends a list. The text is a key of the catalogue, N_("..."): what it does as an imperative,
 * without a final period. Two blanks in front of the term: belongs to the entry above. */
struct help_line {
    const char *term, *text;
};

struct command {
    const char *name; /* one word */
    const char *args; /* for the usage line; "" if none */
    const char *help; /* N_("..."), an imperative, no final period */
    /* argv[0] is the command's name. The global options (--config, --json, --help) have been taken
     * out of argv wherever they stood before a "--". Returns an exit code (common/exit_codes.h). */
    int (*run)(struct cli *cli, int argc, char **argv);
    const struct help_line *details; /* NULL if none */
    const char *words; /* for the shells: fixed words that args does not name; NULL if none */
};

#endif
