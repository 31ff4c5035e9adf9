#include "cli/restore/restore_into.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/job_stream.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "common/json_get.h"

#define WORDS_MAX 40
#define RECORD    ".elexgate-into.json" /* by the job, once everything is unpacked */

struct lines {
    struct cli *cli;
    struct progress progress;
    bool serving;
};

static bool is(const json_t *line, const char *event)
{
    const char *s = json_get_text(line, "event");
    return strcmp(s, event) == 0;
}

static void tell_unpacked(const struct cli *cli, const json_t *line)
{
    _cleanup_free_ char *folder = output_member(line, "folder"), *run = output_member(line, "run");
    size_t i;
    json_t *type;
    printf(tr(cli, "Unpacked %s into %s, every file as in its manifest:\n"), run, folder);
    json_array_foreach (json_object_get(line, "types"), i, type) {
        char size[OUTPUT_BYTES_LEN];
        _cleanup_free_ char *name = output_member(type, "type");
        printf("  %s/%s  %s\n", folder, name,
            output_bytes((uint64_t)output_number(type, "bytes", 0), size));
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
    size_t i;
    const json_t *d;
    printf(tr(cli, "\nA throwaway server (%s) on the data of %s listens on %s only.\n"), version,
        run, socket);
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

static void on_line(void *ctx, const json_t *line)
{
    struct lines *l = ctx;
    bool ended = l->serving && json_get_true(line, "done") && json_get_true(line, "ok");
    if (l->progress.raw || !(is(line, "unpacked") || is(line, "serving") || ended)) {
        progress_line(&l->progress, line);
        return;
    }
    progress_clear(&l->progress);
    if (is(line, "unpacked"))
        tell_unpacked(l->cli, line);
    else if (is(line, "serving")) {
        l->serving = true;
        tell_serving(l->cli, line);
    } else
        printf(
            "%s\n", tr(l->cli, "The throwaway server is stopped; the folder can be served again."));
}

static int run_job(struct cli *cli, const char *const *args)
{
    struct lines l = {.cli = cli};
    progress_init(&l.progress, cli);
    return job_stream_run(cli, args, on_line, &l);
}

static bool unpacked_before(const char *dir)
{
    _cleanup_free_ char *path = xasprintf("%s/" RECORD, dir);
    return access(path, F_OK) == 0;
}

int restore_run_into(struct cli *cli, const struct restore_into *in)
{
    const char *args[WORDS_MAX + 12] = {"restore", "into"};
    size_t n = 2;
    int code = EXIT_GOOD;
    if (in->n > 0 || in->moment_n > 0 || !in->socket || !unpacked_before(in->dir)) {
        if (in->foreign)
            args[n++] = "--foreign";
        for (size_t i = 0; i < in->moment_n; i++)
            args[n++] = in->moment[i];
        args[n++] = in->dir;
        if (in->n || !in->moment_n)
            args[n++] = in->n ? in->words[0] : "latest";
        for (size_t i = 1; i < in->n && n < WORDS_MAX + 11; i++)
            args[n++] = in->words[i];
        code = run_job(cli, args);
    }
    if (code != EXIT_GOOD || !in->socket)
        return code;
    const char *serve[] = {"restore", "serve", in->dir, in->socket, NULL};
    return run_job(cli, serve);
}
