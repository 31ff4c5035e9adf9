/*
 * elexgate opened: backups that the page has opened for reading.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "common/json_get.h"

#define TIMEOUT_MS 10000

static const struct cli_word states[] = {
    {"opening", N_("is being unpacked")},
    {"open", N_("open")},
    {"closing", N_("is being closed")},
    {"failed", N_("could not stay open")},
    {0},
};

static void print_opened(const struct cli *cli, const json_t *one)
{
    char since[SHOWN_LEN], until[SHOWN_LEN];
    _cleanup_free_ char *which = output_member(one, "which"),
                        *socket = output_member(one, "socket"), *user = output_member(one, "user"),
                        *error = output_words(cli->lang, one, "error");
    const char *state = json_get_text(one, "state");
    printf(
        "%" PRId64 "  %s  %s\n", output_number(one, "id", 0), which, cli_word(cli, states, state));
    if (strcmp(state, "open") == 0) {
        printf(tr(cli, "   since %s, until %s\n"),
            cli_time(cli, one, "since", SHOWN_WHEN, "?", since),
            cli_time(cli, one, "until", SHOWN_WHEN, "?", until));
        printf("   mariadb --socket=%s --user=%s\n", socket, user);
    } else if (*error) {
        printf("   %s\n", error);
    }
}

static int close_opened(struct cli *cli, const char *number)
{
    char *end;
    long id = strtol(number, &end, 10);
    _cleanup_json_ json_t *answer = NULL;
    if (end == number || *end)
        return cli_usage(
            cli, "%s", tr(cli, "which one? Its number is in front of it in `elexgate opened`"));
    return cli_ask(cli, CLI_KEEPER, TIMEOUT_MS,
        json_pack("{s:s, s:I}", "cmd", "close-backup", "id", (json_int_t)id), &answer);
}

static int run_opened(struct cli *cli, int argc, char **argv)
{
    _cleanup_json_ json_t *answer = NULL;
    if (argc == 3 && strcmp(argv[1], "close") == 0)
        return close_opened(cli, argv[2]);
    int code = args_parse(cli, argc, argv, NULL, 0, 0, NULL);
    if (code == EXIT_GOOD)
        code = cli_call(cli, CLI_KEEPER, TIMEOUT_MS, json_pack("{s:s}", "cmd", "status"), &answer);
    if (code != EXIT_GOOD)
        return code;
    const json_t *list = json_object_get(answer, "opened"), *one;
    size_t i;
    if (cli->json)
        cli_print_json(list);
    else if (json_array_size(list) == 0)
        printf("%s\n", tr(cli, "Nothing is open for reading."));
    else
        json_array_foreach ((json_t *)(uintptr_t)list, i, one)
            print_opened(cli, one);
    return EXIT_GOOD;
}

const struct command cmd_opened = {
    "opened",
    "[close NUMBER]",
    N_("show the backups that the page has opened for reading, or close one"),
    run_opened,
    (const struct help_line[]){
        {"close NUMBER", N_("close it now: its server ends, and its disk space is given back")},
        {NULL,
            N_("Each closes by itself after [restore] open_for. Another way to look at an old state, without the page and for as long as you like: elexgate restore WHICH --into DIR --serve SOCKET.")},
        {0},
    },
    "close",
};
