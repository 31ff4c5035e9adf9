/*
 * elexgate diff: how a backup differs from now, or from another one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "common/json_get.h"

static char *rows_of(const json_t *one, const char *key)
{
    return json_is_integer(json_object_get(one, key)) ? output_member(one, key) : xstrdup("-");
}

/* "+12", "-3", or what differs where the rows do not. */
static char *change_of(const struct cli *cli, const json_t *one)
{
    const char *change = json_get_text(one, "change");
    if (strcmp(change, "rows") == 0)
        return xasprintf(
            "%+" PRId64, output_number(one, "other_rows", 0) - output_number(one, "rows", 0));
    return xstrdup(strcmp(change, "missing") == 0 ? tr(cli, "table is gone")
                   : strcmp(change, "new") == 0   ? tr(cli, "table is new")
                                                  : tr(cli, "content"));
}

static void print_difference(const struct cli *cli, const json_t *item, const json_t *found)
{
    const json_t *tables = json_object_get(found, "tables"), *one;
    bool now = strcmp(json_get_text(found, "against"), "now") == 0;
    _cleanup_free_ char *run = output_member(item, "run"), *type = output_member(item, "type"),
                        *other = output_member(found, "against");
    int64_t equal = output_number(found, "equal", 0);
    size_t i;
    printf(now ? tr(cli, "%s of %s beside what the server holds now: ")
               : tr(cli, "%s of %s beside another backup: "),
        type, run);
    printf(tr_n(cli, "%" PRId64 " table is the same.\n", "%" PRId64 " tables are the same.\n",
               (unsigned long long)equal),
        equal);
    if (json_array_size(tables) == 0)
        return;
    _cleanup_free_ char *then_head = xasprintf(">%s", run),
                        *other_head = xasprintf(">%s", now ? tr(cli, "NOW") : other);
    const char *const heads[] = {tr(cli, "!TABLE"), then_head, other_head, tr(cli, ">CHANGE"),
        tr(cli, "?NEWEST ENTRY"), NULL};
    struct table *t = table_create(heads);
    json_array_foreach (tables, i, one) {
        char newest[SHOWN_LEN];
        _cleanup_free_ char *name = output_member(one, "table"), *rows = rows_of(one, "rows"),
                            *rows_other = rows_of(one, "other_rows"), *change = change_of(cli, one);
        const char *cells[] = {name, rows, rows_other, change,
            cli_time(cli, one, "other_newest", SHOWN_SECOND, "-", newest)};
        table_add(t, cells);
    }
    table_end(t);
}

static bool tell_diff(struct cli *cli, const json_t *line, void *ctx)
{
    size_t i, *told = ctx;
    const json_t *item;
    json_array_foreach (json_object_get(line, "archives"), i, item) {
        const json_t *found = json_object_get(item, "difference");
        if (!found)
            continue;
        printf("%s", (*told)++ ? "\n" : "");
        print_difference(cli, item, found);
    }
    return !json_get_str(line, "error");
}

static int run_diff(struct cli *cli, int argc, char **argv)
{
    const char *runs[2];
    struct args_words job = {{"info"}, 1};
    const struct args_option options[] = {{"--type=", .pass = &job}, {0}};
    size_t told = 0;
    int code = args_parse(cli, argc, argv, options, 1, 2, runs);
    if (code != EXIT_GOOD)
        return code;
    args_words_add(&job, runs[0]);
    args_words_add(&job, "--against");
    args_words_add(&job, runs[1] ? runs[1] : "now");
    code = progress_run(cli, job.v, tell_diff, &told);
    if (code == EXIT_GOOD && !cli->json && told == 0)
        printf("%s\n", tr(cli, "There is no database in this backup."));
    return code;
}

const struct command cmd_diff = {
    "diff",
    "RUN [now|RUN] [--type TYPE]",
    N_("compare a backup with now, or with another one"),
    run_diff,
    (const struct help_line[]){
        {"RUN", N_("such as 2026-11-22-0315, or latest")},
        {"now",
            N_("what the server holds (the default): every table is counted, which nobody waits for")},
        {"--type TYPE", N_("only this data type")},
        {NULL,
            N_("CHANGE: rows more or fewer; \"content\" where as many rows say something else, by checksum or newest entry.")},
        {NULL, N_("What was changed without either is not seen.")},
        {0},
    },
    "latest",
};
