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

static const struct cli_word whats[] = {{"backup", N_("Backup")}, {"drill", N_("Drill")}, {0}};

static void print_schedule(const struct cli *cli, const json_t *s)
{
    static const char *const days[] = {
        N_("Sun"), N_("Mon"), N_("Tue"), N_("Wed"), N_("Thu"), N_("Fri"), N_("Sat")};
    const json_t *run;
    size_t i;
    _cleanup_free_ char *what = output_member(s, "what"), *text = output_member(s, "schedule"),
                        *words = output_words(cli->lang, s, "words");
    printf("%s: %s  (%s)\n", *what ? cli_word(cli, whats, what) : tr(cli, "Schedule"), words, text);
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
    bool preview = argc > 1 && strcmp(argv[1], "preview") == 0;
    const char *text;
    struct args_words job = {{"schedule"}, 1};
    const struct args_option options[] = {
        {"--count=", .pass = &job}, {"--from=", .pass = &job}, {0}};
    _cleanup_json_ json_t *answer = NULL;
    int code = args_parse(cli, argc - preview, argv + preview, options, preview, 1, &text);
    if (code != EXIT_GOOD)
        return code;
    if (text)
        args_words_add(&job, text);
    code = job_stream_answer(cli, job.v, &answer);
    if (answer)
        print_all(cli, answer);
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
