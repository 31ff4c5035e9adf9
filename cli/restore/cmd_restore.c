/*
 * elexgate restore: brings a backup back, or goes back to what was there before.
 */
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/job_stream.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/restore/restore_into.h"
#include "cli/restore/restore_words.h"
#include "common/json_get.h"

#define TYPES_MAX 32

struct request {
    const char *words[TYPES_MAX + 1]; /* WHICH and types, or the one word of another command */
    size_t n;
    const char *sql; /* the file, instead of the words */
    const char *recover_with;
    const char *into, *serve;           /* elsewhere: the folder, and a socket for a server on it */
    const char *names;                  /* of SQL: live or file */
    const char *to, *before, *timeline; /* a moment */
    bool yes, dry_run, no_trial, foreign, accept_loss;
};

/* What goes together. */
static int check(struct cli *cli, const struct request *rq)
{
    if (rq->sql && (rq->n || rq->no_trial || rq->foreign || rq->into || rq->serve))
        return cli_usage(cli, "--sql goes with --yes, --dry-run, --accept-loss and --names only");
    if (rq->serve && !rq->into)
        return cli_usage(cli, "%s", tr(cli, "--serve needs the folder: --into DIR"));
    if (rq->into && (rq->dry_run || rq->no_trial))
        return cli_usage(cli, "--into goes with WHICH, TYPE, --serve and --foreign only");
    if (rq->recover_with && !rq->foreign)
        return cli_usage(cli, "%s",
            tr(cli, "--recover-with is for an archive of the old system: add --foreign"));
    if ((rq->to || rq->before) && (rq->sql || rq->foreign || (rq->to && rq->before)))
        return cli_usage(cli, "%s",
            tr(cli, "a moment (--to or --before, one of them) goes without --sql and --foreign"));
    if (rq->timeline && !rq->to && !rq->before)
        return cli_usage(cli, "%s", tr(cli, "--timeline goes with a moment: --to or --before"));
    if (rq->n == 0 && !rq->sql && !rq->into && !rq->to && !rq->before)
        return cli_usage(cli, "%s",
            tr(cli, "which backup? latest, a run such as 2026-11-22-0315, or an archive's path"));
    return EXIT_GOOD;
}

static int parse(struct cli *cli, int argc, char **argv, struct request *rq)
{
    static const char *const options[] = {"--yes", "--dry-run", "--no-trial", "--foreign",
        "--accept-loss", "--recover-with=", "--sql=", "--names=", "--into=", "--serve=", "--to=",
        "--before=", "--timeline=", NULL};
    struct args a = args_begin(cli, argc, argv);
    const char *o;
    /* Options may stand before, between and after the words. */
    for (;;) {
        while ((o = args_next(&a, options))) {
            rq->yes |= strcmp(o, "--yes") == 0;
            rq->dry_run |= strcmp(o, "--dry-run") == 0;
            rq->no_trial |= strcmp(o, "--no-trial") == 0;
            rq->foreign |= strcmp(o, "--foreign") == 0;
            rq->accept_loss |= strcmp(o, "--accept-loss") == 0;
            if (strcmp(o, "--recover-with=") == 0)
                rq->recover_with = a.value;
            if (strcmp(o, "--sql=") == 0)
                rq->sql = a.value;
            if (strcmp(o, "--names=") == 0)
                rq->names = a.value;
            if (strcmp(o, "--into=") == 0)
                rq->into = a.value;
            if (strcmp(o, "--serve=") == 0)
                rq->serve = a.value;
            if (strcmp(o, "--to=") == 0)
                rq->to = a.value;
            if (strcmp(o, "--before=") == 0)
                rq->before = a.value;
            if (strcmp(o, "--timeline=") == 0)
                rq->timeline = a.value;
        }
        if (a.failed)
            return a.failed;
        if (a.next >= argc)
            break;
        if (rq->n == TYPES_MAX + 1)
            return cli_usage(cli, "at most %d types at once", TYPES_MAX);
        rq->words[rq->n++] = argv[a.next++];
    }
    return check(cli, rq);
}

/* --- asking --- */

/* Somebody must be there to answer, or have answered. */
static int can_ask(const struct cli *cli, const struct request *rq)
{
    if (rq->yes || cli_on_terminal(cli))
        return EXIT_GOOD;
    return cli_nobody_to_ask(cli);
}

/* --- running --- */

struct lines {
    struct cli *cli;
    struct progress progress;
    json_t *event;      /* the one that the caller waits for */
    const char *name;   /* its name */
    json_t *difference; /* what SQL would lose, when nobody has agreed to it yet */
};

static const char *event_name(const json_t *line)
{
    const char *s = json_get_text(line, "event");
    return s;
}

static void take(struct lines *l, const json_t *line)
{
    if (strcmp(event_name(line), l->name) == 0) {
        json_decref(l->event);
        l->event = json_deep_copy(line);
    }
}

/* A question to the job: only its answer and its failure count. */
static void on_answer(void *ctx, const json_t *line)
{
    struct lines *l = ctx;
    take(l, line);
    if (json_get_true(line, "done") && !json_get_true(line, "ok"))
        progress_line(&l->progress, line);
}

/* New reference in *event; NULL if it did not come. */
static int ask_job(struct cli *cli, const char *const *args, const char *name, json_t **event)
{
    struct lines l = {.cli = cli, .name = name};
    progress_init(&l.progress, cli);
    int code = job_stream_run(cli, args, on_answer, &l);
    *event = l.event;
    return code;
}

static void on_work(void *ctx, const json_t *line)
{
    struct lines *l = ctx;
    take(l, line);
    if (strcmp(event_name(line), "difference") == 0) {
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
static int run_job(struct cli *cli, const char *const *args, bool *loss)
{
    struct lines l = {.cli = cli, .name = "restored"};
    progress_init(&l.progress, cli);
    int code = job_stream_run(cli, args, on_work, &l);
    bool good = l.event != NULL, bad = code != EXIT_GOOD && code != EXIT_BUSY && code != EXIT_USAGE;
    json_t *status = NULL;
    const char *ask[] = {"restore", "status", NULL};
    if ((good || bad) && !l.progress.raw && ask_job(cli, ask, "restore", &status) == EXIT_GOOD) {
        if (good)
            restore_words_report(cli, l.event, status);
        else
            restore_words_failed(cli, status);
    }
    if (loss)
        *loss = code == EXIT_REFUSED && json_get_true(l.difference, "grave") &&
                json_is_false(json_object_get(l.difference, "accepted"));
    json_decref(status);
    json_decref(l.difference);
    json_decref(l.event);
    return code;
}

/* A loss is agreed to by a word of its own, which nobody types by habit. */
static int run_and_ask(struct cli *cli, const struct request *rq, const char **args, size_t n)
{
    bool loss = false;
    args[n] = NULL;
    int code = run_job(cli, args, &loss);
    if (!loss || !cli_on_terminal(cli) || rq->dry_run)
        return code;
    code = cli_confirm(cli, N_("lose them"));
    if (code != EXIT_GOOD)
        return code;
    for (size_t i = n; i > 2; i--)
        args[i] = args[i - 1];
    args[2] = "--accept-loss";
    args[n + 1] = NULL;
    return run_job(cli, args, NULL);
}

static size_t sql_words(const struct request *rq, const char **args, size_t n)
{
    if (rq->accept_loss)
        args[n++] = "--accept-loss";
    if (rq->names) {
        args[n++] = "--names";
        args[n++] = rq->names;
    }
    return n;
}

static size_t moment_words(const struct request *rq, const char **args, size_t n)
{
    if (rq->to || rq->before) {
        args[n++] = rq->to ? "--to" : "--before";
        args[n++] = rq->to ? rq->to : rq->before;
    }
    if (rq->timeline) {
        args[n++] = "--timeline";
        args[n++] = rq->timeline;
    }
    return n;
}

static size_t job_words(const struct request *rq, const char *what, const char **args)
{
    size_t n = 0;
    args[n++] = "restore";
    args[n++] = what;
    if (rq->foreign)
        args[n++] = "--foreign";
    if (strcmp(what, "run") == 0 && rq->dry_run)
        args[n++] = "--dry-run";
    if (strcmp(what, "run") == 0 && rq->no_trial)
        args[n++] = "--no-trial";
    if (strcmp(what, "run") == 0 && rq->recover_with) {
        args[n++] = "--recover-with";
        args[n++] = rq->recover_with;
    }
    if (strcmp(what, "run") == 0)
        n = sql_words(rq, args, n);
    n = moment_words(rq, args, n);
    for (size_t i = 0; i < rq->n; i++)
        args[n++] = rq->words[i];
    args[n] = NULL;
    return n;
}

static void keep_done(void *ctx, const json_t *line)
{
    json_t **last = ctx;
    if (!json_get_true(line, "done"))
        return;
    json_decref(*last);
    *last = json_deep_copy(line);
}

/* A wrong name is said before anything else, such as that a terminal is missing. */
static int can_be_done(struct cli *cli, const struct request *rq, const char **args)
{
    json_t *last = NULL;
    job_words(rq, "plan", args);
    int code = job_stream_run(cli, args, keep_done, &last);
    const char *words = json_get_str(last, "error");
    if (code != EXIT_GOOD && words)
        cli_failf(cli, code, "%s", words);
    json_decref(last);
    return code;
}

static int restore(struct cli *cli, const struct request *rq)
{
    const char *args[TYPES_MAX + 20];
    json_t *plan = NULL;
    int code = EXIT_GOOD;
    if (!rq->dry_run && !rq->yes && !cli_on_terminal(cli))
        code = can_be_done(cli, rq, args);
    if (code == EXIT_GOOD && !rq->dry_run)
        code = can_ask(cli, rq);
    if (code == EXIT_GOOD && cli_on_terminal(cli)) {
        job_words(rq, "plan", args);
        code = ask_job(cli, args, "plan", &plan);
        if (code == EXIT_GOOD && plan)
            restore_words_plan(cli, plan);
        json_decref(plan);
        if (code == EXIT_GOOD && !rq->yes && !rq->dry_run)
            code = cli_confirm(cli, N_("restore"));
    }
    if (code != EXIT_GOOD)
        return code;
    return run_and_ask(cli, rq, args, job_words(rq, "run", args));
}

static int restore_sql(struct cli *cli, const struct request *rq)
{
    const char *args[12] = {"restore", "sql"};
    size_t n = 2;
    const struct config *c = cli_config(cli);
    if (!c)
        return EXIT_FAILED;
    if (strcmp(rq->sql, "-") == 0 && !rq->yes && !rq->dry_run)
        return cli_usage(cli, "SQL from standard input leaves nothing to answer on: add --yes");
    int code = rq->dry_run ? EXIT_GOOD : can_ask(cli, rq);
    if (code == EXIT_GOOD && !rq->yes && !rq->dry_run) {
        printf(
            tr(cli,
                "The database %s is made anew from %s, beside the present one and while everybody works; then the two change places. The present data are kept.\n"),
            config_str(c, "database", NULL, "name"), rq->sql);
        code = cli_confirm(cli, N_("restore"));
    }
    if (code != EXIT_GOOD)
        return code;
    if (rq->dry_run)
        args[n++] = "--dry-run";
    n = sql_words(rq, args, n);
    args[n++] = rq->sql;
    return run_and_ask(cli, rq, args, n);
}

static int show_status(struct cli *cli)
{
    const char *args[] = {"restore", "status", NULL};
    json_t *status = NULL;
    int code = ask_job(cli, args, "restore", &status);
    if (code == EXIT_GOOD && status) {
        if (cli->json)
            cli_print_json(status);
        else
            restore_words_status(cli, status);
    }
    json_decref(status);
    return code;
}

static int undo(struct cli *cli, const struct request *rq)
{
    const char *args[] = {"restore", "undo", NULL};
    int code = can_ask(cli, rq);
    if (code == EXIT_GOOD && !rq->yes) {
        code = show_status(cli);
        printf("%s\n",
            tr(cli,
                "This changes back and forth; clients are blocked for a few seconds. What was entered since stays with the side that goes."));
        if (code == EXIT_GOOD)
            code = cli_confirm(cli, N_("undo"));
    }
    return code == EXIT_GOOD ? run_job(cli, args, NULL) : code;
}

static int accept_it(struct cli *cli, const struct request *rq)
{
    const char *args[] = {"restore", "accept", NULL};
    int code = can_ask(cli, rq);
    if (code == EXIT_GOOD && !rq->yes) {
        code = show_status(cli);
        printf("%s\n", tr(cli, "The data that are not in use are deleted for good."));
        if (code == EXIT_GOOD)
            code = cli_confirm(cli, N_("accept"));
    }
    return code == EXIT_GOOD ? run_job(cli, args, NULL) : code;
}

static int run_restore(struct cli *cli, int argc, char **argv)
{
    struct request rq = {0};
    int code = parse(cli, argc, argv, &rq);
    if (code != EXIT_GOOD)
        return code;
    if (rq.sql)
        return restore_sql(cli, &rq);
    if (rq.into) {
        const char *moment[6] = {NULL};
        size_t n = moment_words(&rq, moment, 0);
        const struct restore_into in = {rq.into, rq.serve, rq.words, rq.n, moment, n, rq.foreign};
        return restore_run_into(cli, &in);
    }
    const char *word = rq.n ? rq.words[0] : "";
    bool other = strcmp(word, "undo") == 0 || strcmp(word, "accept") == 0 ||
                 strcmp(word, "recover") == 0 || strcmp(word, "status") == 0;
    if (other && (rq.n > 1 || rq.dry_run || rq.no_trial || rq.foreign))
        return cli_usage(cli, "restore %s takes nothing but --yes", word);
    if (strcmp(word, "undo") == 0)
        return undo(cli, &rq);
    if (strcmp(word, "accept") == 0)
        return accept_it(cli, &rq);
    if (strcmp(word, "status") == 0)
        return show_status(cli);
    if (strcmp(word, "recover") == 0) {
        const char *args[] = {"restore", "recover", NULL};
        return run_job(cli, args, NULL);
    }
    return restore(cli, &rq);
}

const struct command cmd_restore = {
    "restore",
    "WHICH [TYPE...] [--yes] [--dry-run] [--no-trial] [--foreign [--recover-with PROGRAM]] | --sql FILE [--accept-loss] [--names live|file] | --to MOMENT | --before GTID | --into DIR [--serve SOCKET] [--to MOMENT] [WHICH [TYPE...]] | undo | accept | recover | status",
    "bring a backup back: everything or nothing, clients told to wait",
    run_restore,
    "  WHICH       a run such as 2026-11-22-0315, latest, or an archive's path\n"
    "  TYPE        only these data types; all of the run without\n"
    "  --yes       without the question, for scripts\n"
    "  --dry-run   everything but the swap: unpacks, checks and tries out, then removes it again\n"
    "  --no-trial  without the throwaway server that tries the data out first\n"
    "  --foreign   also what this installation has not sealed, or what has no manifest, as the\n"
    "              old system made them: only if you know who made it\n"
    "  --recover-with PROGRAM  with --foreign: a mariadbd of the series that the archive was taken\n"
    "              of while it ran; it is started once on the unpacked copy\n"
    "  --sql FILE  from a dump: .sql, also compressed, or - for standard input; into the Elexis\n"
    "              database only\n"
    "  --accept-loss  SQL may lose tables or most rows of what is there now; without, a terminal\n"
    "              asks, and a script is refused\n"
    "  --names live|file  SQL whose tables are called as the present ones but for upper and lower\n"
    "              case (Windows): give them the present names, or leave them\n"
    "  --into DIR  unpack it elsewhere (latest without WHICH), the live data are not touched; with\n"
    "              --serve SOCKET start a throwaway server on it, to look at the old state or to\n"
    "              take one table out of it; --serve alone on a DIR that was made before\n"
    "  --to MOMENT  as it was then: \"2026-11-30 14:32:07\" (local time), a transaction such as\n"
    "              0-1-4711, or latest, everything that was saved; from the newest proven backup\n"
    "              before it (or WHICH) and the archived binary log; also with --into\n"
    "  --before GTID  without that transaction and all that came after it\n"
    "  --timeline N  of that timeline, where a restore or a reset left several\n"
    "\n"
    "  undo        bring back what was there before; once more: the restored data again\n"
    "  accept      let go of the data that are not in use\n"
    "  recover     finish or undo a restore that was interrupted\n"
    "  status      what is kept, or what was interrupted\n"
    "\n"
    "Unpacking and checking take place while everybody works; clients are kept out only while\n"
    "the server is stopped, the folders change places and it is started again.\n",
};
