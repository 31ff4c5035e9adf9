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
    const char *what;
    _cleanup_json_ json_t *answer = NULL;
    int code = args_parse(cli, argc, argv, NULL, 0, 1, &what);
    if (code != EXIT_GOOD)
        return code;
    bool init = what && strcmp(what, "init") == 0;
    if (what && !init && strcmp(what, "show") != 0)
        return cli_usage(cli, "show or init, not \"%s\"", what);
    code = job_stream_answer(
        cli, (const char *const[]){"folder", init ? "init" : "show", NULL}, &answer);
    if (answer)
        tell_folder(cli, answer, init);
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
