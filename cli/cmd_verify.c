/*
 * elexgate verify: reads archives again and compares every file with the manifest.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/job_stream.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "common/clock.h"
#include "common/json_get.h"
#include "common/shown.h"

struct verify {
    struct cli *cli;
    struct progress progress; /* the bar, on a terminal */
    bool terminal;
};

static bool is_true(const json_t *line, const char *key)
{
    return json_get_true(line, key);
}

static void tell_verified(struct verify *v, const json_t *line)
{
    struct cli *cli = v->cli;
    char size[SHOWN_LEN], time[32];
    bool good = is_true(line, "good");
    _cleanup_free_ char *file = output_member(line, "file"), *words = output_member(line, "words");

    if (good && is_true(line, "whole_file_only"))
        snprintf(size, sizeof size, "-");
    else
        shown_bytes(cli->lang, (uint64_t)output_number(line, "bytes", 0), size, sizeof size);
    shown_duration(cli->lang, output_number(line, "ms", 0), time, sizeof time);
    if (!good)
        printf("%s  %s\n    %s\n", tr(cli, "DAMAGED"), file, words);
    else if (is_true(line, "whole_file_only"))
        printf("%s  %s\n    %s\n", tr(cli, "good"), file,
            tr(cli,
                "the file is as it was written; its content is encrypted and was not looked at"));
    else
        printf(tr(cli, "good  %s  (%" PRId64 " files, %s, %s)\n"), file,
            output_number(line, "files", 0), size, time);
    fflush(stdout);
}

static void tell_passed_over(struct verify *v, const json_t *line)
{
    struct cli *cli = v->cli;
    _cleanup_free_ char *type = output_member(line, "type"), *run = output_member(line, "run"),
                        *words = output_words(cli->lang, line, "words");
    printf("%s  %s_%s\n    %s\n", tr(cli, "passed over"), type, run, words);
}

static void tell_done(struct verify *v, const json_t *line)
{
    int64_t checked = output_number(line, "checked", 0),
            damaged = output_number(line, "damaged", 0);
    if (is_true(line, "ok")) {
        printf(tr(v->cli, "%" PRId64 " checked, none damaged\n"), checked);
        return;
    }
    fflush(stdout);
    if (damaged > 0) {
        fprintf(stderr, tr(v->cli, "elexgate: %" PRId64 " of %" PRId64 " archives are damaged\n"),
            damaged, checked);
        return;
    }
    _cleanup_free_ char *error = output_member(line, "error");
    fprintf(stderr, "elexgate: %s\n", error);
}

static void on_verify_line(void *ctx, const json_t *line)
{
    struct verify *v = ctx;
    const char *event = json_get_text(line, "event");
    if (v->cli->json) {
        cli_print_json(line);
        return;
    }
    if (strcmp(event, "progress") == 0) {
        if (v->terminal)
            progress_line(&v->progress, line);
        return;
    }
    if (v->progress.bar_open)
        fputs("\r\033[K", stdout);
    v->progress.bar_open = false;
    if (strcmp(event, "verified") == 0)
        tell_verified(v, line);
    else if (strcmp(event, "passed-over") == 0)
        tell_passed_over(v, line);
    else if (is_true(line, "done"))
        tell_done(v, line);
}

static int run_verify(struct cli *cli, int argc, char **argv)
{
    static const char *const options[] = {"--all", "--type=", "--foreign", NULL};
    struct args a = args_begin(cli, argc, argv);
    struct verify v = {.cli = cli, .terminal = isatty(STDOUT_FILENO)};
    const char *option, *type = NULL, *which = NULL;
    bool all = false, foreign = false;

    /* Options may stand before and behind the backup. */
    for (;; which = argv[a.next++]) {
        while ((option = args_next(&a, options)))
            if (strcmp(option, "--all") == 0)
                all = true;
            else if (strcmp(option, "--foreign") == 0)
                foreign = true;
            else
                type = a.value;
        if (a.failed || a.next >= argc)
            break;
        if (which)
            return args_operands(&a, 0, 0);
    }
    if (a.failed)
        return a.failed;
    if (all && which)
        return cli_usage(cli, "--all, or one backup, not both");
    which = all ? "--all" : which ? which : "latest";
    progress_init(&v.progress, cli);
    const char *args[6] = {"verify", which};
    size_t n = 2;
    if (foreign)
        args[n++] = "--foreign";
    if (type) {
        args[n++] = "--type";
        args[n++] = type;
    }
    return job_stream_run(cli, args, on_verify_line, &v);
}

const struct command cmd_verify = {
    "verify",
    "[WHICH|--all] [--type TYPE] [--foreign]",
    N_("read archives again and compare every file with the manifest"),
    run_verify,
    (const struct help_line[]){
        {"WHICH",
            N_("latest (the default), a run such as 2026-11-22-0315, or the path of an archive")},
        {"--all", N_("every archive in the backup folder")},
        {"--type TYPE", N_("only this data type")},
        {"--foreign",
            N_("also what this installation has not sealed: the files then agree with each other, which says nothing about who made them")},
        {NULL, N_("Says of each archive whether it is good, or what is damaged and where.")},
        {NULL, N_("Exit code 6 if one is.")},
        {NULL,
            N_("An encrypted archive is opened with [archive] identity_file or passphrase_file; without them only the file as a whole is compared.")},
        {0},
    },
};
