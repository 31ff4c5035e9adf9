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

struct wish {
    bool now, when_idle, dry_run, smaller, protect;
    const char *method; /* "dump", "lock" or NULL */
    const char *label;
};

static int run_job(
    struct cli *cli, const char *const *types, int n, const struct wish *w, struct progress *p)
{
    const char *args[TYPES_MAX + 10] = {"backup", "--now"};
    size_t k = 2;
    if (w->method)
        args[k++] = strcmp(w->method, "dump") == 0 ? "--dump" : "--lock";
    if (w->dry_run)
        args[k++] = "--dry-run";
    if (w->smaller)
        args[k++] = "--accept-smaller";
    if (w->protect)
        args[k++] = "--protect";
    if (w->label) {
        args[k++] = "--label";
        args[k++] = w->label;
    }
    for (int i = 0; i < n && i < TYPES_MAX; i++)
        args[k++] = types[i];
    return job_stream_run(cli, args, progress_line, p);
}

static int run_backup(struct cli *cli, int argc, char **argv)
{
    static const char *const options[] = {"--now", "--when-idle", "--dump", "--lock", "--dry-run",
        "--accept-smaller", "--label=", "--protect", NULL};
    struct args a = args_begin(cli, argc, argv);
    const char *types[TYPES_MAX];
    int count = 0;
    bool told = false;
    struct wish w = {0};
    const char *o;
    /* Options may stand before, between and after the types. */
    for (;;) {
        while ((o = args_next(&a, options))) {
            w.now |= strcmp(o, "--now") == 0;
            w.when_idle |= strcmp(o, "--when-idle") == 0;
            w.dry_run |= strcmp(o, "--dry-run") == 0;
            w.smaller |= strcmp(o, "--accept-smaller") == 0;
            w.protect |= strcmp(o, "--protect") == 0;
            if (strcmp(o, "--label=") == 0)
                w.label = a.value;
            if (strcmp(o, "--dump") == 0 || strcmp(o, "--lock") == 0)
                w.method = o + 2;
        }
        if (a.failed)
            return a.failed;
        if (a.next >= argc || count == TYPES_MAX)
            break;
        types[count++] = argv[a.next++];
    }
    bool now = w.now || w.smaller || w.method; /* who says how looks at what is there now */
    if (now && w.when_idle)
        return cli_usage(cli, "%s%s and --when-idle exclude each other", w.method ? "--" : "",
            w.method    ? w.method
            : w.smaller ? "--accept-smaller"
                        : "--now");
    struct progress p;
    progress_init(&p, cli);
    if (w.dry_run) /* it changes nothing, so it needs no keeper */
        return run_job(cli, types, count, &w, &p);
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, json_string(types[i]));
    int code = job_stream_keeper(cli,
        json_pack("{s:s, s:s, s:b, s:o, s:s*, s:s*, s:b}", "cmd", "run", "mode",
            now ? "now" : "when-idle", "accept_smaller", (int)w.smaller, "types", list, "method",
            w.method, "label", w.label, "protect", (int)w.protect),
        progress_line, &p, &told);
    if (told || code != EXIT_UNREACHABLE)
        return code;
    if (now)
        return run_job(cli, types, count, &w, &p);
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
