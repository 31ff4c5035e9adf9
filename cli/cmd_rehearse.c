/*
 * elexgate rehearse: the newest backup under a newer database server, before the real one is
 * upgraded; one page that says whether that is safe.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "common/json_get.h"

#define SHOWN 40

/* A list with a heading, or nothing. */
static void print_list(
    const struct cli *cli, const json_t *page, const char *key, const char *heading)
{
    const json_t *list = json_object_get(page, key), *o;
    size_t i, n = json_array_size(list);
    if (n == 0)
        return;
    printf("\n%s\n", tr(cli, heading));
    json_array_foreach ((json_t *)(uintptr_t)list, i, o) {
        if (i == SHOWN) {
            printf(tr(cli, "  and %zu more\n"), n - i);
            break;
        }
        _cleanup_free_ char *name = output_member(o, "name"),
                            *value = output_words(cli->lang, o, "value");
        if (json_object_get(o, "line"))
            printf(tr(cli, "  line %" PRId64 ": %s\n"), output_number(o, "line", 0), value);
        else
            printf("  %s%s%s\n", name, *value ? "  " : "", value);
    }
}

static void print_changed(const struct cli *cli, const json_t *page)
{
    const json_t *list = json_object_get(page, "changed"), *o;
    size_t i;
    if (json_array_size(list) > 0)
        printf("\n%s\n",
            tr(cli,
                "Other defaults (where the configuration sets nothing; to keep the old one, set it there):"));
    json_array_foreach ((json_t *)(uintptr_t)list, i, o) {
        _cleanup_free_ char *name = output_member(o, "name"), *was = output_member(o, "before"),
                            *is = output_member(o, "after");
        printf("  %s: %s -> %s\n", name, *was ? was : "-", *is ? is : "-");
    }
}

static void print_data(const struct cli *cli, const json_t *page)
{
    _cleanup_free_ char *problem = output_words(cli->lang, page, "problem");
    const json_t *queries = json_object_get(page, "queries");
    if (*problem)
        printf("\n%s\n  %s\n", tr(cli, "It did not go well:"), problem);
    printf(tr(cli, "\nTables: %" PRId64 " checked, %" PRId64 " rows counted, %" PRId64
                   " checksums as in the backup%s.\n"),
        output_number(page, "tables", 0), output_number(page, "rows", 0),
        output_number(page, "checksums", 0),
        json_get_true(page, "across") ? tr(cli, ", after mariadb-upgrade") : "");
    printf(tr(cli, "Accounts: %zu. Collations in use: %zu.\n"),
        json_array_size(json_object_get(page, "accounts")),
        json_array_size(json_object_get(page, "collations")));
    if (queries)
        printf(tr(cli, "Statements of yours: %" PRId64 " ran, %" PRId64
                       " do not only read and were left out.\n"),
            output_number(queries, "ran", 0), output_number(queries, "skipped", 0));
}

static void print_page(const struct cli *cli, const json_t *page)
{
    bool safe = json_get_true(page, "safe");
    _cleanup_free_ char *from = output_member(page, "from"), *to = output_member(page, "to"),
                        *run = output_member(page, "run");
    printf(tr(cli, "Rehearsal: the backup %s of MariaDB %s under MariaDB %s\n\n"), run, from,
        *to ? to : "?");
    printf("%s\n", safe ? tr(cli, "SAFE TO UPGRADE, as far as this shows.")
                        : tr(cli, "NOT SAFE TO UPGRADE YET."));
    print_data(cli, page);
    print_list(cli, page, "removed",
        N_("Settings that the newer server does not know, and would not start with (take them out of the file):"));
    print_list(cli, page, "no_login", N_("Accounts whose plugin for logins is missing there:"));
    print_list(cli, page, "views", N_("Views that do not work there:"));
    print_list(cli, page, "queries_failed", N_("Statements of yours that fail there:"));
    print_list(cli, page, "plugins",
        N_("Plugins with a library of their own: their packages are needed there as well:"));
    print_changed(cli, page);
    printf("\n%s\n",
        tr(cli,
            "Nothing of the practice's database was touched. Before the upgrade: elexgate backup --now."));
}

static bool tell_rehearsal(struct cli *cli, const json_t *line, void *ctx)
{
    (void)ctx;
    if (strcmp(json_get_text(line, "event"), "rehearsal") != 0)
        return false;
    print_page(cli, line);
    return true;
}

static int run_rehearse(struct cli *cli, int argc, char **argv)
{
    const char *server = NULL, *which;
    struct args_words job = {{"rehearse"}, 1};
    const struct args_option options[] = {{"--server-program=", &server, .pass = &job},
        {"--root=", &server, .pass = &job}, {"--image=", &server, .pass = &job},
        {"--queries=", .pass = &job}, {0}};
    int code = args_parse(cli, argc, argv, options, 0, 1, &which);
    if (code != EXIT_GOOD)
        return code;
    if (!server)
        return cli_usage(
            cli, "with which server? --server-program FILE, --root DIR or --image IMAGE");
    if (which)
        args_words_add(&job, which);
    return progress_run(cli, job.v, tell_rehearsal, NULL);
}

const struct command cmd_rehearse = {
    "rehearse",
    "[--server-program FILE] [--root DIR] [--image IMAGE] [--queries FILE] [WHICH]",
    N_("try the newest backup under a newer database server"),
    run_rehearse,
    (const struct help_line[]){
        {"WHICH", N_("a run such as 2026-11-22-0315, or latest (the default)")},
        {"--server-program FILE", N_("the newer mariadbd, with its mariadb-upgrade beside it")},
        {"--root DIR",
            N_("or a folder with the newer system, in which it is /usr/sbin/mariadbd, as debootstrap or scripts/trixie-root makes it")},
        {"--image IMAGE",
            N_("or a container's image with it, such as mariadb:11.8, which podman or docker has or fetches; no container is started")},
        {"--queries FILE", N_("SELECTs of the practice, tried out there as well")},
        {NULL,
            N_("Unpacks the backup into scratch space, starts the newer server on it in the sandbox, brings it up (mariadb-upgrade), compares every table with the backup, and says in one page what would be different, and whether it is safe to upgrade.")},
        {NULL, N_("Ends with 6 when it is not.")},
        {0},
    },
    NULL,
};
