/*
 * elexgate schedule: when backups and drills are due, in words and as the next times.
 */
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/job_stream.h"
#include "cli/output.h"
#include "common/json_get.h"

static void keep_last(void *ctx, const json_t *line)
{
    json_t **last = ctx;
    if (!json_get_true(line, "done"))
        return;
    json_decref(*last);
    *last = json_deep_copy(line);
}

static const char *what_name(const struct cli *cli, const char *what)
{
    if (strcmp(what, "backup") == 0)
        return tr(cli, "Backup");
    if (strcmp(what, "drill") == 0)
        return tr(cli, "Drill");
    return tr(cli, "Schedule");
}

static void print_schedule(const struct cli *cli, const json_t *s)
{
    static const char *const days[] = {
        N_("Sun"), N_("Mon"), N_("Tue"), N_("Wed"), N_("Thu"), N_("Fri"), N_("Sat")};
    const json_t *run;
    size_t i;
    _cleanup_free_ char *what = output_member(s, "what"), *text = output_member(s, "schedule"),
                        *words = output_words(cli->lang, s, "words");
    printf("%s: %s  (%s)\n", what_name(cli, what), words, text);
    json_array_foreach (json_object_get(s, "next"), i, run) {
        _cleanup_free_ char *local = output_member(run, "local");
        int64_t day = output_number(run, "weekday", 0);
        printf("  %s %s\n", tr(cli, days[day >= 0 && day < 7 ? day : 0]), local);
    }
}

static void print_all(const struct cli *cli, const json_t *last)
{
    const json_t *list = json_object_get(last, "schedules"), *s;
    size_t i;
    json_array_foreach (list, i, s)
        print_schedule(cli, s);
    if (json_array_size(list) == 0)
        printf("%s\n", tr(cli, "No schedule is set: [backup] schedule, e.g. 15 3 * * 1-5"));
}

static int run_schedule(struct cli *cli, int argc, char **argv)
{
    static const char *const options[] = {"--count=", "--from=", NULL};
    bool preview = argc > 1 && strcmp(argv[1], "preview") == 0;
    struct args a = args_begin(cli, argc - preview, argv + preview);
    const char *option, *args[8] = {"schedule"};
    size_t n = 1;
    _cleanup_json_ json_t *last = NULL;
    while ((option = args_next(&a, options)) && n < 5) {
        args[n++] = strcmp(option, "--count=") == 0 ? "--count" : "--from";
        args[n++] = a.value;
    }
    int code = a.failed ? a.failed : args_operands(&a, preview, 1);
    if (code != EXIT_GOOD)
        return code;
    if (a.next < a.argc)
        args[n++] = a.argv[a.next];
    code = job_stream_run(cli, args, keep_last, &last);
    if (last && cli->json)
        cli_print_json(last);
    else if (last && code == EXIT_GOOD)
        print_all(cli, last);
    else if (last)
        cli_fail_last(cli, code, last);
    return code;
}

const struct command cmd_schedule = {
    "schedule",
    "[preview] [--count N] [--from TIME] [\"M H D M W\"]",
    N_("show the next times of backups and drills"),
    run_schedule,
    (const struct help_line[]){
        {"--count N", N_("how many (default: 10)")},
        {"--from TIME", N_("after this moment instead of now: \"2026-11-22 03:15\"")},
        {"\"M H D M W\"",
            N_("another schedule, to try it out: minute hour day month weekday, @daily ...")},
        {"preview", N_("the same, and an error when no schedule is given")},
        {NULL,
            N_("Daylight saving: what falls into the skipped hour runs once right after it, what falls into the doubled hour runs once.")},
        {NULL, N_("A schedule of every hour follows elapsed time.")},
        {0},
    },
};
