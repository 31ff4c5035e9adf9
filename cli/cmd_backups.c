/*
 * elexgate backups: what lies in the backup folder; delete: removes one; adopt: takes over.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/job_stream.h"
#include "cli/output.h"
#include "common/clock.h"
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

/* "3 h", "12 d": how long ago, in one unit. */
static void age_of(const json_t *item, char *buf, size_t size)
{
    const char *started = json_get_str(item, "started");
    int64_t ms;
    if (!started || clock_parse(started, &ms) < 0) {
        snprintf(buf, size, "?");
        return;
    }
    int64_t age = clock_wall_ms() - ms;
    clock_human(age > 0 ? (uint64_t)age : 0, buf, size);
}

/* "yes", "no", "-", with the day of the check. */
static void check_of(
    const struct cli *cli, const json_t *item, const char *key, char *buf, size_t size)
{
    const json_t *check = json_object_get(item, key);
    const char *at = json_get_str(check, "at");
    if (!at)
        snprintf(buf, size, "-");
    else
        utf8_format(buf, size, "%s %s",
            json_get_true(check, "good") ? tr(cli, "good") : tr(cli, "DAMAGED"),
            UTF8_SHORT(at, 10));
}

/* What the proof went through: "good 2026-11-30: 38 tables, 51203 rows". */
static char *proof_of(const struct cli *cli, const json_t *item)
{
    const json_t *proof = json_object_get(item, "proof");
    char check[40];
    check_of(cli, item, "proven", check, sizeof check);
    if (!json_is_object(proof) || !json_get_true(json_object_get(item, "proven"), "good"))
        return xstrdup(check);
    bool files = json_get_int(proof, "tables") == 0;
    _cleanup_free_ char *tables = output_member(proof, "tables"),
                        *rows = output_member(proof, "rows"),
                        *count = output_member(proof, "files");
    return files ? xasprintf(tr(cli, "%s: %s files"), check, count)
                 : xasprintf(tr(cli, "%s: %s tables, %s rows"), check, tables, rows);
}

/* What there is to say beside the numbers: what is wrong, whose it is, whether it is locked. */
static char *note_of(const struct cli *cli, const json_t *item)
{
    static const struct {
        const char *standing, *words;
    } words[] = {{"own", ""}, {"adopted", N_("taken over")},
        {"trusted", N_("of a trusted machine")}, {"foreign", N_("FOREIGN: sealed by another")},
        {"unlisted", N_("ours, NOT LISTED here")}, {"broken", N_("SEAL BROKEN")},
        {"replaced", N_("REPLACED")}, {"unsealed", N_("NOT SEALED")}};
    const char *standing = json_get_str(item, "standing"), *whose = "";
    bool complete = json_get_true(item, "complete");
    bool locked = json_get_true(item, "encrypted");
    for (size_t i = 0; standing && i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i].standing, standing) == 0)
            whose = *words[i].words ? tr(cli, words[i].words) : "";
    _cleanup_free_ char *problem = output_member(item, "problem");
    int64_t left_out = output_number(item, "left_out", 0);
    _cleanup_free_ char *missing = left_out
                                       ? xasprintf(
                                             tr(cli, "incomplete: %lld files could not be read"),
                                             (long long)left_out)
                                       : xstrdup("");
    const char *more = !complete ? problem : locked ? tr(cli, "encrypted") : "";
    return xasprintf("%s%s%s%s%s", whose, *whose && *more ? "; " : "", more,
        *missing && (*whose || *more) ? ", " : "", missing);
}

/* From its start to its end. */
static void took_of(const json_t *item, char *buf, size_t size)
{
    int64_t from, to;
    if (clock_parse(json_get_text(item, "started"), &from) < 0 ||
        clock_parse(json_get_text(item, "finished"), &to) < 0)
        snprintf(buf, size, "-");
    else
        clock_human(to > from ? (uint64_t)(to - from) : 0, buf, size);
}

static bool is_ours(const json_t *item)
{
    const char *standing = json_get_text(item, "standing");
    return strcmp(standing, "own") == 0 || strcmp(standing, "adopted") == 0 ||
           strcmp(standing, "trusted") == 0;
}

/* The newest complete one of the database that is ours; NULL: none. */
static const json_t *newest_of(const json_t *list)
{
    size_t i;
    const json_t *item;
    json_array_foreach (list, i, item) /* newest first */
        if (strcmp(json_get_text(item, "method"), "files") != 0 && is_ours(item) &&
            json_get_true(item, "complete"))
            return item;
    return NULL;
}

/* One line for the question "can I rely on them?". */
static void print_status(const struct cli *cli, const json_t *list)
{
    static const char *const colours[] = {"\033[32m", "\033[33m", "\033[31m"};
    const json_t *item, *newest = newest_of(list);
    uint64_t bytes = 0;
    char age[32] = "", size[OUTPUT_BYTES_LEN];
    size_t i;
    json_array_foreach (list, i, item)
        bytes += (uint64_t)output_number(item, "size", 0);
    if (newest)
        age_of(newest, age, sizeof age);
    bool proven = json_get_true(json_object_get(newest, "proven"), "good");
    const char *words = !newest  ? tr(cli, "BAD: no complete backup of the database")
                        : proven ? tr(cli, "good: the newest is complete and proven")
                                 : tr(cli, "usable: the newest is complete, not proven yet");
    const char *colour = !output_colour() ? "" : colours[!newest ? 2 : proven ? 0 : 1];
    _cleanup_free_ char *when = *age ? xasprintf(tr(cli, ", made %s ago"), age) : xstrdup("");
    printf("%s%s%s%s; %zu %s, %s\n\n", colour, words, *colour ? "\033[0m" : "", when,
        json_array_size(list), tr(cli, "archives"), output_bytes(bytes, size));
}

static void add_row(const struct cli *cli, struct table *t, const json_t *item)
{
    char size[OUTPUT_BYTES_LEN], content[OUTPUT_BYTES_LEN] = "-", age[32], took[32], verified[40];
    _cleanup_free_ char *type = output_member(item, "type"), *run = output_member(item, "run"),
                        *method = output_member(item, "method"), *note = note_of(cli, item),
                        *proven = proof_of(cli, item);
    output_bytes((uint64_t)output_number(item, "size", 0), size);
    if (output_number(item, "bytes", 0) > 0)
        output_bytes((uint64_t)output_number(item, "bytes", 0), content);
    age_of(item, age, sizeof age);
    took_of(item, took, sizeof took);
    check_of(cli, item, "verified", verified, sizeof verified);
    const char *cells[] = {run, type, size, content, age, took, method, verified, proven, note};
    table_add(t, cells);
}

/* The archived binary log: what there is besides the backups. */
static void print_binlog(const struct cli *cli, const json_t *last)
{
    const json_t *list = json_object_get(last, "binlog"), *t;
    size_t i;
    json_array_foreach (list, i, t) {
        char begins[32], ends[32];
        printf(tr(cli, "%sbinary log, timeline %" PRId64 ": %s to %s, %" PRId64
                       " transactions in %" PRId64 " segments, %.1f MB\n"),
            i ? "" : "\n", output_number(t, "timeline", 0),
            cli_time(cli, t, "begins", true, "?", begins),
            cli_time(cli, t, "ends", true, "?", ends), output_number(t, "transactions", 0),
            output_number(t, "segments", 0), (double)output_number(t, "stored_bytes", 0) / 1e6);
        if (output_number(t, "gaps", 0) > 0)
            printf("%s\n", tr(cli, "  IT HAS GAPS: segments are missing"));
    }
    const char *problem = json_get_str(last, "binlog_problem");
    if (problem) {
        _cleanup_free_ char *words = output_member(last, "binlog_problem");
        printf(tr(cli, "not used of the binary log: %s\n"), words);
    }
}

static void print_list(struct cli *cli, const json_t *last)
{
    const json_t *list = json_object_get(last, "backups"), *item;
    size_t i, incomplete = 0, others = 0;
    _cleanup_free_ char *folder = output_member(last, "folder");
    if (json_array_size(list) == 0) {
        printf(tr(cli, "There is no backup in %s yet.\n"), folder);
        return;
    }
    const char *const heads[] = {tr(cli, "!RUN"), tr(cli, "!TYPE"), tr(cli, ">SIZE"),
        tr(cli, ">?CONTENT"), tr(cli, ">AGE"), tr(cli, ">?TOOK"), tr(cli, "?METHOD"),
        tr(cli, "VERIFIED"), tr(cli, "PROVEN"), tr(cli, "NOTE"), NULL};
    print_status(cli, list);
    struct table *t = table_create(heads);
    json_array_foreach (list, i, item) {
        add_row(cli, t, item);
        bool good = is_ours(item);
        incomplete += good && !json_get_true(item, "complete");
        others += !good;
    }
    table_print(t, output_width());
    table_free(t);
    print_binlog(cli, last);
    if (incomplete > 0)
        printf(tr(cli, "\n%zu not complete: they count for nothing and are kept; see NOTE.\n"),
            incomplete);
    if (others > 0)
        printf(
            tr(cli,
                "\n%zu not sealed by this installation: never restored, drilled or removed by themselves.\nIf you know that one is yours: elexgate backups adopt RUN\n"),
            others);
}

static int list_backups(struct cli *cli, const char *type)
{
    struct listing l = {cli, NULL};
    const char *args[] = {"list", type ? "--type" : NULL, type, NULL};
    int code = job_stream_run(cli, args, keep_last, &l);
    if (l.last && cli->json)
        cli_print_json(l.last);
    else if (l.last && code == EXIT_GOOD)
        print_list(cli, l.last);
    else if (l.last)
        cli_failf(cli, code, "%s", json_get_str(l.last, "error"));
    json_decref(l.last);
    return code;
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
        }
        if (code != EXIT_GOOD)
            cli_failf(cli, code, "%s", json_get_str(l.last, "error"));
    }
    json_decref(l.last);
    return code;
}

static int confirm_delete(struct cli *cli, const char *which, const char *type, bool yes)
{
    if (yes)
        return EXIT_GOOD;
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
            cli_failf(cli, code, "%s", json_get_str(adopting.last, "error"));
    }
    json_decref(adopting.last);
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
    struct args a = args_begin(cli, argc, argv);
    while (args_next(&a, options))
        type = a.value;
    int code = args_operands(&a, 0, 0);
    return code == EXIT_GOOD ? list_backups(cli, type) : code;
}

const struct command cmd_backups = {
    "backups",
    "[--type TYPE] | delete RUN [TYPE] [--yes] [--force] | adopt RUN... [--type TYPE] [--yes]",
    "list the backups, remove one, or take one over",
    run_backups,
    "  delete RUN [TYPE]  remove this run's archives, e.g. 2026-11-22-0315, after a question\n"
    "  --yes        without the question, for scripts\n"
    "  adopt RUN    take over what this installation has not sealed, after every file of it was\n"
    "               checked: backups from before the seal, or of a former machine\n"
    "  --type TYPE  only this data type\n"
    "  --force      also the only good one of its type\n"
    "\n"
    "CONTENT: before it was compressed. VERIFIED: every file was read again and compared (elexgate verify). PROVEN: it was restored\n"
    "into a throwaway server and found equal (elexgate drill).\n",
};
