/*
 * elexgate restore: brings a backup back, or goes back to what was there before.
 */
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/job_stream.h"
#include "cli/progress.h"
#include "cli/restore/restore_into.h"
#include "cli/restore/restore_words.h"
#include "common/json_get.h"

static bool has(const json_t *ask, const char *member)
{
    return json_object_get(ask, member) != NULL;
}

/* What stands in the request (backup/rules/restore_request.h) as it stands on the command line;
 * what goes together is the job's to say. */
static int parse(struct cli *cli, int argc, char **argv, json_t *ask)
{
#define MEMBER(option, name)                                                                       \
    {                                                                                              \
        option, .request = ask, .member = name                                                     \
    }
    const struct args_option options[] = {
        MEMBER("--yes", "yes"),
        MEMBER("--dry-run", "dry_run"),
        MEMBER("--no-trial", "no_trial"),
        MEMBER("--foreign", "foreign"),
        MEMBER("--accept-loss", "accept_loss"),
        MEMBER("--recover-with=", "recover_with"),
        MEMBER("--sql=", "file"),
        MEMBER("--names=", "names"),
        MEMBER("--into=", "folder"),
        MEMBER("--serve=", "socket"),
        MEMBER("--to=", "to"),
        MEMBER("--before=", "before"),
        MEMBER("--timeline=", "timeline"),
        {0},
    };
    _cleanup_free_ const char **words = xcalloc((size_t)argc, sizeof *words);
    json_t *types = json_array();
    (void)json_object_set_new(ask, "types", types);
    int code = args_parse(cli, argc, argv, options, 0, argc, words);
    if (words[0])
        (void)json_object_set_new(ask, "which", json_text(words[0]));
    for (int i = 1; i < argc && words[i]; i++)
        (void)json_array_append_new(types, json_text(words[i]));
    return code;
}

/* Somebody must be there to answer, or have answered. */
static int can_ask(const struct cli *cli, const json_t *ask)
{
    return has(ask, "yes") || cli_on_terminal(cli) ? EXIT_GOOD : cli_nobody_to_ask(cli);
}

/* --- running --- */

struct lines {
    struct cli *cli;
    struct progress progress;
    json_t *event;      /* the one that the caller waits for */
    const char *name;   /* its name */
    json_t *difference; /* what SQL would lose, when nobody has agreed to it yet */
};

static void keep_awaited(struct lines *l, const json_t *line)
{
    if (strcmp(json_get_text(line, "event"), l->name) == 0) {
        json_decref(l->event);
        l->event = json_deep_copy(line);
    }
}

/* A question to the job: only its answer and its failure count. */
static void on_answer(void *ctx, const json_t *line)
{
    struct lines *l = ctx;
    keep_awaited(l, line);
    if (json_get_true(line, "done") && !json_get_true(line, "ok"))
        progress_line(&l->progress, line);
}

static char *request_text(json_t *ask, const char *action)
{
    (void)json_object_set_new(ask, "action", json_string(action));
    return json_dumps(ask, JSON_COMPACT);
}

static int start_job(struct cli *cli, json_t *ask, const char *action, job_stream_fn *fn, void *ctx)
{
    _cleanup_free_ char *text = request_text(ask, action);
    return job_stream_run(cli, (const char *const[]){"restore", text, NULL}, fn, ctx);
}

/* New reference in *event; NULL if it did not come. */
static int ask_job(
    struct cli *cli, json_t *ask, const char *action, const char *name, json_t **event)
{
    struct lines l = {.cli = cli, .name = name};
    progress_init(&l.progress, cli);
    int code = start_job(cli, ask, action, on_answer, &l);
    *event = l.event;
    return code;
}

static void on_work(void *ctx, const json_t *line)
{
    struct lines *l = ctx;
    keep_awaited(l, line);
    if (strcmp(json_get_text(line, "event"), "difference") == 0) {
        json_decref(l->difference);
        l->difference = json_deep_copy(line);
        if (!l->progress.raw) {
            progress_clear(&l->progress);
            restore_words_difference(l->cli, line);
        }
    }
    progress_line(&l->progress, line);
}

/* Not through the keeper: a restore goes on when the keeper is stopped, and the job's lock keeps
 * backups away meanwhile. *loss, unless NULL: it ended because nobody has agreed to a loss. */
static int run_job(struct cli *cli, json_t *ask, const char *action, bool *loss)
{
    struct lines l = {.cli = cli, .name = "restored"};
    progress_init(&l.progress, cli);
    int code = start_job(cli, ask, action, on_work, &l);
    bool good = l.event != NULL, bad = code != EXIT_GOOD && code != EXIT_BUSY && code != EXIT_USAGE;
    _cleanup_json_ json_t *status = NULL;
    if ((good || bad) && !l.progress.raw &&
        ask_job(cli, ask, "status", "restore", &status) == EXIT_GOOD) {
        if (good)
            restore_words_report(cli, l.event, status);
        else
            restore_words_failed(cli, status);
    }
    if (loss)
        *loss = code == EXIT_REFUSED && json_get_true(l.difference, "grave") &&
                json_is_false(json_object_get(l.difference, "accepted"));
    json_decref(l.difference);
    json_decref(l.event);
    return code;
}

/* A loss is agreed to by a word of its own, which nobody types by habit. */
static int run_and_ask(struct cli *cli, json_t *ask, const char *action)
{
    bool loss = false;
    int code = run_job(cli, ask, action, &loss);
    if (!loss || !cli_on_terminal(cli) || has(ask, "dry_run"))
        return code;
    code = cli_confirm(cli, N_("lose them"));
    if (code != EXIT_GOOD)
        return code;
    (void)json_object_set_new(ask, "accept_loss", json_true());
    return run_job(cli, ask, action, NULL);
}

/* A wrong name is said before anything else, such as that a terminal is missing. */
static int can_be_done(struct cli *cli, json_t *ask)
{
    _cleanup_json_ json_t *last = NULL;
    _cleanup_free_ char *text = request_text(ask, "plan");
    int code = job_stream_last(cli, (const char *const[]){"restore", text, NULL}, &last);
    if (code != EXIT_GOOD && json_get_str(last, "error"))
        cli_fail_last(cli, code, last);
    return code;
}

static int restore(struct cli *cli, json_t *ask)
{
    json_t *plan = NULL;
    int code = EXIT_GOOD;
    bool dry_run = has(ask, "dry_run");
    if (!dry_run && !has(ask, "yes") && !cli_on_terminal(cli))
        code = can_be_done(cli, ask);
    if (code == EXIT_GOOD && !dry_run)
        code = can_ask(cli, ask);
    if (code == EXIT_GOOD && cli_on_terminal(cli)) {
        code = ask_job(cli, ask, "plan", "plan", &plan);
        if (code == EXIT_GOOD && plan)
            restore_words_plan(cli, plan);
        json_decref(plan);
        if (code == EXIT_GOOD && !has(ask, "yes") && !dry_run)
            code = cli_confirm(cli, N_("restore"));
    }
    return code == EXIT_GOOD ? run_and_ask(cli, ask, "run") : code;
}

static int restore_sql(struct cli *cli, json_t *ask)
{
    const char *file = json_get_text(ask, "file");
    const struct config *c = cli_config(cli);
    bool asks = !has(ask, "yes") && !has(ask, "dry_run");
    if (!c)
        return EXIT_FAILED;
    if (strcmp(file, "-") == 0 && asks)
        return cli_usage(cli, "SQL from standard input leaves nothing to answer on: add --yes");
    int code = asks ? can_ask(cli, ask) : EXIT_GOOD;
    if (code == EXIT_GOOD && asks) {
        printf(
            tr(cli,
                "The database %s is made anew from %s, beside the present one and while everybody works; then the two change places. The present data are kept.\n"),
            config_str(c, "database", NULL, "name"), file);
        code = cli_confirm(cli, N_("restore"));
    }
    return code == EXIT_GOOD ? run_and_ask(cli, ask, "sql") : code;
}

static int show_status(struct cli *cli, json_t *ask)
{
    _cleanup_json_ json_t *status = NULL;
    int code = ask_job(cli, ask, "status", "restore", &status);
    if (code == EXIT_GOOD && status) {
        if (cli->json)
            cli_print_json(status);
        else
            restore_words_status(cli, status);
    }
    return code;
}

/* How it stands, what comes now, and a word to type. */
static int ask_and_run(struct cli *cli, json_t *ask, const char *action, const char *meaning)
{
    int code = can_ask(cli, ask);
    if (code == EXIT_GOOD && !has(ask, "yes")) {
        code = show_status(cli, ask);
        printf("%s\n", meaning);
        if (code == EXIT_GOOD)
            code = cli_confirm(cli, action);
    }
    return code == EXIT_GOOD ? run_job(cli, ask, action, NULL) : code;
}

static int carry_out(struct cli *cli, json_t *ask)
{
    const char *word = json_get_text(ask, "which");
    bool undo = strcmp(word, "undo") == 0, accept = strcmp(word, "accept") == 0;
    bool recover = strcmp(word, "recover") == 0, status = strcmp(word, "status") == 0;
    if (has(ask, "file"))
        return restore_sql(cli, ask);
    if (has(ask, "folder"))
        return restore_run_into(cli, ask);
    if (!undo && !accept && !recover && !status)
        return restore(cli, ask);
    if (json_array_size(json_object_get(ask, "types")) > 0 || has(ask, "dry_run") ||
        has(ask, "no_trial") || has(ask, "foreign"))
        return cli_usage(cli, "restore %s takes nothing but --yes", word);
    (void)json_object_del(ask, "which");
    if (undo)
        return ask_and_run(cli, ask, N_("undo"),
            tr(cli,
                "This changes back and forth; clients are blocked for a few seconds. What was entered since stays with the side that goes."));
    if (accept)
        return ask_and_run(
            cli, ask, N_("accept"), tr(cli, "The data that are not in use are deleted for good."));
    return recover ? run_job(cli, ask, "recover", NULL) : show_status(cli, ask);
}

static int run_restore(struct cli *cli, int argc, char **argv)
{
    _cleanup_json_ json_t *ask = json_object();
    int code = parse(cli, argc, argv, ask);
    if (code == EXIT_GOOD)
        code = carry_out(cli, ask);
    return code;
}

const struct command cmd_restore = {
    "restore",
    "WHICH [TYPE...] [--yes] [--dry-run] [--no-trial] [--foreign [--recover-with PROGRAM]] | --sql FILE [--accept-loss] [--names live|file] | --to MOMENT | --before GTID | --into DIR [--serve SOCKET] [--to MOMENT] [WHICH [TYPE...]] | undo | accept | recover | status",
    N_("bring a backup back: everything or nothing, clients told to wait"),
    run_restore,
    (const struct help_line[]){
        {"WHICH", N_("a run such as 2026-11-22-0315, latest, or an archive's path")},
        {"TYPE", N_("only these data types; all of the run without")},
        {"--yes", N_("do not ask, for scripts")},
        {"--dry-run",
            N_("everything but the swap: unpacks, checks and tries out, then removes it again")},
        {"--no-trial", N_("without the throwaway server that tries the data out first")},
        {"--foreign",
            N_("also what this installation has not sealed, or what has no manifest, as the old system made them: only if you know who made it")},
        {"--recover-with PROGRAM",
            N_("with --foreign: a mariadbd of the series that the archive was taken of while it ran; it is started once on the unpacked copy")},
        {"--sql FILE",
            N_("from a dump: .sql, also compressed, or - for standard input; into the Elexis database only")},
        {"--accept-loss",
            N_("SQL may lose tables or most rows of what is there now; without, a terminal asks, and a script is refused")},
        {"--names live|file",
            N_("SQL whose tables are called as the present ones but for upper and lower case (Windows): give them the present names, or leave them")},
        {"--into DIR",
            N_("unpack it elsewhere (latest without WHICH), the live data are not touched; with --serve SOCKET start a throwaway server on it, to look at the old state or to take one table out of it; --serve alone on a DIR that was made before")},
        {"--to MOMENT",
            N_("as it was then: \"2026-11-30 14:32:07\" (local time), a transaction such as 0-1-4711, or latest, everything that was saved; from the newest proven backup before it (or WHICH) and the archived binary log; also with --into")},
        {"--before GTID", N_("without that transaction and all that came after it")},
        {"--timeline N", N_("of that timeline, where a restore or a reset left several")},
        {"undo", N_("bring back what was there before; once more: the restored data again")},
        {"accept", N_("delete the data that are not in use")},
        {"recover", N_("finish or undo a restore that was interrupted")},
        {"status", N_("what is kept, or what was interrupted")},
        {NULL,
            N_("Unpacking and checking take place while everybody works; clients are kept out only while the server is stopped, the folders change places and it is started again.")},
        {0},
    },
};
