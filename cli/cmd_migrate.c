/*
 * elexgate migrate: from elexis-oob to Elexgate in containers. What is done is done by Docker's own
 * commands, in docker/migrate, which people without an installed elexgate run themselves.
 */
#include "cli/cli.h"
#include "cli/command.h"
#include "common/process.h"

static int run_migrate(struct cli *cli, int argc, char **argv)
{
    struct err e;
    _cleanup_free_ char *path = process_beside("../docker/migrate", ELEXGATE_LIBEXECDIR "/migrate");
    _cleanup_free_ const char **words = xcalloc((size_t)argc + 1, sizeof *words);
    words[0] = path;
    for (int i = 1; i < argc; i++)
        words[i] = argv[i];
    return process_become(words, &e) < 0 ? cli_fail(cli, EXIT_FAILED, &e) : EXIT_GOOD;
}

const struct command cmd_migrate = {
    "migrate",
    "[--dry-run] [--host NAMES] [OPTIONS] [OLD-FOLDER]",
    N_("move from elexis-oob's containers to Elexgate's, and back when it fails"),
    run_migrate,
    (const struct help_line[]){
        {NULL,
            N_("Finds the old .env, volumes and containers, makes dumps and a copy of the database that was shut down, sets up, starts, counts the tables, and goes back when something fails.")},
        {"--dry-run", N_("look, and show what would be done and what changes for workstations")},
        {"--host NAMES", N_("names and addresses that workstations use for this server")},
        {"--keep DIR", N_("where the safety copies go")},
        {"--into DIR", N_("the folder of Elexgate's docker-compose.yaml")},
        {"--undo", N_("go back to the old arrangement, with the copy in --keep DIR")},
        {"--yes", N_("ask nothing")},
        {0},
    },
};
