/*
 * elexgate kill, reload, log-level: small orders to the proxy; reload is for the keeper too.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "common/json_get.h"
#include "common/log_line.h"
#include "common/units.h"
#include "link/control.h"

#define TIMEOUT_MS 15000

static int run_kill(struct cli *cli, int argc, char **argv)
{
    _cleanup_json_ json_t *answer = NULL;
    const char *text;
    int64_t id;
    int code = args_parse(cli, argc, argv, NULL, 1, 1, &text);
    if (code != EXIT_GOOD)
        return code;
    if (units_parse_int(text, &id) < 0 || id < 0)
        return cli_usage(cli, "\"%s\" is not a session's number; see: elexgate sessions", text);
    code = cli_ask(cli, CLI_PROXY, TIMEOUT_MS,
        json_pack("{s:s, s:I}", "cmd", "kill", "session", (json_int_t)id), &answer);
    if (answer)
        printf(tr(cli, "Session %" PRId64 " was ended.\n"), id);
    return code;
}

static bool has(const json_t *list, const json_t *value)
{
    const json_t *v;
    size_t i;
    json_array_foreach (list, i, v)
        if (json_equal(v, value))
            return true;
    return false;
}

/* Both programs read the one file and tell of all that changed in it: what only the keeper tells
 * of is added. A keeper that does not run reads it when it starts. */
static int reload_keeper(struct cli *cli, bool force, json_t *answer)
{
    static const char *const lists[] = {"changed", "restart_needed"};
    const char *socket = config_str(cli_config(cli), "backup", NULL, "control_socket");
    _cleanup_json_ json_t *request = json_pack("{s:s, s:b}", "cmd", "reload", "force", force),
                          *keeper = NULL;
    struct err e = {0};
    int r = control_call(socket, TIMEOUT_MS, request, &keeper, &e);
    if (r == -ENOENT || r == -ECONNREFUSED)
        return EXIT_GOOD;
    if (r < 0)
        return cli_fail(cli, exit_code_of_call(err_prefix(&e, r, "elexgate-keeper")), &e);
    for (size_t l = 0; l < 2; l++) {
        json_t *all = json_object_get(answer, lists[l]), *v;
        size_t i;
        json_array_foreach (json_object_get(keeper, lists[l]), i, v)
            if (!has(all, v))
                json_array_append(all, v);
    }
    return EXIT_GOOD;
}

static int run_reload(struct cli *cli, int argc, char **argv)
{
    bool force = false;
    const struct args_option options[] = {{"--force", .flag = &force}, {0}};
    _cleanup_json_ json_t *answer = NULL;
    int code = args_parse(cli, argc, argv, options, 0, 0, NULL);
    if (code == EXIT_GOOD)
        code = cli_call(cli, CLI_PROXY, TIMEOUT_MS,
            json_pack("{s:s, s:b}", "cmd", "reload", "force", (int)force), &answer);
    if (code == EXIT_GOOD)
        code = reload_keeper(cli, force, answer);
    if (code != EXIT_GOOD)
        return code;
    if (cli->json) {
        cli_print_json(answer);
    } else {
        printf("%s\n", tr(cli, "Reloaded: configuration and certificates."));
        output_texts(tr(cli, "Changed"), json_object_get(answer, "changed"));
        output_texts(tr(cli, "Needs a restart"), json_object_get(answer, "restart_needed"));
    }
    return EXIT_GOOD;
}

static int run_log_level(struct cli *cli, int argc, char **argv)
{
    _cleanup_json_ json_t *answer = NULL;
    const char *text;
    enum log_level level;
    int code = args_parse(cli, argc, argv, NULL, 1, 1, &text);
    if (code != EXIT_GOOD)
        return code;
    if (!log_level_parse(text, &level))
        return cli_usage(cli, "the level must be error, warning, info or debug, not \"%s\"", text);
    code = cli_ask(cli, CLI_PROXY, TIMEOUT_MS,
        json_pack("{s:s, s:s}", "cmd", "log-level", "level", log_level_name(level)), &answer);
    if (answer)
        printf(tr(cli, "The proxy logs at level %s until its next restart or reload.\n"),
            log_level_name(level));
    return code;
}

const struct command cmd_kill = {
    "kill",
    "SESSION",
    N_("end one session, named by its number in \"elexgate sessions\""),
    run_kill,
};
const struct command cmd_reload = {
    "reload",
    "[--force]",
    N_("take over changed settings and certificates without touching sessions"),
    run_reload,
    (const struct help_line[]){
        {NULL,
            N_("A file that lacks options which it had before, or that is cut off, is refused: the old settings serve on. --force takes it over all the same.")},
        {0},
    },
};
const struct command cmd_log_level = {
    "log-level",
    "LEVEL",
    N_("set how much the proxy logs: error, warning, info or debug"),
    run_log_level,
    NULL,
    "error warning info debug",
};
