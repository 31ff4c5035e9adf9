#include "cli/restore/restore_into.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/output.h"
#include "cli/progress.h"
#include "common/json_get.h"
#include "common/shown.h"

static bool event_is(const json_t *line, const char *event)
{
    return strcmp(json_get_text(line, "event"), event) == 0;
}

static void tell_unpacked(const struct cli *cli, const json_t *line)
{
    _cleanup_free_ char *folder = output_member(line, "folder"), *run = output_member(line, "run");
    size_t i;
    json_t *type;
    printf(tr(cli, "Unpacked %s into %s, every file as in its manifest:\n"), run, folder);
    json_array_foreach (json_object_get(line, "types"), i, type) {
        char size[SHOWN_LEN];
        _cleanup_free_ char *name = output_member(type, "type");
        printf("  %s/%s  %s\n", folder, name,
            shown_bytes(cli->lang, (uint64_t)output_number(type, "bytes", 0), size, sizeof size));
    }
}

/* The database with the most tables is the one that somebody wants to look at. */
static char *main_database(const json_t *databases)
{
    size_t i;
    const json_t *d, *best = NULL;
    json_array_foreach ((json_t *)(uintptr_t)databases, i, d)
        if (!best || output_number(d, "tables", 0) > output_number(best, "tables", 0))
            best = d;
    return output_member(best, "name");
}

static void tell_serving(const struct cli *cli, const json_t *line)
{
    const json_t *databases = json_object_get(line, "databases");
    _cleanup_free_ char *socket = output_member(line, "socket"), *run = output_member(line, "run"),
                        *version = output_member(line, "version"),
                        *database = main_database(databases);
    char when[SHOWN_LEN];
    size_t i;
    const json_t *d;
    printf(tr(cli, "\nA throwaway server (%s) on the data of %s listens on %s only.\n"), version,
        shown_run(cli->lang, run, when, sizeof when), socket);
    json_array_foreach ((json_t *)(uintptr_t)databases, i, d) {
        _cleanup_free_ char *name = output_member(d, "name");
        printf(tr(cli, "  database %s, %" PRId64 " tables\n"), name, output_number(d, "tables", 0));
    }
    printf(tr(cli, "\nTo look into it, in another window:\n  mariadb --socket=%s --user=root %s\n"),
        socket, database);
    printf(tr(cli, "To take one table out of it:\n"
                   "  mariadb-dump --socket=%s --user=root %s TABLE > TABLE.sql\n"),
        socket, database);
    printf("%s\n", tr(cli, "\nCtrl-C ends it. The practice's database is not touched."));
    fflush(stdout);
}

static bool tell_into(struct cli *cli, const json_t *line, void *ctx)
{
    bool *serving = ctx;
    if (event_is(line, "unpacked"))
        tell_unpacked(cli, line);
    else if (event_is(line, "serving"))
        tell_serving(cli, line);
    else if (*serving && progress_good_end(line))
        printf("%s\n", tr(cli, "The throwaway server is stopped; the folder can be served again."));
    else
        return false;
    *serving |= event_is(line, "serving");
    return true;
}

int restore_run_into(struct cli *cli, json_t *ask)
{
    bool serving = false, serve = json_object_get(ask, "socket");
    (void)json_object_set_new(ask, "action", json_string(serve ? "serve" : "into"));
    if (!serve && !json_object_get(ask, "which") && !json_object_get(ask, "to") &&
        !json_object_get(ask, "before"))
        (void)json_object_set_new(ask, "which", json_string("latest"));
    _cleanup_free_ char *text = json_dumps(ask, JSON_COMPACT);
    return progress_run(cli, (const char *const[]){"restore", text, NULL}, tell_into, &serving);
}
