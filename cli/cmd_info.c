/*
 * elexgate info: what is in a backup.
 */
#include <inttypes.h>
#include <stdio.h>

#include "cli/args.h"
#include "cli/backups_list.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "common/json_get.h"
#include "common/shown.h"

static void print_facts(const struct cli *cli, const json_t *item)
{
    char start[SHOWN_LEN], stop[SHOWN_LEN], newest[SHOWN_LEN], size[SHOWN_LEN], bytes[SHOWN_LEN];
    _cleanup_free_ char *run = output_member(item, "run"), *type = output_member(item, "type"),
                        *method = output_member(item, "method"),
                        *server = output_member(item, "server"),
                        *note = backups_list_note(cli, item),
                        *proof = backups_list_proof(cli, item);
    printf("%s  %s%s%s\n", run, type, *note ? "  " : "", note);
    printf(tr(cli, "  start           %s\n"),
        cli_time(cli, item, "started", SHOWN_SECOND, "-", start));
    printf(tr(cli, "  stop            %s\n"),
        cli_time(cli, item, "finished", SHOWN_SECOND, "-", stop));
    printf(tr(cli, "  original size   %s\n"),
        shown_bytes(cli->lang, (uint64_t)output_number(item, "bytes", 0), bytes, sizeof bytes));
    printf(tr(cli, "  stored size     %s\n"),
        shown_bytes(cli->lang, (uint64_t)output_number(item, "size", 0), size, sizeof size));
    printf(tr(cli, "  method          %s%s%s\n"), method, *server ? ", MariaDB " : "", server);
    printf(tr(cli, "  proven          %s\n"), proof);
    printf(tr(cli, "  newest entry    %s\n"),
        cli_time(cli, item, "newest", SHOWN_SECOND, tr(cli, "not known"), newest));
}

static void print_tables(const struct cli *cli, const json_t *tables)
{
    const char *const heads[] = {
        tr(cli, "!TABLE"), tr(cli, ">ROWS"), tr(cli, "?NEWEST ENTRY"), NULL};
    struct table *t = table_create(heads);
    size_t i;
    const json_t *one;
    json_array_foreach (tables, i, one) {
        char newest[SHOWN_LEN];
        _cleanup_free_ char *name = output_member(one, "table"),
                            *rows = json_is_integer(json_object_get(one, "rows"))
                                        ? output_member(one, "rows")
                                        : xstrdup("?");
        const char *cells[] = {name, rows, cli_time(cli, one, "newest", SHOWN_SECOND, "-", newest)};
        table_add(t, cells);
    }
    table_end(t);
}

static bool tell_info(struct cli *cli, const json_t *line, void *ctx)
{
    size_t i;
    const json_t *item;
    (void)ctx;
    json_array_foreach (json_object_get(line, "archives"), i, item) {
        printf("%s", i ? "\n" : "");
        print_facts(cli, item);
        const json_t *tables = json_object_get(item, "tables");
        if (json_array_size(tables) > 0) {
            putchar('\n');
            print_tables(cli, tables);
        }
    }
    return !json_get_str(line, "error");
}

static int run_info(struct cli *cli, int argc, char **argv)
{
    const char *which;
    struct args_words job = {{"info"}, 1};
    const struct args_option options[] = {{"--type=", .pass = &job}, {0}};
    int code = args_parse(cli, argc, argv, options, 0, 1, &which);
    if (code != EXIT_GOOD)
        return code;
    args_words_add(&job, which ? which : "latest");
    return progress_run(cli, job.v, tell_info, NULL);
}

const struct command cmd_info = {
    "info",
    "[RUN] [--type TYPE]",
    N_("show what is in a backup"),
    run_info,
    (const struct help_line[]){
        {"RUN", N_("such as 2026-11-22-0315, or latest (the default)")},
        {"--type TYPE", N_("only this data type")},
        {NULL,
            N_("Tables, rows and newest entries are those that were counted when it was made, or drilled.")},
        {NULL,
            N_("An encrypted one is opened with the key or passphrase of [archive]. elexgate diff compares two.")},
        {0},
    },
};
