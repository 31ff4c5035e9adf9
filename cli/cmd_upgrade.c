/*
 * elexgate upgrade: the running proxy starts its own program anew, which takes over the listening
 * sockets; the sessions stay with the old process.
 */
#include <inttypes.h>
#include <stdio.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "common/json_get.h"
#include "common/shown.h"

/* The proxy itself gives a new process 30 s. */
#define TIMEOUT_MS 40000

static int run_upgrade(struct cli *cli, int argc, char **argv)
{
    _cleanup_json_ json_t *answer = NULL;
    char human[32];
    int code = args_parse(cli, argc, argv, NULL, 0, 0, NULL);
    if (code == EXIT_GOOD)
        code = cli_ask(cli, CLI_PROXY, TIMEOUT_MS, json_pack("{s:s}", "cmd", "upgrade"), &answer);
    if (!answer)
        return code;
    int64_t sessions = output_number(answer, "sessions", 0);
    printf(
        tr(cli, "The new proxy serves: process %" PRId64 ".\n"), output_number(answer, "pid", 0));
    if (sessions > 0)
        printf(tr(cli, "%" PRId64 " sessions stay with the old one (process %" PRId64
                       "), at most %s more.\n"),
            sessions, output_number(answer, "old_pid", 0),
            shown_duration(cli->lang, output_number(answer, "timeout_ms", 0), human, sizeof human));
    return code;
}

const struct command cmd_upgrade = {
    "upgrade",
    "",
    N_("put a newly installed proxy in place of the running one; nobody is disconnected"),
    run_upgrade,
    (const struct help_line[]){
        {NULL, N_("The running proxy starts its program again, with the same configuration file.")},
        {NULL,
            N_("The new process lets clients in from then on; sessions stay with the old one until they end, at most for [proxy] handover_timeout.")},
        {NULL, N_("If the new one cannot start, nothing changes.")},
        {0},
    },
};
