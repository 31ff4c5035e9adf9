/*
 * elexgate backups: what lies in the backup folder; delete, label, protect, adopt: what one does
 * with it.
 */
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/backups_list.h"
#include "cli/cli.h"
#include "cli/job_stream.h"
#include "cli/output.h"
#include "common/json_get.h"

static int list_backups(struct cli *cli, const char *type)
{
    _cleanup_json_ json_t *answer = NULL;
    int code = job_stream_answer(
        cli, (const char *const[]){"list", type ? "--type" : NULL, type, NULL}, &answer);
    if (answer)
        backups_list_print(cli, answer);
    return code;
}

/* Seconds that only this backup is the beginning of. */
static void tell_stranded(const struct cli *cli, const json_t *item, bool gone)
{
    const json_t *strands = json_object_get(item, "strands");
    char from[SHOWN_LEN], until[SHOWN_LEN];
    if (!json_is_object(strands))
        return;
    cli_time(cli, strands, "from", SHOWN_SECOND, "?", from);
    cli_time(cli, strands, "until", SHOWN_SECOND, "?", until);
    if (gone)
        printf(tr(cli, "no second from %s to %s can be brought back any more\n"), from, until);
    else
        printf(tr(cli, "With it goes every second from %s to %s: no other backup leads there.\n"),
            from, until);
}

static int remove_backup(struct cli *cli, const struct args_words *job)
{
    _cleanup_json_ json_t *last = NULL;
    size_t i;
    const json_t *item;
    int code = job_stream_last(cli, job->v, &last);
    if (last && cli->json) {
        cli_print_json(last);
    } else if (last) {
        json_array_foreach (json_object_get(last, "removed"), i, item) {
            _cleanup_free_ char *t = output_member(item, "type"), *run = output_member(item, "run");
            printf(tr(cli, "removed %s_%s\n"), t, run);
            tell_stranded(cli, item, true);
        }
        if (code != EXIT_GOOD)
            cli_fail_last(cli, code, last);
    }
    return code;
}

/* Before anybody agrees. */
static void tell_what_goes(struct cli *cli, const char *which, const char *type)
{
    _cleanup_json_ json_t *last = NULL;
    const json_t *item;
    size_t i;
    if (job_stream_last(cli, (const char *const[]){"list", NULL}, &last) == EXIT_GOOD)
        json_array_foreach (json_object_get(last, "backups"), i, item)
            if (strcmp(json_get_text(item, "run"), which) == 0 &&
                (!type || strcmp(json_get_text(item, "type"), type) == 0))
                tell_stranded(cli, item, false);
}

static int confirm_delete(struct cli *cli, const char *which, const char *type, bool yes)
{
    if (yes)
        return EXIT_GOOD;
    tell_what_goes(cli, which, type);
    if (cli_on_terminal(cli))
        printf(tr(cli, "Delete the backup %s%s%s for good? "), which, type ? " " : "",
            type ? type : "");
    return cli_confirm(cli, N_("delete"));
}

/* delete RUN [TYPE]; argv[0] is "delete". */
static int run_delete(struct cli *cli, int argc, char **argv)
{
    const char *words[2], *type = NULL;
    bool yes = false;
    struct args_words job = {{"remove"}, 1};
    const struct args_option options[] = {
        {"--type=", &type}, {"--force", .pass = &job}, {"--yes", .flag = &yes}, {0}};
    int code = args_parse(cli, argc, argv, options, 0, 2, words);
    if (code != EXIT_GOOD)
        return code;
    if (!words[0])
        return cli_usage(cli, "which backup? \"elexgate backups\" lists them");
    args_words_add(&job, words[0]);
    type = words[1] ? words[1] : type;
    if (type) {
        args_words_add(&job, "--type");
        args_words_add(&job, type);
    }
    code = confirm_delete(cli, words[0], type, yes);
    return code == EXIT_GOOD ? remove_backup(cli, &job) : code;
}

#define ADOPT_MAX 64

struct adopting {
    struct cli *cli;
    json_t *last;
};

static void on_adopt_line(void *ctx, const json_t *line)
{
    struct adopting *a = ctx;
    const char *event = json_get_text(line, "event");
    if (a->cli->json)
        cli_print_json(line);
    if (json_get_true(line, "done")) {
        json_decref(a->last);
        a->last = json_deep_copy(line);
    } else if (strcmp(event, "adopted") == 0 && !a->cli->json) {
        _cleanup_free_ char *type = output_member(line, "type"), *run = output_member(line, "run");
        printf(tr(a->cli, "taken over: %s_%s\n"), type, run);
    }
}

/* adopt RUN... [--type TYPE] [--yes] */
static int run_adopt(struct cli *cli, int argc, char **argv)
{
    const char *runs[ADOPT_MAX];
    bool yes = false;
    struct args_words job = {{"adopt"}, 1};
    const struct args_option options[] = {{"--type=", .pass = &job}, {"--yes", .flag = &yes}, {0}};
    int code = args_parse(cli, argc, argv, options, 0, ADOPT_MAX, runs);
    if (code != EXIT_GOOD)
        return code;
    if (!runs[0])
        return cli_usage(cli, "which backup? \"elexgate backups\" lists them");
    for (size_t i = 0; i < ADOPT_MAX && runs[i]; i++)
        args_words_add(&job, runs[i]);
    if (!yes)
        printf("%s",
            tr(cli,
                "Whoever can write to the backup medium can have made it. Take over only what you\n"
                "know to be yours: from before backups were sealed, or from your former machine.\n"));
    code = yes ? EXIT_GOOD : cli_confirm(cli, N_("adopt"));
    struct adopting adopting = {cli, NULL};
    if (code == EXIT_GOOD) {
        code = job_stream_run(cli, job.v, on_adopt_line, &adopting);
        if (code != EXIT_GOOD && !cli->json && adopting.last)
            cli_fail_last(cli, code, adopting.last);
    }
    json_decref(adopting.last);
    return code;
}

/* label RUN TEXT, protect RUN, unprotect RUN; argv[0] is the verb. */
static int run_mark(struct cli *cli, int argc, char **argv)
{
    const char *words[2] = {NULL};
    bool label = strcmp(argv[0], "label") == 0;
    _cleanup_json_ json_t *answer = NULL;
    int code = args_parse(cli, argc, argv, NULL, label ? 2 : 1, label ? 2 : 1, words);
    if (code != EXIT_GOOD)
        return code;
    _cleanup_free_ char *option = xasprintf("--%s", argv[0]);
    code = job_stream_answer(
        cli, (const char *const[]){"mark", words[0], option, words[1], NULL}, &answer);
    if (answer) {
        _cleanup_free_ char *run = output_member(answer, "run"),
                            *text = output_member(answer, "label");
        printf("%s%s%s%s%s\n", run, *text ? ": " : "", text,
            json_get_true(answer, "protected") ? " · " : "",
            json_get_true(answer, "protected") ? tr(cli, "protected") : "");
    }
    return code;
}

static int run_backups(struct cli *cli, int argc, char **argv)
{
    static const struct {
        const char *verb;
        int (*run)(struct cli *cli, int argc, char **argv);
    } verbs[] = {{"delete", run_delete}, {"adopt", run_adopt}, {"label", run_mark},
        {"protect", run_mark}, {"unprotect", run_mark}};
    const char *type = NULL;
    const struct args_option options[] = {{"--type=", &type}, {0}};
    for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(argv[1], verbs[i].verb) == 0)
            return verbs[i].run(cli, argc - 1, argv + 1);
    int code = args_parse(cli, argc, argv, options, 0, 0, NULL);
    return code == EXIT_GOOD ? list_backups(cli, type) : code;
}

const struct command cmd_backups = {
    "backups",
    "[--type TYPE] | delete RUN [TYPE] [--yes] [--force] | label RUN TEXT | protect RUN | unprotect RUN | adopt RUN... [--type TYPE] [--yes]",
    N_("list the backups; delete, label, protect or adopt one"),
    run_backups,
    (const struct help_line[]){
        {"delete RUN [TYPE]",
            N_("delete this run's archives, e.g. 2026-11-22-0315, after a question")},
        {"--yes", N_("do not ask, for scripts")},
        {"label RUN TEXT",
            N_("call it something, e.g. \"before the upgrade to 3.13\"; \"\" takes the name away")},
        {"protect RUN", N_("keep it: neither old age nor delete removes it, until unprotect RUN")},
        {"adopt RUN",
            N_("take over what this installation has not sealed, after every file of it was checked: backups from before the seal, or of a former machine")},
        {"--type TYPE", N_("only this data type")},
        {"--force", N_("also the only good one of its type")},
        {NULL, N_("ORIGINAL: before it was compressed.")},
        {NULL, N_("VERIFIED: every file was read again and compared (elexgate verify).")},
        {NULL,
            N_("PROVEN: it was restored into a throwaway server and found equal (elexgate drill).")},
        {0},
    },
};
