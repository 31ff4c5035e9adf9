#include "cli/backups_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/output.h"
#include "common/clock.h"
#include "common/json_get.h"
#include "common/utf8.h"
#include "common/shown.h"

/* "vor 3 h": how long ago. */
static void age_of(const struct cli *cli, const json_t *item, char *buf, size_t size)
{
    const char *started = json_get_str(item, "started");
    int64_t ms;
    if (!started || clock_parse(started, &ms) < 0) {
        snprintf(buf, size, "?");
        return;
    }
    int64_t age = clock_wall_ms() - ms;
    shown_ago(cli->lang, age, buf, size);
}

/* "yes", "no", "-", with the day of the check. */
static void check_of(
    const struct cli *cli, const json_t *item, const char *key, char *buf, size_t size)
{
    const json_t *check = json_object_get(item, key);
    char day[SHOWN_LEN];
    if (!json_get_str(check, "at"))
        snprintf(buf, size, "-");
    else
        utf8_format(buf, size, "%s %s",
            json_get_true(check, "good") ? tr(cli, "good") : tr(cli, "DAMAGED"),
            cli_time(cli, check, "at", SHOWN_DATE, "?", day));
}

/* What the proof went through: "good 2026-11-30: 38 tables, 51203 rows". */
char *backups_list_proof(const struct cli *cli, const json_t *item)
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

/* What there is to say beside the numbers: what it is called, what is wrong, whose it is, whether
 * it is protected or locked. */
char *backups_list_note(const struct cli *cli, const json_t *item)
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
    _cleanup_free_ char *problem = output_words(cli->lang, item, "problem"),
                        *label = output_member(item, "label");
    int64_t left_out = output_number(item, "left_out", 0);
    _cleanup_free_ char *missing = left_out
                                       ? xasprintf(
                                             tr(cli, "incomplete: %lld files could not be read"),
                                             (long long)left_out)
                                       : NULL;
    const char *const parts[] = {label,
        json_get_true(item, "protected") ? tr(cli, "protected") : "", whose,
        !complete ? problem
        : locked  ? tr(cli, "encrypted")
                  : "",
        missing ? missing : ""};
    char *note = xstrdup("");
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        char *longer = xasprintf("%s%s%s", note, *note && *parts[i] ? "; " : "", parts[i]);
        free(note);
        note = longer;
    }
    return note;
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
    char age[SHOWN_LEN] = "", size[SHOWN_LEN];
    size_t i;
    json_array_foreach (list, i, item)
        bytes += (uint64_t)output_number(item, "size", 0);
    if (newest)
        age_of(cli, newest, age, sizeof age);
    bool proven = json_get_true(json_object_get(newest, "proven"), "good");
    const char *words = !newest  ? tr(cli, "BAD: no complete backup of the database")
                        : proven ? tr(cli, "good: the newest is complete and proven")
                                 : tr(cli, "usable: the newest is complete, not proven yet");
    const char *colour = !output_colour() ? "" : colours[!newest ? 2 : proven ? 0 : 1];
    _cleanup_free_ char *when = *age ? xasprintf(tr(cli, ", made %s"), age) : xstrdup("");
    output_say(2, "%s%s%s%s; %zu %s, %s\n\n", colour, words, *colour ? "\033[0m" : "", when,
        json_array_size(list), tr(cli, "archives"),
        shown_bytes(cli->lang, bytes, size, sizeof size));
}

static void add_row(const struct cli *cli, struct table *t, const json_t *item)
{
    char stored[SHOWN_LEN], original[SHOWN_LEN] = "-", verified[40], start[SHOWN_LEN],
                            stop[SHOWN_LEN];
    _cleanup_free_ char *type = output_member(item, "type"), *run = output_member(item, "run"),
                        *method = output_member(item, "method"),
                        *note = backups_list_note(cli, item),
                        *proven = backups_list_proof(cli, item);
    shown_bytes(cli->lang, (uint64_t)output_number(item, "size", 0), stored, sizeof stored);
    if (output_number(item, "bytes", 0) > 0)
        shown_bytes(
            cli->lang, (uint64_t)output_number(item, "bytes", 0), original, sizeof original);
    check_of(cli, item, "verified", verified, sizeof verified);
    const char *cells[] = {run, type, cli_time(cli, item, "started", SHOWN_SECOND, "-", start),
        cli_time(cli, item, "finished", SHOWN_SECOND, "-", stop), original, stored, method,
        verified, proven, note};
    table_add(t, cells);
}

/* The archived binary log: what there is besides the backups. */
static void print_binlog(const struct cli *cli, const json_t *last)
{
    const json_t *list = json_object_get(last, "binlog"), *t;
    size_t i;
    json_array_foreach (list, i, t) {
        char begins[SHOWN_LEN], ends[SHOWN_LEN], stored[SHOWN_LEN];
        output_say(2,
            tr(cli, "%sbinary log, timeline %" PRId64 ": %s to %s, %" PRId64
                    " transactions in %" PRId64 " segments, %s\n"),
            i ? "" : "\n", output_number(t, "timeline", 0),
            cli_time(cli, t, "begins", SHOWN_SECOND, "?", begins),
            cli_time(cli, t, "ends", SHOWN_SECOND, "?", ends), output_number(t, "transactions", 0),
            output_number(t, "segments", 0),
            shown_bytes(
                cli->lang, (uint64_t)output_number(t, "stored_bytes", 0), stored, sizeof stored));
        if (output_number(t, "gaps", 0) > 0)
            output_say(2, "%s\n", tr(cli, "  IT HAS GAPS: segments are missing"));
    }
    const json_t *proven = json_object_get(last, "binlog_proven");
    char since[SHOWN_LEN], until[SHOWN_LEN];
    if (json_get_str(proven, "since"))
        output_say(2, tr(cli, "  any second from %s to %s is proven\n"),
            cli_time(cli, proven, "since", SHOWN_SECOND, "?", since),
            cli_time(cli, proven, "until", SHOWN_SECOND, "?", until));
    else if (json_is_object(proven)) {
        _cleanup_free_ char *words = output_words(cli->lang, proven, "words");
        output_say(2, tr(cli, "  ITS CHAIN IS BROKEN: %s\n"), words);
    }
    const char *problem = json_get_str(last, "binlog_problem");
    if (problem) {
        _cleanup_free_ char *words = output_words(cli->lang, last, "binlog_problem");
        output_say(2, tr(cli, "not used of the binary log: %s\n"), words);
    }
}

void backups_list_print(const struct cli *cli, const json_t *last)
{
    const json_t *list = json_object_get(last, "backups"), *item;
    size_t i, incomplete = 0, others = 0;
    _cleanup_free_ char *folder = output_member(last, "folder");
    if (json_array_size(list) == 0) {
        output_say(2, tr(cli, "There is no backup in %s yet.\n"), folder);
        return;
    }
    const char *const heads[] = {tr(cli, "!RUN"), tr(cli, "!TYPE"), tr(cli, "?START"),
        tr(cli, "?STOP"), tr(cli, ">ORIGINAL"), tr(cli, ">STORED"), tr(cli, "?METHOD"),
        tr(cli, "+VERIFIED"), tr(cli, "+PROVEN"), tr(cli, "+NOTE"), NULL};
    print_status(cli, list);
    struct table *t = table_create(heads);
    json_array_foreach (list, i, item) {
        add_row(cli, t, item);
        bool good = is_ours(item);
        incomplete += good && !json_get_true(item, "complete");
        others += !good;
    }
    table_end(t);
    print_binlog(cli, last);
    if (incomplete > 0)
        output_say(2,
            tr(cli, "\n%zu not complete: they count for nothing and are kept; see NOTE.\n"),
            incomplete);
    if (others > 0)
        output_say(2,
            tr(cli,
                "\n%zu not sealed by this installation: never restored, drilled or removed by themselves.\nIf you know that one is yours: elexgate backups adopt RUN\n"),
            others);
}
