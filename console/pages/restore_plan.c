#include "console/pages/restore_plan.h"

#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "common/shown.h"
#include "common/clock.h"
#include "common/json_get.h"
#include "common/error_phrase.h"
#include "common/phrase.h"
#include "console/ask.h"
#include "console/view/parts.h"

#define PLAN_MS 60000 /* it reads manifests and counts rows */

const char *restore_confirm_word(struct request *rq)
{
    return label(rq, "confirm-", "word");
}

/* --- who works -------------------------------------------------------------------------------- */

static bool same(const json_t *a, const json_t *b, const char *key, const char *other)
{
    return strcmp(json_get_text(a, key), json_get_text(b, other)) == 0;
}

/* One line for all connections of a program on a workstation. */
static json_t *group(const json_t *sessions)
{
    json_t *who = json_array(), *session, *line;
    size_t i, k;
    json_array_foreach (sessions, i, session) {
        json_t *found = NULL;
        json_array_foreach (who, k, line)
            if (same(line, session, "user", "user") && same(line, session, "address", "peer") &&
                same(line, session, "program", "program"))
                found = line;
        if (!found) {
            found = json_pack("{sssssssi}", "user", json_get_text(session, "user"), "address",
                json_get_text(session, "peer"), "program", json_get_text(session, "program"),
                "count", 0);
            (void)json_array_append_new(who, found);
        }
        (void)json_object_set_new(found, "count", json_integer(json_get_int(found, "count") + 1));
    }
    return who;
}

static void add_who(json_t *plan, const json_t *sessions)
{
    (void)json_object_set_new(
        plan, "who_count", json_integer((json_int_t)json_array_size(sessions)));
    (void)json_object_set_new(plan, "who", group(sessions));
}

/* --- what happens ----------------------------------------------------------------------------- */

static json_t *steps(struct request *rq, const char *kind, unsigned n)
{
    json_t *list = json_array();
    for (unsigned i = 1; i <= n; i++) {
        char key[40];
        snprintf(key, sizeof key, "step-%s-%u", kind, i);
        (void)json_array_append_new(list, json_pack("{ss}", "words", label(rq, "", key)));
    }
    return list;
}

/* How many rows the tables have now beyond what they had then. */
static int64_t rows_gone(const json_t *rows)
{
    int64_t gone = 0;
    size_t i;
    json_t *row;
    json_array_foreach (rows, i, row) {
        int64_t more = json_get_int(row, "now") - json_get_int(row, "then");
        gone += more > 0 ? more : 0;
    }
    return gone;
}

static void add_loss(struct request *rq, json_t *plan, const json_t *source, int64_t made)
{
    char when[64], ago[64], rows[24];
    int64_t gone = rows_gone(json_object_get(source, "rows"));
    bool known = json_get_true(source, "rows_known");
    shown_time(rq->lang, made, SHOWN_MOMENT, when, sizeof when);
    shown_duration(rq->lang, clock_wall_ms() - made, ago, sizeof ago);
    snprintf(rows, sizeof rows, "%lld", (long long)gone);
    _cleanup_free_ char *text = say(rq, known && gone > 0 ? "loses-rows" : "loses", "when", when,
        "age", ago, "rows", rows, NULL);
    (void)json_object_set_new(plan, "loses", json_string(text));
}

/* --- a run ------------------------------------------------------------------------------------ */

/* The new data are made beside the live ones. Left out where we may not ask how much is free. */
static void add_space(json_t *plan, const json_t *source, int64_t needed)
{
    struct statvfs fs;
    json_t *part;
    size_t i;
    json_array_foreach (json_object_get(source, "parts"), i, part) {
        const char *live = json_get_text(part, "live");
        if (*live != '/' || statvfs(live, &fs) < 0)
            continue;
        (void)json_object_set_new(plan, "space",
            json_pack("{sIsI}", "needed", (json_int_t)needed, "free",
                (json_int_t)((uint64_t)fs.f_bavail * fs.f_frsize)));
        return;
    }
}

static void add_parts(struct request *rq, json_t *plan, const json_t *source)
{
    json_t *types = json_array(), *warnings = json_array(), *part;
    int64_t needed = 0;
    size_t i;
    json_array_foreach (json_object_get(source, "parts"), i, part) {
        char size[40];
        int64_t bytes = json_get_int(part, "bytes");
        shown_bytes(rq->lang, (uint64_t)bytes, size, sizeof size);
        needed += bytes;
        (void)json_array_append_new(
            types, json_pack("{sssssb}", "type", json_get_text(part, "type"), "words", size,
                       "selected", 1));
        if (json_is_false(json_object_get(part, "proven")) &&
            strcmp(json_get_text(part, "method"), "files") != 0) {
            _cleanup_free_ char *text = say(
                rq, "warn-not-proven", "type", json_get_text(part, "type"), NULL);
            (void)json_array_append_new(warnings, json_string(text));
        }
        _cleanup_free_ char *series = phrase_in(rq->lang, part, "series_text");
        if (*series)
            (void)json_array_append_new(warnings, json_string(series));
    }
    (void)json_object_set_new(
        plan, "types_count", json_integer(json_array_size(types) > 1 ? 1 : 0));
    (void)json_object_set_new(plan, "types", types);
    if (*json_get_text(source, "server_down")) {
        _cleanup_free_ char *text = say(rq, "warn-server-down", NULL);
        (void)json_array_append_new(warnings, json_string(text));
    }
    (void)json_object_set_new(plan, "warnings", warnings);
    add_space(plan, source, needed);
}

#define NEWER_SHOWN 8

/* Tables that were made since the backup: with it they are gone. */
static void add_newer(struct request *rq, json_t *plan, const json_t *source)
{
    json_t *warnings = json_object_get(plan, "warnings"), *row;
    size_t i, shown = 0;
    json_array_foreach (json_object_get(source, "rows"), i, row) {
        char rows[24];
        if (!json_get_true(row, "newer") || shown++ >= NEWER_SHOWN)
            continue;
        snprintf(rows, sizeof rows, "%lld", (long long)json_get_int(row, "now"));
        _cleanup_free_ char *text = say(
            rq, "warn-newer", "table", json_get_text(row, "table"), "rows", rows, NULL);
        (void)json_array_append_new(warnings, json_string(text));
    }
    if (shown > NEWER_SHOWN) {
        char more[24];
        snprintf(more, sizeof more, "%zu", shown - NEWER_SHOWN);
        _cleanup_free_ char *text = say(rq, "warn-newer-more", "more", more, NULL);
        (void)json_array_append_new(warnings, json_string(text));
    }
}

static int64_t oldest(const json_t *source)
{
    int64_t made = 0;
    size_t i;
    json_t *part;
    json_array_foreach (json_object_get(source, "parts"), i, part) {
        int64_t ms = time_in(part, "made");
        if (ms && (!made || ms < made))
            made = ms;
    }
    return made;
}

/* --- a moment ----------------------------------------------------------------------------------
 */

#define CHANGES_SHOWN 60
/* Measured (docs/pitr.md): how fast a log is run again, and a backup is unpacked. */
#define TRANSACTIONS_S 3000
#define UNPACKED_S     INT64_C(100000000)

/* Which tables lose what, from which workstations: minute by minute. */
static json_t *changes_of(const struct request *rq, const json_t *moment)
{
    json_t *list = json_array(), *c, *name;
    size_t i, k;
    json_array_foreach (json_object_get(moment, "changes"), i, c) {
        char when[64];
        char *who = xstrdup("");
        if (i == CHANGES_SHOWN)
            break;
        json_array_foreach (json_object_get(c, "workstations"), k, name) {
            char *longer = xasprintf("%s%s%s", who, k ? ", " : "", json_string_value(name));
            free(who);
            who = longer;
        }
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:I, s:s}", "at",
                      shown_time(rq->lang, time_in(c, "minute"), SHOWN_MOMENT, when, sizeof when),
                      "what", json_get_text(c, "what"), "times",
                      (json_int_t)json_get_int(c, "transactions"), "who", who));
        free(who);
    }
    return list;
}

static void add_moment(
    struct request *rq, json_t *plan, const json_t *source, const char *to, int64_t made)
{
    const json_t *moment = json_object_get(source, "moment"), *part;
    int64_t replayed = json_get_int(moment, "replayed"), lost = json_get_int(moment, "lost"),
            bytes = 0;
    char when[64], count[24], from[64], until[64], takes[64];
    size_t i;
    json_array_foreach (json_object_get(source, "parts"), i, part)
        bytes += json_get_int(part, "bytes");
    shown_duration(rq->lang, (replayed / TRANSACTIONS_S + 2 * bytes / UNPACKED_S + 20) * 1000,
        takes, sizeof takes);
    shown_time(rq->lang, made, SHOWN_MOMENT, when, sizeof when);
    snprintf(count, sizeof count, "%lld", (long long)replayed);
    _cleanup_free_ char *way = say(
        rq, "plan-way", "when", when, "transactions", count, "time", takes, NULL);
    snprintf(count, sizeof count, "%lld", (long long)lost);
    shown_time(rq->lang, time_in(moment, "first"), SHOWN_SECOND, from, sizeof from);
    shown_time(rq->lang, time_in(moment, "last"), SHOWN_SECOND, until, sizeof until);
    _cleanup_free_ char *loses = lost ? say(rq, "loses-transactions", "transactions", count, "from",
                                            from, "until", until, NULL)
                                      : say(rq, "loses-nothing", NULL);
    _cleanup_free_ char *title = say(rq, "plan-title-moment", "when", to, NULL);
    json_t *changes = changes_of(rq, moment);
    (void)json_object_set_new(plan, "title", json_string(title));
    (void)json_object_set_new(plan, "to", json_string(to));
    (void)json_object_del(plan, "run");
    (void)json_object_set_new(plan, "loses", json_string(loses));
    (void)json_object_set_new(plan, "way", json_string(way));
    (void)json_object_set_new(
        plan, "changes_count", json_integer((json_int_t)json_array_size(changes)));
    (void)json_object_set_new(plan, "changes", changes);
    (void)json_object_del(plan, "types_count");
}

/* to: a moment instead of a run. */
static void plan_of_run(struct request *rq, json_t *model, const char *run, const char *to)
{
    _cleanup_json_ json_t *answer = NULL;
    struct err e = {0};
    if (ask_keeper_long(rq,
            json_pack(
                "{ssssss}", "cmd", "restore", "action", "plan", to ? "to" : "which", to ? to : run),
            PLAN_MS, &answer, &e) < 0) {
        _cleanup_free_ char *why = error_phrase_words(rq->lang, &e),
                            *text = say(rq, "keeper-says", "text", why, NULL);
        (void)json_object_set_new(model, "error", json_string(text));
        return;
    }
    const json_t *source = json_object_get(answer, "plan");
    int64_t made = oldest(source);
    char when[64];
    _cleanup_free_ char *title = say(rq, "plan-title", "when",
        shown_time(rq->lang, made, SHOWN_MOMENT, when, sizeof when), NULL);
    json_t *plan = json_pack("{ssssss}", "title", title, "run", json_get_text(source, "run"),
        "word", restore_confirm_word(rq));
    add_loss(rq, plan, source, made);
    add_who(plan, json_object_get(source, "sessions"));
    add_parts(rq, plan, source);
    add_newer(rq, plan, source);
    if (to)
        add_moment(rq, plan, source, to, made);
    (void)json_object_set_new(plan, "steps", steps(rq, "run", 4));
    (void)json_object_set_new(model, "plan", plan);
}

/* --- an SQL file
 * ----------------------------------------------------------------------------------- */

static json_t *find_upload(struct request *rq, const char *id)
{
    json_t *all = upload_store_list(rq->console->uploads, NULL), *upload, *found = NULL;
    size_t i;
    json_array_foreach (all, i, upload)
        if (strcmp(json_get_text(upload, "id"), id) == 0)
            found = json_incref(upload);
    json_decref(all);
    return found;
}

static void plan_of_upload(struct request *rq, json_t *model, const char *id)
{
    _cleanup_json_ json_t *upload = find_upload(rq, id), *answer = NULL;
    struct err e = {0};
    if (!json_get_true(upload, "complete")) {
        _cleanup_free_ char *text = say(rq, upload ? "upload-incomplete" : "upload-unknown", NULL);
        (void)json_object_set_new(model, "error", json_string(text));
        return;
    }
    _cleanup_free_ char *loses = say(rq, "loses-all", NULL);
    json_t *plan = json_pack("{sssssssss[]sb}", "title", json_get_text(upload, "name"), "upload",
        id, "word", restore_confirm_word(rq), "loses", loses, "warnings", "needs_password",
        1); /* link/rights.h */
    if (ask_proxy(rq, json_pack("{ss}", "cmd", "sessions"), &answer, &e) == 0)
        add_who(plan, json_object_get(answer, "sessions"));
    (void)json_object_set_new(plan, "steps", steps(rq, "sql", 4));
    (void)json_object_set_new(model, "plan", plan);
}

void restore_plan_into(struct request *rq, json_t *model, const struct restore_choice *choice)
{
    if (choice->upload)
        plan_of_upload(rq, model, choice->upload);
    else
        plan_of_run(rq, model, choice->run, choice->to);
}
