/*
 * elexgate migrate: from elexis-oob to Elexgate in containers. What is done is done by Docker's own
 * commands, in docker/migrate, which people without an installed elexgate run themselves.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/command.h"

/* Beside the sources of the build that this program lies in, else where it was installed. */
static char *script(void)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    for (int up = 0; n > 0 && up < 3; up++) {
        self[n] = '\0';
        char *slash = strrchr(self, '/');
        n = slash ? slash - self : 0;
    }
    char *near = xasprintf("%.*s/docker/migrate", (int)(n > 0 ? n : 0), self);
    if (access(near, X_OK) == 0)
        return near;
    free(near);
    return xstrdup(ELEXGATE_LIBEXECDIR "/migrate");
}

static int run(struct cli *cli, int argc, char **argv)
{
    _cleanup_free_ char *path = script();
    char **words = xcalloc((size_t)argc + 1, sizeof *words);
    words[0] = path;
    for (int i = 1; i < argc; i++)
        words[i] = argv[i];
    fflush(stdout);
    execv(path, words);
    int code = cli_failf(cli, EXIT_FAILED, "%s: %s", path, strerror(errno));
    free(words);
    return code;
}

const struct command cmd_migrate = {"migrate", "[--dry-run] [--host NAMES] [OPTIONS] [OLD-FOLDER]",
    "from elexis-oob's containers to Elexgate's, and back when it fails", run,
    "Finds the old .env, volumes and containers, makes dumps and a copy of the database that was\n"
    "shut down, sets up, starts, counts the tables, and goes back when something fails.\n"
    "--dry-run      looks, and shows what would be done and what changes for workstations\n"
    "--host NAMES   names and addresses that workstations use for this server\n"
    "--keep DIR     where the safety copies go\n"
    "--into DIR     the folder of Elexgate's docker-compose.yaml\n"
    "--undo         back to the old arrangement, with the copy in --keep DIR\n"
    "--yes          asks nothing\n"};
