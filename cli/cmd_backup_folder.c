/*
 * elexgate backup-folder: is the backup medium the right one; init: marks it.
 */
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/job_stream.h"
#include "cli/output.h"
#include "common/json_get.h"
#include "common/phrase.h"

static void keep_last(void *ctx, const json_t *line)
{
    json_t **last = ctx;
    if (!json_get_true(line, "done"))
        return;
    json_decref(*last);
    *last = json_deep_copy(line);
}

static void tell_folder(struct cli *cli, const json_t *last, bool init)
{
    _cleanup_free_ char *folder = output_member(last, "folder"), *id = output_member(last, "id"),
                        *state = output_member(last, "state");
    if (init)
        printf(tr(cli, "%s is marked as a backup medium (%s).\n"), folder, id);
    else if (strcmp(state, "fresh") == 0)
        printf(tr(cli, "%s is not marked yet; the first backup does that.\n"), folder);
    else
        printf(tr(cli, "%s: the medium is there (%s).\n"), folder, id);
}

static int run_backup_folder(struct cli *cli, int argc, char **argv)
{
    bool init = argc > 1 && strcmp(argv[1], "init") == 0;
    struct args a = args_begin(cli, argc, argv);
    int code = args_operands(&a, 0, 1);
    _cleanup_json_ json_t *last = NULL;
    if (code != EXIT_GOOD)
        return code;
    if (argc > 1 && !init && strcmp(argv[1], "show") != 0)
        return cli_usage(cli, "show or init, not \"%s\"", argv[1]);
    const char *args[] = {"folder", init ? "init" : "show", NULL};
    code = job_stream_run(cli, args, keep_last, &last);
    if (last && cli->json)
        cli_print_json(last);
    else if (last && code == EXIT_GOOD)
        tell_folder(cli, last, init);
    else if (last)
        cli_fail_last(cli, code, last);
    return code;
}

const struct command cmd_backup_folder = {
    "backup-folder",
    "[show|init]",
    N_("say whether the backup medium is the right one; or mark it"),
    run_backup_folder,
    (const struct help_line[]){
        {"show",
            N_("say whether the medium in [archive] folder is one that is known (the default)")},
        {"init",
            N_("mark it, or make another one known: a new stick, a second one that takes turns")},
        {NULL, N_("The mark is a small file, elexgate-medium.json.")},
        {NULL,
            N_("A backup is refused where it is missing: a disk that is away leaves an empty folder behind, which looks like any other.")},
        {0},
    },
};
