/*
 * elexgate changes: what the archived binary log says was changed, transaction by transaction.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "common/json_get.h"

static void print_table(const struct cli *cli, const json_t *t)
{
    _cleanup_free_ char *name = output_member(t, "table");
    printf(tr(cli, "    %s: rows added %" PRId64 ", changed %" PRId64 ", deleted %" PRId64 "\n"),
        name, output_number(t, "inserted", 0), output_number(t, "changed", 0),
        output_number(t, "deleted", 0));
    if (json_get_true(t, "unsure"))
        printf("%s\n", tr(cli, "      and more that cannot be counted"));
}

static void print_values(const char *before, const json_t *row)
{
    size_t i;
    const json_t *value;
    fputs(before, stdout);
    json_array_foreach ((json_t *)(uintptr_t)row, i, value) {
        _cleanup_free_ char *text = output_safe(
            json_is_null(value) ? "NULL" : json_string_value(value));
        printf("%s%s", i ? ", " : "", text);
    }
    putchar('\n');
}

static void print_rows(const json_t *rows)
{
    size_t i;
    const json_t *row;
    json_array_foreach ((json_t *)(uintptr_t)rows, i, row) {
        bool gone = strcmp(json_get_text(row, "change"), "deleted") == 0;
        if (json_object_get(row, "was"))
            print_values("      - ", json_object_get(row, "was"));
        print_values(gone ? "      - " : "      + ", json_object_get(row, "row"));
    }
}

static void print_change(const struct cli *cli, const json_t *line)
{
    char when[SHOWN_LEN];
    size_t i;
    const json_t *t;
    _cleanup_free_ char *gtid = output_member(line, "gtid"),
                        *statements = output_list(json_object_get(line, "statements")),
                        *who = output_list(json_object_get(line, "workstations"));
    bool one = json_array_size(json_object_get(line, "workstations")) == 1;
    cli_time(cli, line, "time", SHOWN_SECOND, "?", when);
    if (one || !*who)
        printf("%s  %s  %s\n", when, gtid, who);
    else
        printf(tr(cli, "%s  %s  one of: %s\n"), when, gtid, who);
    if (*statements)
        printf("    %s\n", statements);
    json_array_foreach (json_object_get(line, "tables"), i, t)
        print_table(cli, t);
    print_rows(json_object_get(line, "rows"));
}

static void print_end(const struct cli *cli, const json_t *line)
{
    int64_t shown = output_number(line, "shown", 0), all = output_number(line, "transactions", 0);
    _cleanup_free_ char *unknown = output_words(cli->lang, line, "workstations_unknown");
    if (shown == all)
        printf(tr_n(cli, "%" PRId64 " transaction\n", "%" PRId64 " transactions\n",
                   (unsigned long long)all),
            all);
    else
        printf(tr(cli, "%" PRId64 " of %" PRId64 " transactions in that time\n"), shown, all);
    if (*unknown)
        printf(tr(cli, "Which workstation it was is not known: %s\n"), unknown);
}

static bool tell_changes(struct cli *cli, const json_t *line, void *ctx)
{
    const char *event = json_get_text(line, "event");
    (void)ctx;
    if (strcmp(event, "change") == 0)
        print_change(cli, line);
    else if (strcmp(event, "changes") == 0)
        print_end(cli, line);
    else
        return progress_good_end(line);
    return true;
}

static int run_changes(struct cli *cli, int argc, char **argv)
{
    struct args_words job = {{"changes"}, 1};
    const struct args_option options[] = {{"--from=", .pass = &job}, {"--to=", .pass = &job},
        {"--table=", .pass = &job}, {"--workstation=", .pass = &job}, {"--timeline=", .pass = &job},
        {"--rows", .pass = &job}, {0}};
    int code = args_parse(cli, argc, argv, options, 0, 0, NULL);
    return code == EXIT_GOOD ? progress_run(cli, job.v, tell_changes, NULL) : code;
}

const struct command cmd_changes = {
    "changes",
    "[--from MOMENT] [--to MOMENT] [--table [DB.]TABLE] [--workstation ADDRESS|NAME] [--timeline N] [--rows]",
    N_("show what was changed in the database, transaction by transaction"),
    run_changes,
    (const struct help_line[]){
        {"--from MOMENT",
            N_("from that second on, \"2026-11-30 14:32:07\" in local time; without, the last hour before --to")},
        {"--to MOMENT", N_("before that second; without, until now")},
        {"--table T", N_("only transactions that changed this table or name it")},
        {"--workstation W",
            N_("only those that came from this address, or the workstation of that name")},
        {"--timeline N", N_("only of that timeline of the archived binary log")},
        {"--rows",
            N_("with contents, which are patients' data: the values of the first 200 rows of each transaction")},
        {NULL, N_("From the archived binary log ([binlog] archive).")},
        {NULL,
            N_("For each transaction its time, its number (which `elexgate restore --before` takes), the workstation that it came from, tables and counts of rows. docs/pitr.md says how the workstation is found.")},
        {0},
    },
};
