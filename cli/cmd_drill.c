/*
 * elexgate drill: proves that a backup can be restored.
 */
#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/job_stream.h"
#include "cli/progress.h"

/* Over the keeper, else by a job of our own. */
static int run_chain(struct cli *cli, bool live)
{
    struct progress p;
    bool told = false;
    progress_init(&p, cli);
    const char *args[3] = {"prove", live ? "--live" : NULL};
    json_t *request = json_pack("{s:s, s:b}", "cmd", "prove", "live", live);
    int code = job_stream_keeper(cli, request, progress_line, &p, &told);
    return told || code != EXIT_UNREACHABLE ? code : job_stream_run(cli, args, progress_line, &p);
}

static int run_drill(struct cli *cli, int argc, char **argv)
{
    static const char *const options[] = {"--type=", "--foreign", "--chain", "--live", NULL};
    struct args a = args_begin(cli, argc, argv);
    const char *type = NULL, *which = NULL;
    bool told = false, foreign = false, chain = false, live = false;
    const char *o;
    for (int part = 0; part < 2; part++) { /* before WHICH and behind it */
        while ((o = args_next(&a, options)))
            if (strcmp(o, "--foreign") == 0)
                foreign = true;
            else if (strcmp(o, "--chain") == 0)
                chain = true;
            else if (strcmp(o, "--live") == 0)
                live = true;
            else
                type = a.value;
        if (part == 0 && !a.failed && a.next < argc)
            which = argv[a.next++];
    }
    int code = a.failed ? a.failed : args_operands(&a, 0, 0);
    if (code != EXIT_GOOD)
        return code;
    if (chain && !which && !type && !foreign)
        return run_chain(cli, live);
    if (chain || live)
        return cli_usage(cli, "--chain goes alone, or with --live");
    which = which ? which : "latest";
    if (*which == '-')
        return cli_usage(cli, "\"%s\" is no backup", which);
    struct progress p;
    progress_init(&p, cli);
    const char *args[6] = {"drill", which, type ? "--type" : NULL, type};
    if (foreign) { /* not over the keeper, which never does that for anybody */
        args[type ? 4 : 2] = "--foreign";
        return job_stream_run(cli, args, progress_line, &p);
    }
    json_t *request = json_pack("{s:s, s:s, s:s*}", "cmd", "drill", "which", which, "type", type);
    code = job_stream_keeper(cli, request, progress_line, &p, &told);
    if (told || code != EXIT_UNREACHABLE)
        return code;
    return job_stream_run(cli, args, progress_line, &p);
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
