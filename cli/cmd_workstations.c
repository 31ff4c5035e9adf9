/*
 * elexgate workstations: who came lately and how, for the roll-out of TLS.
 */
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "common/clock.h"
#include "common/json_get.h"
#include "common/shown.h"

#define TIMEOUT_MS 10000

static const struct cli_word hows[] = {
    {"certificate", N_("TLS, own certificate")},
    {"tls", N_("TLS")},
    {"plain", N_("without TLS")},
    {"no_tls", N_("tries without TLS")},
    {"distrust", N_("refuses our certificate")},
    {"refused", N_("not allowed")},
    {0},
};

static bool uses_tls(const json_t *row)
{
    const char *how = json_get_text(row, "how");
    return strcmp(how, "tls") == 0 || strcmp(how, "certificate") == 0;
}

static void print_board(const struct cli *cli, const json_t *answer)
{
    const json_t *list = json_object_get(answer, "workstations"), *row;
    struct table *t = table_create((const char *const[]){tr(cli, "!ADDRESS"), "NAME",
        tr(cli, "!HOW"), tr(cli, "LAST SEEN"), tr(cli, "USER"), tr(cli, "PROGRAM"), NULL});
    size_t i;
    int done = 0, all = 0;
    json_array_foreach (list, i, row) {
        _cleanup_free_ char *address = output_member(row, "address"),
                            *name = output_member(row, "name"), *user = output_member(row, "user"),
                            *program = output_member(row, "program");
        int64_t then = 0, now = clock_wall_ms();
        char ago[SHOWN_LEN];
        (void)clock_parse(json_get_text(row, "seen"), &then);
        shown_ago(cli->lang, now - then, ago, sizeof ago);
        bool counts = !json_get_true(row, "tls_off") &&
                      strcmp(json_get_text(row, "how"), "refused") != 0;
        all += counts;
        done += counts && uses_tls(row);
        table_add(t, (const char *const[]){address, name,
                         cli_word(cli, hows, json_get_text(row, "how")), ago, user, program});
    }
    if (json_array_size(list) == 0)
        printf("%s\n", tr(cli, "Nobody has come yet."));
    table_end(t);
    if (all > 0)
        printf(tr(cli, "\n%d of %d use TLS.\n"), done, all);
}

static int tell_proxy(struct cli *cli, const char *address, const char *name)
{
    _cleanup_json_ json_t *answer = NULL;
    json_t *request = json_pack("{s:s, s:s, s:s*, s:b}", "cmd", "workstation", "address", address,
        "name", name, "forget", name == NULL);
    return cli_ask(cli, CLI_PROXY, TIMEOUT_MS, request, &answer);
}

static int run_workstations(struct cli *cli, int argc, char **argv)
{
    _cleanup_json_ json_t *answer = NULL;
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "name") == 0 && argc == 4)
        return tell_proxy(cli, argv[2], argv[3]);
    if (strcmp(what, "forget") == 0 && argc == 3)
        return tell_proxy(cli, argv[2], NULL);
    int code = args_parse(cli, argc, argv, NULL, 0, 0, NULL);
    if (code == EXIT_GOOD)
        code = cli_ask(
            cli, CLI_PROXY, TIMEOUT_MS, json_pack("{s:s}", "cmd", "workstations"), &answer);
    if (answer)
        print_board(cli, answer);
    return code;
}

const struct command cmd_workstations = {
    "workstations",
    "[name ADDRESS NAME | forget ADDRESS]",
    N_("show who connected lately and how: the change to TLS"),
    run_workstations,
    (const struct help_line[]){
        {"name ADDRESS NAME", N_("call it so; an empty NAME takes the name away")},
        {"forget ADDRESS", N_("leave it out until it comes again")},
        {NULL, N_("\"refuses our certificate\": it checks, and knows another CA or another name.")},
        {0},
    },
    "name forget",
};
