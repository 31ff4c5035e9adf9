/*
 * elexgate timeline: one day at a glance: what was written, saved, proven, brought back.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "common/clock.h"
#include "common/json_get.h"

#define HOUR  60
#define BAR   30 /* columns of the busiest hour */
#define HOURS 25

static int64_t ms_of(const json_t *o, const char *key)
{
    int64_t ms = 0;
    return clock_parse(json_get_text(o, key), &ms) == 0 ? ms : 0;
}

static const struct cli_word kinds[] = {{"backup", N_("a backup is ready")},
    {"proof", N_("proven by a drill")}, {"drill-failed", N_("a drill failed")},
    {"restore", N_("a restore")}, {"block", N_("clients kept out")}, {"open", N_("clients let in")},
    {0}};

static bool touched(const json_t *spans, int64_t from, int64_t to)
{
    size_t i;
    const json_t *s;
    json_array_foreach ((json_t *)(uintptr_t)spans, i, s)
        if (ms_of(s, "from") < to && ms_of(s, "to") > from)
            return true;
    return false;
}

static void print_marks(const struct cli *cli, const json_t *line, int64_t from, int64_t to)
{
    size_t i;
    const json_t *m;
    json_array_foreach (json_object_get(line, "marks"), i, m) {
        char at[SHOWN_LEN];
        int64_t ms = ms_of(m, "time");
        if (ms < from || ms >= to)
            continue;
        _cleanup_free_ char *about = output_member(m, "text");
        printf("         %s  %s  %s\n", shown_time(cli->lang, ms, SHOWN_CLOCK, at, sizeof at),
            cli_word(cli, kinds, json_get_text(m, "kind")), about);
    }
}

static void print_hour(
    const struct cli *cli, const json_t *line, int64_t from, uint64_t written, uint64_t most)
{
    char at[SHOWN_LEN], bar[BAR + 1];
    int64_t to = from + INT64_C(60000) * HOUR;
    size_t n = most ? (size_t)((written * BAR + most - 1) / most) : 0;
    memset(bar, '#', n);
    bar[n] = '\0';
    bool gap = touched(json_object_get(line, "gaps"), from, to),
         saved = touched(json_object_get(line, "saved"), from, to);
    printf("%s  %8" PRIu64 "  %-*s %s\n", shown_time(cli->lang, from, SHOWN_CLOCK, at, sizeof at),
        written, BAR, bar,
        gap     ? tr(cli, "NOT SAVED")
        : saved ? tr(cli, "comes back")
                : "");
    print_marks(cli, line, from, to);
}

static void print_day(const struct cli *cli, const json_t *line)
{
    const json_t *minutes = json_object_get(line, "minutes");
    int64_t from = ms_of(line, "from"), now = clock_wall_ms();
    uint64_t hours[HOURS] = {0}, most = 0;
    size_t n = json_array_size(minutes);
    _cleanup_free_ char *day = output_member(line, "day");
    for (size_t i = 0; i < n && i < HOURS * HOUR; i++) {
        hours[i / HOUR] += (uint64_t)json_integer_value(json_array_get(minutes, i));
        most = hours[i / HOUR] > most ? hours[i / HOUR] : most;
    }
    printf(tr(cli, "%s, transactions by the hour:\n"), day);
    for (size_t h = 0; h * HOUR < n && h < HOURS; h++) {
        int64_t begin = from + (int64_t)h * HOUR * 60000;
        if (begin < now)
            print_hour(cli, line, begin, hours[h], most);
    }
    if (!json_get_true(line, "archived"))
        printf("%s\n",
            tr(cli,
                "The server's binary log is not archived: only whole backups come back. [binlog] archive = yes changes that."));
}

static bool tell_timeline(struct cli *cli, const json_t *line, void *ctx)
{
    (void)ctx;
    if (strcmp(json_get_text(line, "event"), "timeline") != 0)
        return progress_good_end(line);
    print_day(cli, line);
    return true;
}

static int run_timeline(struct cli *cli, int argc, char **argv)
{
    const char *args[] = {"timeline", NULL, NULL};
    const struct args_option options[] = {{"--day=", &args[1]}, {0}};
    int code = args_parse(cli, argc, argv, options, 0, 0, NULL);
    return code == EXIT_GOOD ? progress_run(cli, args, tell_timeline, NULL) : code;
}

const struct command cmd_timeline = {
    "timeline",
    "[--day DAY]",
    N_("show one day at a glance: what was written, saved, proven, brought back"),
    run_timeline,
    (const struct help_line[]){
        {"--day DAY", N_("such as 2026-11-30; without, today")},
        {NULL,
            N_("Transactions by the hour, whether any second of it comes back (elexgate restore --to), and when backups, drills, restores and blocks were.")},
        {NULL, N_("The page shows the same by the minute.")},
        {0},
    },
};
