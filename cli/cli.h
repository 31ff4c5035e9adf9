/*
 * What the commands of elexgate(1) share: the global options, the configuration, talking to the
 * programs, failing in one way, and the user's language.
 *
 * Output: what was asked for goes to standard output, in words or, with --json, as one JSON object
 * (several commands stream: one object a line). Errors go to standard error, with --json as
 * {"ok":false,...} to standard output as well.
 */
#ifndef ELEXGATE_CLI_CLI_H
#define ELEXGATE_CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>

#include "cli/command.h"
#include "common/config.h"
#include "common/error.h"
#include "common/exit_codes.h"
#include "common/lang.h"
#include "common/shown.h"
#include "link/control.h"

struct cli {
    const struct command *command;
    const struct command *const
        *commands;           /* all, for those that tell of the others; NULL ends them */
    const char *config_path; /* --config, else $ELEXGATE_CONFIG, else NULL = the default path */
    bool json;
    enum lang lang;        /* by LC_ALL, LC_MESSAGES or LANG */
    struct config *config; /* loaded by cli_config */
};

/* The text in the user's language; tr_n: of one, or of many. */
__attribute__((format_arg(2))) static inline const char *tr(
    const struct cli *cli, const char *english)
{
    return lang_text(cli->lang, english);
}
__attribute__((format_arg(2), format_arg(3))) static inline const char *tr_n(
    const struct cli *cli, const char *one, const char *many, unsigned long long n)
{
    return lang_text_n(cli->lang, one, many, n);
}

/* Loads the configuration once. NULL after a failure that has been told; return EXIT_FAILED then.
 */
const struct config *cli_config(struct cli *cli);

/* To standard error, in the reader's language. */
void cli_warn(const struct cli *cli, const struct err *e);
/* Tells the error and returns code, for `return cli_fail(...)`. */
int cli_fail(const struct cli *cli, int code, const struct err *e);
/* The same with further members of the JSON answer, taken over. */
int cli_fail_with(const struct cli *cli, int code, const struct err *e, json_t *more);
/* What a job's last line says of its failure. */
int cli_fail_last(const struct cli *cli, int code, const json_t *last);
int cli_failf(const struct cli *cli, int code, const char *fmt, ...) PRINTF(3, 4);
/* Wrong arguments: tells it, with a hint to --help; returns EXIT_USAGE. */
int cli_usage(const struct cli *cli, const char *fmt, ...) PRINTF(2, 3);

/* A member's moment (common/shown.h); none where it is no time. */
const char *cli_time(const struct cli *cli, const json_t *o, const char *key, enum shown_form form,
    const char *none, char buf[static SHOWN_LEN]);
/* Somebody is there to be asked. */
bool cli_on_terminal(const struct cli *cli);
/* EXIT_USAGE, told: nobody is, and a script has to say --yes. */
int cli_nobody_to_ask(const struct cli *cli);
/* The whole word (N_("restore")) must be typed, in the user's language or in English: nobody agrees
 * by habit. The question is on the terminal already. EXIT_GOOD, or told: cancelled, or usage where
 * nobody is there to answer. */
int cli_confirm(struct cli *cli, const char *word) MUSTCHECK;

/* The programs with a control socket. */
enum cli_peer { CLI_PROXY, CLI_KEEPER };
/* Connects, or tells that the program is not reachable, where, and how to start it. Returns an exit
 * code; *out is set only with EXIT_GOOD; close it with control_close. timeout_ms: see
 * control_connect. */
int cli_connect(
    struct cli *cli, enum cli_peer peer, int timeout_ms, struct control **out) MUSTCHECK;
/* One request, one answer. Takes over the reference to request. A refusal ("ok":false) is told and
 * becomes an exit code; *answer is set only with EXIT_GOOD. */
int cli_call(struct cli *cli, enum cli_peer peer, int timeout_ms, json_t *request,
    json_t **answer) MUSTCHECK;

/* The same; with --json the answer is printed, and *answer stays NULL: nothing is to be said. */
int cli_ask(struct cli *cli, enum cli_peer peer, int timeout_ms, json_t *request,
    json_t **answer) MUSTCHECK;

/* Prints one JSON value in one line and flushes; cli_print_new takes it over. */
void cli_print_json(const json_t *value);
void cli_print_new(json_t *value);

/* What a word of the programs' means, in the user's language. */
struct cli_word {
    const char *key, *english;
};
/* words ends with {0}; a key that is not among them stands for itself. */
const char *cli_word(const struct cli *cli, const struct cli_word *words, const char *key);

#endif
