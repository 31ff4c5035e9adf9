#include "cli/restore/restore_words.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <stdlib.h>
#include <string.h>

#include "cli/output.h"
#include "common/json_get.h"
#include "common/phrase.h"
#include "common/shown.h"

#define CHANGES_SHOWN 40

#define ROWS_SHOWN 15

static bool is_true(const json_t *o, const char *key)
{
    return json_get_true(o, key);
}

/* --- the plan --- */

static void print_parts(const struct cli *cli, const json_t *parts)
{
    const char *headings[] = {tr(cli, "TYPE"), tr(cli, "BACKUP OF (UTC)"), tr(cli, ">SIZE"),
        "SERVER", tr(cli, "PROVEN"), tr(cli, "REPLACES"), tr(cli, ">SIZE NOW"), NULL};
    struct table *t = table_create(headings);
    size_t i;
    const json_t *p;
    json_array_foreach ((json_t *)(uintptr_t)parts, i, p) {
        char size[SHOWN_LEN], now[SHOWN_LEN];
        const json_t *replaces = json_object_get(p, "replaces");
        const char *cells[] = {json_get_text(p, "type"), json_get_text(p, "made"),
            shown_bytes(cli->lang, (uint64_t)output_number(p, "bytes", 0), size, sizeof size),
            json_get_text(p, "server"), is_true(p, "proven") ? tr(cli, "yes") : tr(cli, "no"),
            json_get_text(p, "live"),
            shown_bytes(cli->lang, (uint64_t)output_number(replaces, "bytes", 0), now, sizeof now)};
        table_add(t, cells);
    }
    table_end(t);
}

static int64_t gone(const json_t *row)
{
    return output_number(row, "now", 0) - output_number(row, "then", 0);
}

static int by_rows_lost(const void *a, const void *b)
{
    int64_t x = gone(*(const json_t *const *)a), y = gone(*(const json_t *const *)b);
    return x < y ? 1 : x > y ? -1 : 0;
}

/* How many rows it had; of a table that is newer than the backup, that it is not in there. */
static char *then_of(const struct cli *cli, const json_t *row)
{
    return is_true(row, "newer") ? xstrdup(tr(cli, "not in the backup"))
                                 : output_member(row, "then");
}

/* What hurts most comes first. */
static void print_rows(const struct cli *cli, const json_t *plan)
{
    const json_t *rows = json_object_get(plan, "rows");
    size_t n = json_array_size(rows);
    int64_t uncounted = output_number(plan, "uncounted", 0);
    if (!is_true(plan, "rows_known") && n == 0)
        return;
    if (uncounted > 0)
        printf(
            tr(cli,
                "%lld tables are too large to be counted in time; what they would lose is not known.\n"),
            (long long)uncounted);
    if (n == 0 && uncounted == 0)
        printf("%s\n", tr(cli, "Every table has as many rows as then."));
    if (n == 0)
        return;
    printf("%s\n", tr(cli, "Tables whose number of rows is not as it was then:"));
    const json_t **sorted = xcalloc(n, sizeof *sorted);
    for (size_t i = 0; i < n; i++)
        sorted[i] = json_array_get(rows, i);
    qsort(sorted, n, sizeof *sorted, by_rows_lost);
    const char *headings[] = {
        tr(cli, "TABLE"), tr(cli, ">ROWS NOW"), tr(cli, ">THEN"), tr(cli, ">LOST"), NULL};
    struct table *t = table_create(headings);
    for (size_t i = 0; i < n && i < ROWS_SHOWN; i++) {
        _cleanup_free_ char *table = output_member(sorted[i], "table"),
                            *now = output_member(sorted[i], "now"), *then = then_of(cli, sorted[i]),
                            *lost = xasprintf(
                                "%" PRId64, gone(sorted[i]) > 0 ? gone(sorted[i]) : 0);
        const char *cells[] = {table, now, then, lost};
        table_add(t, cells);
    }
    table_end(t);
    free(sorted);
    if (n > ROWS_SHOWN)
        printf(tr(cli, "and %zu more tables\n"), n - ROWS_SHOWN);
}

/* A dump goes another way than files. */
static void print_dump(const struct cli *cli, const json_t *parts)
{
    size_t i;
    const json_t *p;
    json_array_foreach ((json_t *)(uintptr_t)parts, i, p)
        if (strcmp(json_get_text(p, "method"), "dump") == 0)
            printf(
                tr(cli,
                    "The database %s is made anew from the dump, beside the present one; then the two change places, and the present data are kept.\n"),
                json_get_text(p, "live"));
}

/* Files of another series are a decision of their own. */
static void print_series(const struct cli *cli, const json_t *parts)
{
    size_t i;
    const json_t *p;
    json_array_foreach ((json_t *)(uintptr_t)parts, i, p) {
        _cleanup_free_ char *words = output_words(cli->lang, p, "series_text");
        if (*words)
            printf("%s: %s.\n", json_get_text(p, "type"), words);
    }
}

/* --- what SQL would lose --- */

static void print_lost(const char *heading, const json_t *list)
{
    size_t n = json_array_size(list), i;
    const json_t *it;
    if (n == 0)
        return;
    printf("%s\n", heading);
    json_array_foreach ((json_t *)(uintptr_t)list, i, it) {
        if (i == ROWS_SHOWN) {
            printf("  ... %zu\n", n);
            break;
        }
        _cleanup_free_ char *name = output_member(it, "name");
        const char *kind = json_get_text(it, "kind");
        int64_t rows = output_number(it, "rows", -1), then = output_number(it, "then", -1);
        printf("  %s", name);
        if (*kind && strcmp(kind, "table") != 0)
            printf("  %s", kind);
        if (rows >= 0 && then >= 0)
            printf("  %" PRId64 " -> %" PRId64, rows, then);
        else if (rows >= 0)
            printf("  (%" PRId64 ")", rows);
        putchar('\n');
    }
}

void restore_words_difference(const struct cli *cli, const json_t *difference)
{
    print_lost(
        tr(cli, "Would be gone (with so many rows):"), json_object_get(difference, "vanish"));
    print_lost(tr(cli, "Would be empty (rows now):"), json_object_get(difference, "empty"));
    print_lost(tr(cli, "Would lose most of their rows:"), json_object_get(difference, "fewer"));
    print_lost(tr(cli, "Foreign keys of other databases would point to nothing (rows):"),
        json_object_get(difference, "dangling"));
    if (is_true(difference, "grave"))
        printf(tr(cli, "Rows now: %" PRId64 ", from the SQL text: %" PRId64 "\n"),
            output_number(difference, "rows", 0), output_number(difference, "then", 0));
}

/* A workstation has many connections: one line for each, with their number. */
static void print_sessions(const struct cli *cli, const json_t *sessions)
{
    _cleanup_json_ json_t *counts = json_object();
    size_t i;
    const json_t *s;
    json_array_foreach ((json_t *)(uintptr_t)sessions, i, s) {
        _cleanup_free_ char *user = output_member(s, "user"), *peer = output_member(s, "peer"),
                            *program = output_member(s, "program");
        _cleanup_free_ char *who = xasprintf("%s  %s  %s", user, peer, program);
        json_object_set_new(counts, who, json_integer(output_number(counts, who, 0) + 1));
    }
    if (json_object_size(counts) == 0)
        printf("%s\n", tr(cli, "Nobody is connected."));
    else
        printf("%s\n", tr(cli, "Connected now, and to be interrupted:"));
    const char *who;
    json_t *count;
    json_object_foreach (counts, who, count)
        printf(tr(cli, "  %s  (%lld connections)\n"), who, json_integer_value(count));
}

/* What lies behind the moment that is gone back to. */
static void print_moment(const struct cli *cli, const json_t *moment)
{
    const json_t *c;
    size_t i;
    char first[SHOWN_LEN], last[SHOWN_LEN], minute[SHOWN_LEN];
    if (!json_is_object(moment))
        return;
    printf(tr(cli, "%" PRId64 " transactions since the backup are run again on the copy.\n"),
        output_number(moment, "replayed", 0));
    if (output_number(moment, "lost", 0) == 0) {
        printf("%s\n", tr(cli, "Nothing that is archived lies behind that moment."));
        return;
    }
    printf(tr(cli, "LOST would be %" PRId64 " transactions, from %s to %s:\n"),
        output_number(moment, "lost", 0), cli_time(cli, moment, "first", SHOWN_SECOND, "?", first),
        cli_time(cli, moment, "last", SHOWN_SECOND, "?", last));
    _cleanup_free_ char *at = output_member(moment, "at");
    if (output_number(moment, "earlier", 0) > 0)
        printf(
            tr(cli,
                "%" PRId64
                " of them say that they were made BEFORE that moment: a clock was set back, or SET timestamp. The log ends at the first that says it was made later (%s); to go by the order, name a transaction (--before GTID).\n"),
            output_number(moment, "earlier", 0), at);
    json_array_foreach (json_object_get(moment, "changes"), i, c) {
        _cleanup_free_ char *what = output_member(c, "what");
        if (i == CHANGES_SHOWN)
            break;
        _cleanup_free_ char *who = output_list(json_object_get(c, "workstations"));
        printf(tr(cli, "  %s  %s, %" PRId64 " times  %s\n"),
            cli_time(cli, c, "minute", SHOWN_MOMENT, "?", minute), what,
            output_number(c, "transactions", 0), who);
    }
    if (i == CHANGES_SHOWN)
        printf("%s\n", tr(cli, "  and more"));
}

void restore_words_plan(const struct cli *cli, const json_t *plan)
{
    _cleanup_free_ char *run = output_member(plan, "run");
    printf(tr(cli, "Restore of %s\n\n"), run);
    print_parts(cli, json_object_get(plan, "parts"));
    putchar('\n');
    if (*json_get_text(plan, "server_down")) {
        _cleanup_free_ char *why = output_words(cli->lang, plan, "server_down");
        printf(
            tr(cli,
                "The database server does not answer (%s): what was entered since the backup cannot be counted.\nThe restore puts the backup in its place, and starts it.\n"),
            why);
    }
    print_moment(cli, json_object_get(plan, "moment"));
    if (!json_is_object(json_object_get(plan, "moment")))
        print_rows(cli, plan);
    print_dump(cli, json_object_get(plan, "parts"));
    print_series(cli, json_object_get(plan, "parts"));
    putchar('\n');
    print_sessions(cli, json_object_get(plan, "sessions"));
    putchar('\n');
}

/* --- afterwards --- */

static void print_kept(const struct cli *cli, const json_t *status)
{
    size_t i;
    const json_t *p;
    json_array_foreach (json_object_get(status, "parts"), i, p) {
        _cleanup_free_ char *type = output_member(p, "type"), *kept = output_member(p, "kept");
        const char *side = is_true(status, "new_live") ? "/old" : "/new";
        printf("  %s: %s%s\n", type, kept, *kept == '/' ? side : ""); /* else a database */
    }
    printf("%s\n", is_true(status, "new_live")
                       ? tr(cli, "  elexgate restore undo    brings the earlier data back\n"
                                 "  elexgate restore accept  deletes them")
                       : tr(cli, "  elexgate restore undo    brings the restored data again\n"
                                 "  elexgate restore accept  deletes them"));
}

void restore_words_report(const struct cli *cli, const json_t *restored, const json_t *status)
{
    char blocked[SHOWN_LEN];
    int64_t ms = output_number(restored, "blocked_ms", 0);
    _cleanup_free_ char *live = phrase_in(cli->lang, restored, "live");
    if (strcmp(json_get_text(restored, "method"), "dump") == 0) {
        printf(tr(cli, "The database is that of the SQL text.\n"));
        printf(tr(cli, "Imported: %" PRId64 " tables, %" PRId64 " statements.\n"),
            output_number(restored, "tables", 0), output_number(restored, "statements", 0));
    } else
        printf("%s\n", *live ? live : tr(cli, "The data from before the restore are in use."));
    if (ms > 0) {
        shown_duration(cli->lang, ms, blocked, sizeof blocked);
        printf(
            tr(cli,
                "Clients were kept out for %s. Elexis must be closed and started again on every workstation.\n"),
            blocked);
    }
    if (status && strcmp(json_get_text(status, "phase"), "kept") == 0) {
        printf("%s\n", tr(cli, "The other data are kept:"));
        print_kept(cli, status);
    }
}

void restore_words_status(const struct cli *cli, const json_t *status)
{
    const char *phase = json_get_text(status, "phase");
    _cleanup_free_ char *run = output_member(status, "run"),
                        *since = output_member(status, "started");
    if (!*phase) {
        printf("%s\n", tr(cli, "No restore is going on, and no data of an earlier one are kept."));
    } else if (strcmp(phase, "kept") == 0) {
        printf(tr(cli, "Restore of %s, %s: %s.\n"), run, since,
            is_true(status, "new_live")
                ? tr(cli, "the restored data are live, the earlier ones are kept")
                : tr(cli, "undone, the restored data are kept"));
        print_kept(cli, status);
    } else {
        printf(tr(cli, "A restore of %s (%s) is going on or was interrupted in the phase \"%s\".\n"
                       "If no process works on it: elexgate restore recover\n"),
            run, since, phase);
    }
}

void restore_words_failed(const struct cli *cli, const json_t *status)
{
    const char *phase = json_get_text(status, "phase");
    if (!*phase || strcmp(phase, "staging") == 0)
        fprintf(stderr, "%s\n", tr(cli, "The data are as they were before."));
    else if (strcmp(phase, "kept") == 0)
        fprintf(stderr, "%s\n",
            tr(cli,
                "The data in use are as they were before this command; those of an earlier restore are still kept (elexgate restore status)."));
    else
        fprintf(stderr, "%s\n",
            tr(cli,
                "It was not finished, and clients stay out until it is: put right what the message says, then  elexgate restore recover"));
}
