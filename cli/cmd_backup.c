/*
 * elexgate backup: one backup, now or when the database is idle.
 */
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/job_stream.h"
#include "cli/progress.h"

#define TYPES_MAX 64

static int run_job(struct cli *cli, struct args_words *job, const char *const *types)
{
    struct progress p;
    progress_init(&p, cli);
    for (size_t i = 0; i < TYPES_MAX && types[i]; i++)
        args_words_add(job, types[i]);
    return job_stream_run(cli, job->v, progress_line, &p);
}

static int run_backup(struct cli *cli, int argc, char **argv)
{
    const char *types[TYPES_MAX], *label = NULL;
    bool now = false, when_idle = false, dump = false, lock = false, dry_run = false;
    bool smaller = false, protect = false, told = false;
    struct args_words job = {{"backup", "--now"}, 2};
    const struct args_option options[] = {{"--now", .flag = &now},
        {"--when-idle", .flag = &when_idle}, {"--dump", .flag = &dump, .pass = &job},
        {"--lock", .flag = &lock, .pass = &job}, {"--dry-run", .flag = &dry_run, .pass = &job},
        {"--accept-smaller", .flag = &smaller, .pass = &job}, {"--label=", &label, .pass = &job},
        {"--protect", .flag = &protect, .pass = &job}, {0}};
    int code = args_parse(cli, argc, argv, options, 0, TYPES_MAX, types);
    if (code != EXIT_GOOD)
        return code;
    if (dump && lock)
        return cli_usage(cli, "%s and %s exclude each other", "--dump", "--lock");
    const char *how = dump ? "--dump" : lock ? "--lock" : smaller ? "--accept-smaller" : "--now";
    now |= dump || lock || smaller; /* who says how looks at what is there now */
    if (now && when_idle)
        return cli_usage(cli, "%s and %s exclude each other", how, "--when-idle");
    if (dry_run) /* it changes nothing, so it needs no keeper */
        return run_job(cli, &job, types);
    json_t *list = json_array();
    for (size_t i = 0; i < TYPES_MAX && types[i]; i++)
        json_array_append_new(list, json_string(types[i]));
    struct progress p;
    progress_init(&p, cli);
    code = job_stream_keeper(cli,
        json_pack("{s:s, s:s, s:b, s:o, s:s*, s:s*, s:b}", "cmd", "run", "mode",
            now ? "now" : "when-idle", "accept_smaller", (int)smaller, "types", list, "method",
            dump   ? "dump"
            : lock ? "lock"
                   : NULL,
            "label", label, "protect", (int)protect),
        progress_line, &p, &told);
    if (told || code != EXIT_UNREACHABLE)
        return code;
    if (now)
        return run_job(cli, &job, types);
    return cli_failf(cli, EXIT_UNREACHABLE,
        "elexgate-keeper is not running, and it is the one that knows when the database is idle; start it, or use --now");
}

const struct command cmd_backup = {
    "backup",
    "[TYPE...] [--now|--when-idle|--dump|--lock] [--dry-run] [--accept-smaller] [--label TEXT] [--protect]",
    N_("take a backup"),
    run_backup,
    (const struct help_line[]){
        {"--when-idle", N_("wait until nobody writes (the default; needs the running keeper)")},
        {"--now", N_("at once; it still gives way to writers, and tries again")},
        {"--dump", N_("at once, as a dump: it takes longer and disturbs nobody")},
        {"--lock", N_("at once, and those who write wait for a moment instead of the backup")},
        {"--dry-run", N_("only say what would be done and whether there is space")},
        {"--label TEXT", N_("call it something, e.g. \"before the upgrade to 3.13\"")},
        {"--protect", N_("retention never removes it (elexgate backups unprotect)")},
        {"--accept-smaller",
            N_("at once, and even if a source is empty or lost most of its content since the last backup: somebody has looked, and it is meant")},
        {"TYPE", N_("only these data types (default: all)")},
        {NULL, N_("A bar on a terminal, a line a step elsewhere, JSON lines with --json.")},
        {NULL, N_("Ctrl-C cancels and leaves nothing half done.")},
        {0},
    },
};
