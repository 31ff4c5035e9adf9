/*
 * elexgate rescue: one table, or rows of it, as it was at a moment, back into the live one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/job_stream.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "common/json_get.h"

struct lines {
    struct cli *cli;
    struct progress progress;
    int64_t rows; /* that would be written; -1 = it was not said */
    char *id;     /* of what was compared */
};

static void print_keys(const struct cli *cli, const char *heading, int64_t n, const json_t *keys)
{
    _cleanup_free_ char *list = output_list(keys);
    if (n == 0)
        return;
    if ((size_t)n > json_array_size(keys))
        printf(tr(cli, "  %s: %" PRId64 " (%s, …)\n"), heading, n, list);
    else
        printf("  %s: %" PRId64 " (%s)\n", heading, n, list);
}

static void print_row(const char *sign, const json_t *row)
{
    const char *name;
    const json_t *value;
    if (!row)
        return;
    fputs(sign, stdout);
    json_object_foreach ((json_t *)(uintptr_t)row, name, value) {
        _cleanup_free_ char *text = output_safe(
                                json_is_null(value) ? "NULL" : json_string_value(value)),
                            *column = output_safe(name);
        printf(" %s=%s", column, text);
    }
    putchar('\n');
}

/* How many rows would be written. */
static int64_t rows_of(const json_t *line)
{
    return output_number(line, "gone", 0) + output_number(line, "changed", 0) +
           (json_get_true(line, "exact") ? output_number(line, "added", 0) : 0);
}

static void print_difference(const struct cli *cli, const json_t *line)
{
    const json_t *keys = json_object_get(line, "keys"), *row;
    _cleanup_free_ char *table = output_member(line, "table");
    int64_t gone = output_number(line, "gone", 0), changed = output_number(line, "changed", 0),
            added = output_number(line, "added", 0);
    bool exact = json_get_true(line, "exact");
    size_t i;
    printf(tr(cli, "%s then and today: %" PRId64 " rows are the same.\n"), table,
        output_number(line, "same", 0));
    print_keys(cli, tr(cli, "rows that come back"), gone, json_object_get(keys, "gone"));
    print_keys(
        cli, tr(cli, "rows that become what they were"), changed, json_object_get(keys, "changed"));
    print_keys(cli,
        exact ? tr(cli, "rows that are DELETED, since they were not there then")
              : tr(cli, "rows that were added since, and stay"),
        added, json_object_get(keys, "added"));
    json_array_foreach (json_object_get(line, "rows"), i, row) {
        print_row("    -", json_object_get(row, "now"));
        print_row("    +", json_object_get(row, "then"));
    }
    if (rows_of(line) == 0)
        printf("%s\n", tr(cli, "There is nothing to write back."));
}

static void print_rescued(const struct cli *cli, const json_t *line)
{
    _cleanup_free_ char *table = output_member(line, "table"), *undo = output_member(line, "undo");
    int64_t n = output_number(line, "rows", 0);
    printf(tr_n(cli, "%" PRId64 " row of %s was written back.\n",
               "%" PRId64 " rows of %s were written back.\n", (unsigned long long)n),
        n, table);
    printf(
        tr(cli,
            "What stood there before is in %s; to take it back: mariadb < that file. It holds patients' data: delete it when all is well.\n"),
        undo);
    printf("%s\n", tr(cli, "Elexis keeps what it has read: restart it where these data are open."));
}

static void on_rescue_line(void *ctx, const json_t *line)
{
    struct lines *l = ctx;
    const char *event = json_get_text(line, "event");
    bool plan = strcmp(event, "rescue") == 0, done = strcmp(event, "rescued") == 0;
    if (plan && !l->id)
        l->id = output_member(line, "id");
    if (plan)
        l->rows = rows_of(line);
    if (l->progress.raw || !(plan || done)) {
        if (l->progress.raw || !progress_good_end(line))
            progress_line(&l->progress, line);
        return;
    }
    progress_clear(&l->progress);
    if (plan)
        print_difference(l->cli, line);
    else
        print_rescued(l->cli, line);
}

static int run_job(struct lines *l, const char *action, json_t *ask)
{
    (void)json_object_set_new(ask, "action", json_string(action));
    _cleanup_free_ char *text = json_dumps(ask, JSON_COMPACT);
    const char *args[] = {"restore", text, NULL};
    progress_init(&l->progress, l->cli);
    return job_stream_run(l->cli, args, on_rescue_line, l);
}

/* What was compared is written, or goes. */
static int go_on(struct lines *l, bool yes)
{
    int code = l->rows > 0 && !yes ? cli_confirm(l->cli, N_("write back")) : EXIT_GOOD;
    bool writes = code == EXIT_GOOD && l->rows > 0;
    _cleanup_json_ json_t *ask = writes ? json_pack("{s:s}", "id", l->id ? l->id : "")
                                        : json_object();
    int gone = run_job(l, writes ? "write_back" : "discard", ask);
    return code == EXIT_GOOD ? gone : code;
}

static int run_rescue(struct cli *cli, int argc, char **argv)
{
    struct lines l = {.cli = cli, .rows = -1};
    _cleanup_json_ json_t *ask = json_object();
    const char *table;
    const struct args_option options[] = {{"--where=", .request = ask, .member = "where"},
        {"--to=", .request = ask, .member = "to"},
        {"--before=", .request = ask, .member = "before"},
        {"--timeline=", .request = ask, .member = "timeline"},
        {"--exact", .request = ask, .member = "exact"},
        {"--rows", .request = ask, .member = "rows"},
        {"--dry-run", .request = ask, .member = "dry_run"},
        {"--yes", .request = ask, .member = "yes"}, {0}};
    int code = args_parse(cli, argc, argv, options, 0, 1, &table);
    if (table)
        (void)json_object_set_new(ask, "table", json_text(table));
    bool yes = json_get_true(ask, "yes"), dry_run = json_get_true(ask, "dry_run");
    if (code == EXIT_GOOD && !yes && !dry_run && !cli_on_terminal(cli))
        code = cli_nobody_to_ask(cli);
    if (code == EXIT_GOOD)
        code = run_job(&l, "rescue", ask);
    if (code == EXIT_GOOD && !dry_run)
        code = go_on(&l, yes);
    free(l.id);
    return code;
}

const struct command cmd_rescue = {
    "rescue",
    "TABLE --to MOMENT | --before GTID [--where CONDITION | --exact] [--rows] [--dry-run] [--yes]",
    N_("bring one table, or rows of it, back as it was at a moment, while everybody works"),
    run_rescue,
    (const struct help_line[]){
        {"TABLE", N_("of the practice's database, or DATABASE.TABLE")},
        {"--to MOMENT",
            N_("as of that second, transaction or latest, as in elexgate restore --to; elexgate changes lists what happened when")},
        {"--before GTID", N_("without that transaction and all that came after it")},
        {"--timeline N", N_("of that timeline of the archived binary log")},
        {"--where CONDITION", N_("only rows that met this condition then, such as \"ID='x'\"")},
        {"--exact", N_("rows that were added since are deleted; without, they stay")},
        {"--rows", N_("show contents, which are patients' data: of the first 20 rows")},
        {"--dry-run", N_("show the difference, and try whether it can be written")},
        {"--yes", N_("do not ask, for scripts")},
        {NULL,
            N_("The table as it was then is made in a throwaway server and compared with the live one.")},
        {NULL, N_("The rows are written back in one transaction: all of them or none.")},
        {NULL,
            N_("It is refused where somebody has changed them meanwhile, or where a key would break.")},
        {NULL, N_("What was there before is kept in a file; the command says where.")},
        {0},
    },
};
