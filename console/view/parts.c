#include "console/view/parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#include "common/shown.h"
#include "common/utf8.h"
#include "common/clock.h"
#include "common/json_get.h"
#include "common/error_phrase.h"
#include "common/phrase.h"
#include "console/ask.h"
#include "console/http/events.h"
#include "console/view/making_way.h"
#include "console/view/texts.h"

#define WARN_DAYS 30

/* --- small ------------------------------------------------------------------------------------ */

const char *label(struct request *rq, const char *prefix, const char *value)
{
    _cleanup_free_ char *key = xasprintf("%s%s", prefix, value);
    if (!rq->texts && texts_load(rq->console->assets_dir, "page", rq->lang, &rq->texts, NULL) < 0)
        return value;
    const char *text = json_get_str(rq->texts, key);
    if (!text) {
        const char *english = json_get_str(rq->console->messages, key);
        text = english ? lang_text(rq->lang, english) : value;
    }
    return text;
}

json_t *options(
    struct request *rq, const char *prefix, const char *const *values, const char *selected)
{
    json_t *list = json_array();
    for (; *values; values++)
        (void)json_array_append_new(
            list, json_pack("{sssssb}", "value", *values, "label", label(rq, prefix, *values),
                      "selected", selected && strcmp(*values, selected) == 0));
    return list;
}

int64_t time_in(const json_t *object, const char *key)
{
    int64_t ms;
    return clock_parse(json_get_text(object, key), &ms) == 0 ? ms : 0;
}

static json_t *status_into(struct request *rq, json_t *model, bool proxy)
{
    const char *what = proxy ? "proxy" : "keeper";
    struct err e = {0};
    json_t *answer = NULL, *request = json_pack("{ss}", "cmd", "status");
    int r = proxy ? ask_proxy(rq, request, &answer, &e) : ask_keeper(rq, request, &answer, &e);
    if (r == 0)
        return answer;
    _cleanup_free_ char *why = error_phrase_words(rq->lang, &e), *key = xasprintf("%s_error", what),
                        *message = xasprintf("%s-%s", what, ask_unreachable(&e) ? "away" : "says"),
                        *text = say(rq, message, "text", why, NULL);
    (void)json_object_set_new(model, key, json_string(text));
    return NULL;
}

json_t *proxy_status_into(struct request *rq, json_t *model)
{
    return status_into(rq, model, true);
}

json_t *keeper_status_into(struct request *rq, json_t *model)
{
    return status_into(rq, model, false);
}

/* --- services --------------------------------------------------------------------------------- */

json_t *database_down(const json_t *keeper)
{
    const json_t *database = json_object_get(keeper, "database");
    if (strcmp(json_get_text(database, "state"), "down") != 0)
        return NULL;
    return json_pack("{sO?}", "since", json_object_get(database, "since"));
}

static json_t *service(struct request *rq, const char *name, bool good, bool bad)
{
    _cleanup_free_ char *key = xasprintf("service_%s", good ? "good" : bad ? "bad" : "unknown");
    _cleanup_free_ char *label_key = xasprintf("service_%s", name);
    return json_pack("{sssssbsbss}", "name", name, "label", label(rq, "", label_key), "good", good,
        "bad", bad, "words", label(rq, "", key));
}

json_t *services(struct request *rq)
{
    _cleanup_json_ json_t *status = live_status(rq->console);
    const json_t *proxy = json_object_get(status, "proxy"),
                 *keeper = json_object_get(status, "keeper");
    const char *database = json_get_text(json_object_get(keeper, "database"), "state");
    bool gate = json_is_object(proxy), backup = json_is_object(keeper);
    json_t *list = json_array();
    (void)json_array_append_new(list, service(rq, "gate", gate, !gate));
    (void)json_array_append_new(list, service(rq, "backup", backup, !backup));
    (void)json_array_append_new(
        list, service(rq, "database", strcmp(database, "up") == 0, strcmp(database, "down") == 0));
    return list;
}

/* --- pieces ----------------------------------------------------------------------------------- */

void add_gate(struct request *rq, json_t *model, const json_t *proxy)
{
    const char *state = json_get_text(proxy, "state");
    if (!*state)
        return;
    _cleanup_free_ char *reason = phrase_in(rq->lang, proxy, "reason");
    (void)json_object_set_new(model, "gate",
        json_pack("{sssbsbsbss}", "state", state, "is_open", strcmp(state, "open") == 0,
            "is_draining", strcmp(state, "draining") == 0, "is_blocked",
            strcmp(state, "blocked") == 0, "reason", reason));
}

int percent_of(const json_t *part, const json_t *whole)
{
    double all = json_number_value(whole), done = json_number_value(part);
    if (all <= 0)
        return 0;
    double percent = done * 100 / all;
    return percent > 100 ? 100 : (int)percent;
}

void add_job(struct request *rq, json_t *model, const json_t *keeper)
{
    json_t *pending = json_object_get(keeper, "pending");
    const json_t *source = json_object_get(keeper, "job");
    if (json_is_object(pending))
        (void)json_object_set(model, "pending", pending);
    add_making_way(rq, model, keeper);
    if (!json_is_object(source))
        return;
    json_t *job = json_deep_copy(source);
    const char *kind = json_get_text(job, "kind"), *phase = json_get_text(job, "phase");
    bool lasts = strcmp(kind, "restore") == 0 || strcmp(kind, "recover") == 0;
    (void)json_object_set_new(job, "kind_words", json_string(label(rq, "job_", kind)));
    (void)json_object_set_new(
        job, "phase_words", json_string(label(rq, "phase_", *phase ? phase : "begin")));
    (void)json_object_set_new(job, "percent",
        json_integer(percent_of(json_object_get(job, "bytes"), json_object_get(job, "total"))));
    if (json_get_int(job, "total") <= 0) /* not known: "14 MB", not "14 MB of 0 B" */
        (void)json_object_del(job, "total");
    (void)json_object_set_new(job, "can_cancel", json_boolean(!lasts));
    (void)json_object_set_new(model, "job", job);
}

void add_disk(json_t *model, const json_t *keeper)
{
    struct statvfs fs;
    const char *folder = json_get_text(keeper, "folder");
    json_t *disk, *left = json_object_get(keeper, "free");
    if (!json_is_integer(left))
        return;
    disk = json_pack("{sO}", "free", left);
    /* the folder's contents are not ours to read, but how large its disk is may be asked */
    if (*folder && statvfs(folder, &fs) == 0 && fs.f_blocks > 0) {
        int64_t total = (int64_t)((uint64_t)fs.f_blocks * fs.f_frsize);
        int64_t used = total - json_integer_value(left);
        used = used > 0 ? used : 0; /* the keeper asked a moment before us */
        (void)json_object_set_new(disk, "total", json_integer(total));
        (void)json_object_set_new(
            disk, "percent_used", json_integer((json_int_t)((double)used * 100 / (double)total)));
    }
    (void)json_object_set_new(model, "disk", disk);
}

void add_certificate_dates(struct request *rq, json_t *certificate)
{
    int64_t until = time_in(certificate, "not_after");
    json_t *left = json_object_get(certificate, "days_left");
    char date[SHOWN_LEN] = "?", days[SHOWN_LEN];
    if (until)
        shown_time(rq->lang, until, SHOWN_DATE, date, sizeof date);
    utf8_format(days, sizeof days,
        lang_text_n(rq->lang, "%" PRId64 " day", "%" PRId64 " days",
            (unsigned long long)json_integer_value(left)),
        (int64_t)json_integer_value(left));
    (void)json_object_set_new(certificate, "not_after_date", json_string(date));
    (void)json_object_set_new(certificate, "days_text", json_string(days));
    (void)json_object_set_new(certificate, "warn",
        json_boolean(json_integer_value(left) < WARN_DAYS ||
                     json_array_size(json_object_get(certificate, "warnings")) > 0));
}

/* --- runs ------------------------------------------------------------------------------------- */

/* A check is good for a run when it is for each of its archives; its time is the oldest one's. */
static void merge_check(json_t *run, const json_t *archive, const char *key, bool first)
{
    const json_t *check = json_object_get(archive, key);
    bool good = json_get_true(check, "good");
    json_t *at = json_object_get(check, "at"), *before = json_object_get(run, key);
    if (!good || !json_is_string(at))
        (void)json_object_set_new(run, key, json_null());
    else if (first || (json_is_string(before) &&
                          strcmp(json_get_text(check, "at"), json_string_value(before)) < 0))
        (void)json_object_set(run, key, at);
}

static void number_in(const json_t *o, const char *key, char *buf, size_t size)
{
    snprintf(buf, size, "%lld", (long long)json_get_int(o, key));
}

/* What was gone through when an archive was proven: "elexisdb: 38 tables checked, ...". */
static void add_proof(struct request *rq, json_t *run, const json_t *archive)
{
    const json_t *proof = json_object_get(archive, "proof");
    bool files = strcmp(json_get_text(archive, "method"), "files") == 0;
    char tables[24], rows[24], sums[24], count[24], size[40];
    const char *before = json_get_text(run, "proof_words");
    if (!json_get_true(json_object_get(archive, "proven"), "good") || !json_is_object(proof))
        return;
    number_in(proof, "tables", tables, sizeof tables);
    number_in(proof, "rows", rows, sizeof rows);
    number_in(proof, "checksums", sums, sizeof sums);
    number_in(proof, "files", count, sizeof count);
    shown_bytes(rq->lang, (uint64_t)json_get_int(proof, "bytes"), size, sizeof size);
    _cleanup_free_ char *words = say(rq, files ? "proof-files" : "proof-database", "tables", tables,
        "rows", rows, "sums", sums, "files", count, "size", size, NULL);
    _cleanup_free_ char *all = xasprintf(
        "%s%s%s: %s", before, *before ? "; " : "", json_get_text(archive, "type"), words);
    (void)json_object_set_new(run, "proof_words", json_string(all));
}

static void merge_archive(struct request *rq, json_t *run, json_t *archive)
{
    json_t *types = json_object_get(run, "types"), *size = json_object_get(archive, "size");
    bool first = json_array_size(types) == 0;
    const char *method = json_get_text(archive, "method");
    _cleanup_free_ char *problem = phrase_in(rq->lang, archive, "problem");
    (void)json_array_append_new(types, json_pack("{sssOss}", "type", json_get_text(archive, "type"),
                                           "size", size, "method", method));
    (void)json_object_set_new(
        run, "size", json_integer(json_get_int(run, "size") + json_integer_value(size)));
    /* the database's own archive says how the run was made */
    if (*method && (first || strcmp(method, "files") != 0)) {
        (void)json_object_set_new(run, "method", json_string(method));
        (void)json_object_set_new(run, "method_words", json_string(label(rq, "method_", method)));
    }
    if (json_get_true(archive, "encrypted"))
        (void)json_object_set_new(run, "encrypted", json_true());
    if (!json_get_true(archive, "complete"))
        (void)json_object_set_new(
            run, "problem", json_string(*problem ? problem : label(rq, "", "incomplete")));
    if (first || strcmp(json_get_text(archive, "started"), json_get_text(run, "started")) < 0)
        (void)json_object_set(run, "started", json_object_get(archive, "started"));
    if (first || strcmp(json_get_text(archive, "finished"), json_get_text(run, "finished")) > 0)
        (void)json_object_set(run, "finished", json_object_get(archive, "finished"));
    if (json_get_true(archive, "protected"))
        (void)json_object_set_new(run, "protected", json_true());
    if (*json_get_text(archive, "label"))
        (void)json_object_set(run, "label", json_object_get(archive, "label"));
    if (strcmp(json_get_text(archive, "newest"), json_get_text(run, "newest")) > 0)
        (void)json_object_set(run, "newest", json_object_get(archive, "newest"));
    merge_check(run, archive, "verified", first);
    merge_check(run, archive, "proven", first);
    add_proof(rq, run, archive);
}

/* Nothing of a run that nobody vouches for stands in the row of ours, whatever it is called. */
static bool is_stranger(const json_t *archive)
{
    static const char *const good[] = {"own", "adopted", "trusted", "replaced"};
    const char *standing = json_get_text(archive, "standing");
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (strcmp(standing, good[i]) == 0)
            return false;
    return *standing;
}

static json_t *find_run(json_t *runs, const json_t *archive)
{
    size_t i;
    json_t *run;
    bool stranger = is_stranger(archive);
    json_array_foreach (runs, i, run)
        if (strcmp(json_get_text(run, "run"), json_get_text(archive, "run")) == 0 &&
            json_get_true(run, "stranger") == stranger)
            return run;
    run = json_pack(
        "{sss[]sb}", "run", json_get_text(archive, "run"), "types", "stranger", stranger);
    (void)json_array_append_new(runs, run);
    return run;
}

/* Whose it is, where that is not simply ours. */
static void add_standing(struct request *rq, json_t *run, const json_t *archive)
{
    const char *standing = json_get_text(archive, "standing");
    if (!*standing || strcmp(standing, "own") == 0)
        return;
    (void)json_object_set_new(run, "standing", json_string(label(rq, "standing_", standing)));
    phrase_copy(run, "standing_words", archive, "standing_words");
}

void add_strands(struct request *rq, json_t *run, const json_t *archive)
{
    const json_t *strands = json_object_get(archive, "strands");
    char from[64], until[64];
    if (!json_is_object(strands))
        return;
    shown_time(rq->lang, time_in(strands, "from"), SHOWN_SECOND, from, sizeof from);
    shown_time(rq->lang, time_in(strands, "until"), SHOWN_SECOND, until, sizeof until);
    _cleanup_free_ char *words = say(rq, "strands", "from", from, "until", until, NULL);
    (void)json_object_set_new(run, "strands", json_string(words));
}

/* Newest first, as the keeper lists them: by the order in which they were made. */
json_t *runs_of(struct request *rq, const json_t *archives)
{
    json_t *runs = json_array(), *archive, *run;
    size_t i;
    json_array_foreach (json_object_get(archives, "runs"), i, archive) {
        run = find_run(runs, archive);
        merge_archive(rq, run, archive);
        add_standing(rq, run, archive);
        add_strands(rq, run, archive);
    }
    json_array_foreach (runs, i, run) {
        int64_t ms = time_in(run, "finished") - time_in(run, "started");
        if (time_in(run, "finished") && time_in(run, "started"))
            (void)json_object_set_new(run, "duration_ms", json_integer(ms));
    }
    return runs;
}

static int older(const void *x, const void *y)
{
    json_t *const *a = x, *const *b = y;
    int order = strcmp(json_get_text(*b, "time"), json_get_text(*a, "time"));
    json_int_t m = json_get_int(*a, "seq"), n = json_get_int(*b, "seq");
    return order ? order : (n > m) - (n < m);
}

json_t *newest_first(json_t *rows, size_t max)
{
    size_t n = json_array_size(rows);
    json_t *list = json_array(), **all = xcalloc(n + 1, sizeof *all);
    for (size_t i = 0; i < n; i++)
        all[i] = json_array_get(rows, i);
    qsort(all, n, sizeof all[0], older);
    for (size_t i = 0; i < n && i < max; i++)
        (void)json_array_append(list, all[i]);
    free(all);
    json_decref(rows);
    return list;
}
