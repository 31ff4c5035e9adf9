/*
 * elexgate drill: proves that a backup can be restored.
 */
#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/job_stream.h"
#include "cli/progress.h"

/* Over the keeper, else by a job of our own. */
static int run_anywhere(struct cli *cli, json_t *request, const struct args_words *job)
{
    struct progress p;
    bool told = false;
    progress_init(&p, cli);
    int code = job_stream_keeper(cli, request, progress_line, &p, &told);
    return told || code != EXIT_UNREACHABLE ? code : job_stream_run(cli, job->v, progress_line, &p);
}

static int run_drill(struct cli *cli, int argc, char **argv)
{
    const char *type = NULL, *which;
    bool foreign = false, chain = false, live = false;
    struct args_words drill = {{"drill"}, 1}, prove = {{"prove"}, 1};
    const struct args_option options[] = {{"--type=", &type, .pass = &drill},
        {"--foreign", .flag = &foreign, .pass = &drill}, {"--chain", .flag = &chain},
        {"--live", .flag = &live, .pass = &prove}, {0}};
    int code = args_parse(cli, argc, argv, options, 0, 1, &which);
    if (code != EXIT_GOOD)
        return code;
    if (chain && !which && !type && !foreign)
        return run_anywhere(
            cli, json_pack("{s:s, s:b}", "cmd", "prove", "live", (int)live), &prove);
    if (chain || live)
        return cli_usage(cli, "--chain goes alone, or with --live");
    which = which ? which : "latest";
    if (*which == '-')
        return cli_usage(cli, "\"%s\" is no backup", which);
    args_words_add(&drill, which);
    if (foreign) { /* not over the keeper, which never does that for anybody */
        struct progress p;
        progress_init(&p, cli);
        return job_stream_run(cli, drill.v, progress_line, &p);
    }
    return run_anywhere(
        cli, json_pack("{s:s, s:s, s:s*}", "cmd", "drill", "which", which, "type", type), &drill);
}

const struct command cmd_drill = {
    "drill",
    "[WHICH] [--type TYPE] [--foreign] | --chain [--live]",
    N_("prove that a backup can be restored"),
    run_drill,
    (const struct help_line[]){
        {"WHICH", N_("a run such as 2026-11-22-0315, or latest (the default)")},
        {"--type TYPE", N_("only this data type")},
        {"--foreign",
            N_("also one that this installation has not sealed: only if you know who made it")},
        {"--chain",
            N_("prove that the archived binary log leads from the backup before to the newest one")},
        {"--live", N_("with --chain: to what the running server has now, if nobody writes")},
        {NULL,
            N_("Unpacks the archive into scratch space, starts a throwaway server on it that nobody can reach, checks all tables, and compares rows and checksums with those taken at the backup.")},
        {0},
    },
};
