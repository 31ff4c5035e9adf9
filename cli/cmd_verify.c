/*
 * elexgate verify: reads archives again and compares every file with the manifest.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "common/json_get.h"
#include "common/shown.h"

static void tell_verified(struct cli *cli, const json_t *line)
{
    char size[SHOWN_LEN], time[32];
    bool good = json_get_true(line, "good");
    _cleanup_free_ char *file = output_member(line, "file"),
                        *words = output_words(cli->lang, line, "words");

    if (good && json_get_true(line, "whole_file_only"))
        snprintf(size, sizeof size, "-");
    else
        shown_bytes(cli->lang, (uint64_t)output_number(line, "bytes", 0), size, sizeof size);
    shown_duration(cli->lang, output_number(line, "ms", 0), time, sizeof time);
    if (!good)
        printf("%s  %s\n    %s\n", tr(cli, "DAMAGED"), file, words);
    else if (json_get_true(line, "whole_file_only"))
        printf("%s  %s\n    %s\n", tr(cli, "good"), file,
            tr(cli,
                "the file is as it was written; its content is encrypted and was not looked at"));
    else
        printf(tr(cli, "good  %s  (%" PRId64 " files, %s, %s)\n"), file,
            output_number(line, "files", 0), size, time);
    fflush(stdout);
}

static void tell_passed_over(struct cli *cli, const json_t *line)
{
    _cleanup_free_ char *type = output_member(line, "type"), *run = output_member(line, "run"),
                        *words = output_words(cli->lang, line, "words");
    printf("%s  %s_%s\n    %s\n", tr(cli, "passed over"), type, run, words);
}

static void tell_done(struct cli *cli, const json_t *line)
{
    int64_t checked = output_number(line, "checked", 0),
            damaged = output_number(line, "damaged", 0);
    if (json_get_true(line, "ok")) {
        printf(tr(cli, "%" PRId64 " checked, none damaged\n"), checked);
        return;
    }
    fflush(stdout);
    if (damaged > 0) {
        fprintf(stderr, tr(cli, "elexgate: %" PRId64 " of %" PRId64 " archives are damaged\n"),
            damaged, checked);
        return;
    }
    _cleanup_free_ char *error = output_words(cli->lang, line, "error");
    fprintf(stderr, "elexgate: %s\n", error);
}

static bool tell_verify(struct cli *cli, const json_t *line, void *ctx)
{
    const char *event = json_get_text(line, "event");
    (void)ctx;
    if (strcmp(event, "verified") == 0)
        tell_verified(cli, line);
    else if (strcmp(event, "passed-over") == 0)
        tell_passed_over(cli, line);
    else if (json_get_true(line, "done"))
        tell_done(cli, line);
    return true;
}

static int run_verify(struct cli *cli, int argc, char **argv)
{
    const char *which;
    bool all = false;
    struct args_words job = {{"verify"}, 1};
    const struct args_option options[] = {{"--all", .flag = &all, .pass = &job},
        {"--foreign", .pass = &job}, {"--type=", .pass = &job}, {0}};
    int code = args_parse(cli, argc, argv, options, 0, 1, &which);
    if (code != EXIT_GOOD)
        return code;
    if (all && which)
        return cli_usage(cli, "--all, or one backup, not both");
    if (!all)
        args_words_add(&job, which ? which : "latest");
    return progress_run(cli, job.v, tell_verify, NULL);
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
