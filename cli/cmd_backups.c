/*
 * elexgate backups: what lies in the backup folder; elexgate backups delete, rm: removes one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/job_stream.h"
#include "cli/output.h"
#include "common/clock.h"

struct listing {
    struct cli *cli;
    json_t *last; /* the job's last line */
};

static void keep_last(void *ctx, const json_t *line)
{
    struct listing *l = ctx;
    if (!json_is_true(json_object_get(line, "done")))
        return;
    json_decref(l->last);
    l->last = json_deep_copy(line);
}

/* "3 h", "12 d": how long ago, in one unit. */
static void age_of(const json_t *item, char *buf, size_t size)
{
    const char *started = json_string_value(json_object_get(item, "started"));
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
    const char *at = json_string_value(json_object_get(check, "at"));
    if (!at)
        snprintf(buf, size, "-");
    else
        snprintf(buf, size, "%s %.10s",
            json_is_true(json_object_get(check, "good")) ? tr(cli, "good", "gut")
                                                         : tr(cli, "BAD", "SCHLECHT"),
            at);
}

/* What the proof went through: "good 2026-11-30: 38 tables, 51203 rows". */
static char *proof_of(const struct cli *cli, const json_t *item)
{
    const json_t *proof = json_object_get(item, "proof");
    char check[40];
    check_of(cli, item, "proven", check, sizeof check);
    if (!json_is_object(proof) ||
        !json_is_true(json_object_get(json_object_get(item, "proven"), "good")))
        return xstrdup(check);
    bool files = json_integer_value(json_object_get(proof, "tables")) == 0;
    _cleanup_free_ char *tables = output_member(proof, "tables"),
                        *rows = output_member(proof, "rows"),
                        *count = output_member(proof, "files");
    return files ? xasprintf(tr(cli, "%s: %s files", "%s: %s Dateien"), check, count)
                 : xasprintf(tr(cli, "%s: %s tables, %s rows", "%s: %s Tabellen, %s Zeilen"), check,
                       tables, rows);
}

/* Of one that counts. */
static char *note_of(const struct cli *cli, const json_t *item)
{
    int64_t left_out = output_number(item, "left_out", 0);
    const char *encrypted = json_is_true(json_object_get(item, "encrypted"))
                                ? tr(cli, "encrypted", "verschlüsselt")
                                : "";
    if (left_out == 0)
        return xstrdup(encrypted);
    return xasprintf(tr(cli, "%s%sincomplete: %lld files could not be read",
                         "%s%sunvollständig: %lld Dateien waren nicht lesbar"),
        encrypted, *encrypted ? ", " : "", (long long)left_out);
}

static void add_row(const struct cli *cli, struct table *t, const json_t *item)
{
    char size[OUTPUT_BYTES_LEN], age[32], verified[40];
    bool complete = json_is_true(json_object_get(item, "complete"));
    _cleanup_free_ char *type = output_member(item, "type"), *run = output_member(item, "run"),
                        *method = output_member(item, "method"),
                        *problem = output_member(item, "problem"), *proven = proof_of(cli, item);
    output_bytes((uint64_t)output_number(item, "size", 0), size);
    age_of(item, age, sizeof age);
    check_of(cli, item, "verified", verified, sizeof verified);
    _cleanup_free_ char *note = note_of(cli, item);
    const char *cells[] = {
        run, type, size, age, method, verified, proven, complete ? note : problem};
    table_add(t, cells);
}

static void print_list(struct cli *cli, const json_t *last)
{
    const json_t *list = json_object_get(last, "backups"), *item;
    size_t i, incomplete = 0;
    _cleanup_free_ char *folder = output_member(last, "folder");
    if (json_array_size(list) == 0) {
        printf(tr(cli, "There is no backup in %s yet.\n", "In %s liegt noch keine Sicherung.\n"),
            folder);
        return;
    }
    const char *const english[] = {
        "RUN", "TYPE", ">SIZE", ">AGE", "METHOD", "VERIFIED", "PROVEN", "NOTE", NULL};
    const char *const german[] = {
        "LAUF", "TYP", ">GRÖSSE", ">ALTER", "METHODE", "GEPRÜFT", "BEWIESEN", "BEMERKUNG", NULL};
    struct table *t = table_create(cli->german ? german : english);
    json_array_foreach (list, i, item) {
        add_row(cli, t, item);
        incomplete += !json_is_true(json_object_get(item, "complete"));
    }
    table_print(t, output_width());
    table_free(t);
    if (incomplete > 0)
        printf(tr(cli, "\n%zu not complete: they count for nothing and are kept; see NOTE.\n",
                   "\n%zu nicht vollständig: sie zählen nicht und bleiben liegen; siehe "
                   "BEMERKUNG.\n"),
            incomplete);
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
        cli_failf(cli, code, "%s", json_string_value(json_object_get(l.last, "error")));
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
            printf(tr(cli, "removed %s_%s\n", "entfernt: %s_%s\n"), t, run);
        }
        if (code != EXIT_GOOD)
            cli_failf(cli, code, "%s", json_string_value(json_object_get(l.last, "error")));
    }
    json_decref(l.last);
    return code;
}

/* Somebody must be there to answer, or have answered. */
static int confirm_delete(struct cli *cli, const char *which, const char *type, bool yes)
{
    char line[80];
    if (yes)
        return EXIT_GOOD;
    if (cli->json || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return cli_usage(cli, "%s",
            tr(cli, "this asks for a confirmation, which needs a terminal; a script gives --yes",
                "das fragt nach einer Bestätigung und braucht ein Terminal; ein Skript gibt --yes "
                "an"));
    printf(tr(cli, "Delete the backup %s%s%s for good? Type \"delete\" to go on: ",
               "Die Sicherung %s%s%s endgültig löschen? Zum Fortfahren \"löschen\" eintippen: "),
        which, type ? " " : "", type ? type : "");
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        line[0] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    if (strcmp(line, "delete") == 0 || strcmp(line, "löschen") == 0)
        return EXIT_GOOD;
    return cli_failf(cli, EXIT_CANCELLED, "%s",
        tr(cli, "cancelled, nothing was deleted", "abgebrochen, nichts wurde gelöscht"));
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

static int run_backups(struct cli *cli, int argc, char **argv)
{
    static const char *const options[] = {"--type=", "--force", NULL};
    bool rm = argc > 1 && strcmp(argv[1], "rm") == 0, force = false;
    if (argc > 1 && strcmp(argv[1], "delete") == 0)
        return run_delete(cli, argc - 1, argv + 1);
    struct args a = args_begin(cli, argc - rm, argv + rm);
    const char *option, *type = NULL, *which = NULL;
    /* Options may stand before and behind the run. */
    for (;; which = argv[rm + a.next++]) {
        while ((option = args_next(&a, options))) {
            if (strcmp(option, "--force") == 0)
                force = true;
            else
                type = a.value;
        }
        if (a.failed || a.next >= argc - rm)
            break;
        if (which || !rm)
            return args_operands(&a, 0, 0);
    }
    if (a.failed)
        return a.failed;
    if (rm && !which)
        return cli_usage(cli, "which backup? \"elexgate backups\" lists them");
    if (force && !rm)
        return cli_usage(cli, "--force goes with rm");
    return rm ? remove_backup(cli, which, type, force) : list_backups(cli, type);
}

const struct command cmd_backups = {
    "backups",
    "[--type TYPE] | delete RUN [TYPE] [--yes] [--force] | rm RUN [--type TYPE] [--force]",
    "list the backups, or remove one",
    run_backups,
    "  delete RUN [TYPE]  remove this run's archives, e.g. 2026-11-22-0315, after a question\n"
    "  --yes        without the question, for scripts\n"
    "  rm RUN       the same without a question\n"
    "  --type TYPE  only this data type\n"
    "  --force      also the only good one of its type\n"
    "\n"
    "VERIFIED: every file was read again and compared (elexgate verify). PROVEN: it was restored\n"
    "into a throwaway server and found equal (elexgate drill).\n",
};
