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
#include "common/utf8.h"
#include "common/json_get.h"

struct listing {
    struct cli *cli;
    json_t *last; /* the job's last line */
};

static void keep_last(void *ctx, const json_t *line)
{
    struct listing *l = ctx;
    if (!json_get_true(line, "done"))
        return;
    json_decref(l->last);
    l->last = json_deep_copy(line);
}

static int list_backups(struct cli *cli, const char *type)
{
    struct listing l = {cli, NULL};
    const char *args[] = {"list", type ? "--type" : NULL, type, NULL};
    int code = job_stream_run(cli, args, keep_last, &l);
    if (l.last && cli->json)
        cli_print_json(l.last);
    else if (l.last && code == EXIT_GOOD)
        backups_list_print(cli, l.last);
    else if (l.last)
        cli_fail_last(cli, code, l.last);
    json_decref(l.last);
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

static int remove_backup(struct cli *cli, const char *which, const char *type, bool force)
{
    struct listing l = {cli, NULL};
    const char *args[] = {"remove", which, NULL, NULL, NULL, NULL};
    size_t n = 2, i;
    const json_t *item;
    if (force)
        args[n++] = "--force";
    if (type) {
        args[n++] = "--type";
        args[n++] = type;
    }
    int code = job_stream_run(cli, args, keep_last, &l);
    if (l.last && cli->json) {
        cli_print_json(l.last);
    } else if (l.last) {
        json_array_foreach (json_object_get(l.last, "removed"), i, item) {
            _cleanup_free_ char *t = output_member(item, "type"), *run = output_member(item, "run");
            printf(tr(cli, "removed %s_%s\n"), t, run);
            tell_stranded(cli, item, true);
        }
        if (code != EXIT_GOOD)
            cli_fail_last(cli, code, l.last);
    }
    json_decref(l.last);
    return code;
}

/* Before anybody agrees. */
static void tell_what_goes(struct cli *cli, const char *which, const char *type)
{
    struct listing l = {cli, NULL};
    const char *args[] = {"list", NULL};
    const json_t *item;
    size_t i;
    if (job_stream_run(cli, args, keep_last, &l) == EXIT_GOOD)
        json_array_foreach (json_object_get(l.last, "backups"), i, item)
            if (strcmp(json_get_text(item, "run"), which) == 0 &&
                (!type || strcmp(json_get_text(item, "type"), type) == 0))
                tell_stranded(cli, item, false);
    json_decref(l.last);
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

/* delete RUN [TYPE]; options before, between and behind them. argv[0] is "delete". */
static int run_delete(struct cli *cli, int argc, char **argv)
{
    static const char *const options[] = {"--type=", "--force", "--yes", NULL};
    struct args a = args_begin(cli, argc, argv);
    const char *option, *words[2] = {NULL, NULL};
    bool force = false, yes = false;
    size_t n = 0;
    for (;;) {
        while ((option = args_next(&a, options))) {
            force |= strcmp(option, "--force") == 0;
            yes |= strcmp(option, "--yes") == 0;
            if (strcmp(option, "--type=") == 0)
                words[1] = a.value;
        }
        if (a.failed)
            return a.failed;
        if (a.next >= a.argc)
            break;
        if (n == 2)
            return args_operands(&a, 0, 0);
        words[n++] = a.argv[a.next++];
    }
    if (!words[0])
        return cli_usage(cli, "which backup? \"elexgate backups\" lists them");
    int code = confirm_delete(cli, words[0], words[1], yes);
    return code == EXIT_GOOD ? remove_backup(cli, words[0], words[1], force) : code;
}

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
    static const char *const options[] = {"--type=", "--yes", NULL};
    struct args a = args_begin(cli, argc, argv);
    const char *args[70] = {"adopt"}, *option, *type = NULL;
    size_t n = 1;
    bool yes = false;
    for (;;) {
        while ((option = args_next(&a, options))) {
            yes |= strcmp(option, "--yes") == 0;
            if (strcmp(option, "--type=") == 0)
                type = a.value;
        }
        if (a.failed)
            return a.failed;
        if (a.next >= a.argc || n > 64)
            break;
        args[n++] = a.argv[a.next++];
    }
    if (n == 1)
        return cli_usage(cli, "which backup? \"elexgate backups\" lists them");
    if (type) {
        args[n++] = "--type";
        args[n++] = type;
    }
    if (!yes)
        printf("%s",
            tr(cli,
                "Whoever can write to the backup medium can have made it. Take over only what you\n"
                "know to be yours: from before backups were sealed, or from your former machine.\n"));
    int code = yes ? EXIT_GOOD : cli_confirm(cli, N_("adopt"));
    struct adopting adopting = {cli, NULL};
    if (code == EXIT_GOOD) {
        code = job_stream_run(cli, args, on_adopt_line, &adopting);
        if (code != EXIT_GOOD && !cli->json && adopting.last)
            cli_fail_last(cli, code, adopting.last);
    }
    json_decref(adopting.last);
    return code;
}

/* label RUN TEXT, protect RUN, unprotect RUN; argv[0] is the verb. */
static int run_mark(struct cli *cli, int argc, char **argv)
{
    static const char *const options[] = {NULL};
    const char *verb = argv[0];
    bool label = strcmp(verb, "label") == 0;
    struct args a = args_begin(cli, argc, argv);
    struct listing l = {cli, NULL};
    while (args_next(&a, options))
        continue;
    int code = args_operands(&a, label ? 2 : 1, label ? 2 : 1);
    if (code != EXIT_GOOD)
        return code;
    const char *args[] = {"mark", a.argv[a.next], label ? "--label" : NULL, NULL, NULL};
    _cleanup_free_ char *option = xasprintf("--%s", verb);
    if (label)
        args[3] = a.argv[a.next + 1];
    else
        args[2] = option;
    code = job_stream_run(cli, args, keep_last, &l);
    if (l.last && cli->json) {
        cli_print_json(l.last);
    } else if (l.last && code != EXIT_GOOD) {
        cli_fail_last(cli, code, l.last);
    } else if (l.last) {
        _cleanup_free_ char *run = output_member(l.last, "run"),
                            *text = output_member(l.last, "label");
        printf("%s%s%s%s%s\n", run, *text ? ": " : "", text,
            json_get_true(l.last, "protected") ? " · " : "",
            json_get_true(l.last, "protected") ? tr(cli, "protected") : "");
    }
    json_decref(l.last);
    return code;
}

static int run_backups(struct cli *cli, int argc, char **argv)
{
    static const char *const options[] = {"--type=", NULL};
    const char *type = NULL;
    if (argc > 1 && strcmp(argv[1], "delete") == 0)
        return run_delete(cli, argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "adopt") == 0)
        return run_adopt(cli, argc - 1, argv + 1);
    if (argc > 1 && (strcmp(argv[1], "label") == 0 || strcmp(argv[1], "protect") == 0 ||
                        strcmp(argv[1], "unprotect") == 0))
        return run_mark(cli, argc - 1, argv + 1);
    struct args a = args_begin(cli, argc, argv);
    while (args_next(&a, options))
        type = a.value;
    int code = args_operands(&a, 0, 0);
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
