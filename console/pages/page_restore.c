/*
 * /restore: bring back a backup or read in an SQL file; undo and accept. The keeper does it, and
 * goes on when the page, or the console, goes away.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/utf8.h"
#include "common/json_get.h"
#include "common/error_phrase.h"
#include "common/phrase.h"
#include "console/ask.h"
#include "console/pages/forms.h"
#include "console/pages/pages.h"
#include "console/view/parts.h"
#include "console/pages/restore_plan.h"

#define PAGE    "/restore"
#define LIST_MS 30000

/* --- what goes on ----------------------------------------------------------------------------- */

/* What really happens, in its order, each way: tests/system/test_console_steps.py holds these lists
 * against the phases that jobs go through. */
static const char *const *phases_of(const json_t *job, const char *phase)
{
    static const char *const none[] = {NULL};
    static const char *const physical[] = {"extract", "boot", "check", "before_restore", "block",
        "stop", "swap", "start", "look", "open", "after_restore", NULL};
    static const char *const sql[] = {"read", "copy", "boot", "count", "import", "check",
        "before_restore", "block", "carry", "stop", "swap", "start", "look", "open",
        "after_restore", NULL};
    /* text where the server's files are out of reach: into a database beside the live one */
    static const char *const beside[] = {"read", "count", "import", "check", "before_restore",
        "block", "swap", "open", "after_restore", NULL};
    static const char *const back[] = {
        "before_restore", "block", "stop", "swap", "start", "look", "open", "after_restore", NULL};
    static const char *const back_beside[] = {
        "before_restore", "block", "swap", "open", "after_restore", NULL};
    const char *action = json_get_text(job, "action");
    bool undo = strcmp(action, "undo") == 0 || strcmp(action, "recover") == 0 ||
                strcmp(json_get_text(job, "kind"), "recover") == 0;
    bool is_beside = strcmp(json_get_text(job, "way"), "beside") == 0;
    bool is_sql = strcmp(phase, "read") == 0 || strcmp(phase, "import") == 0 ||
                  strcmp(phase, "copy") == 0 || strcmp(action, "sql") == 0 ||
                  json_get_true(job, "sql"); /* a dump archive */
    if (strcmp(action, "accept") == 0)
        return none;
    if (undo)
        return is_beside ? back_beside : back;
    return is_beside ? beside : is_sql ? sql : physical;
}

/* The phases of a restore in their order; the one of the job is now. */
static json_t *steps_of(struct request *rq, const json_t *job)
{
    const char *phase = json_get_text(job, "phase");
    if (strcmp(phase, "hook") == 0)
        phase = json_get_text(job, "type"); /* before_restore or after_restore */
    const char *const *names = phases_of(job, phase);
    size_t now = 0;
    while (names[now] && strcmp(names[now], phase) != 0)
        now++;
    json_t *steps = json_array();
    for (size_t i = 0; names[i]; i++) {
        bool hook = strstr(names[i], "_restore") != NULL;
        if (strcmp(names[i], "block") == 0 && json_get_true(job, "dry_run"))
            break; /* an attempt ends here */
        if ((hook || strcmp(names[i], "carry") == 0) && i != now)
            continue; /* most practices have none, and nothing that is to be carried over */
        const char *state = !names[now] || i > now ? "todo" : i == now ? "now" : "done";
        (void)json_array_append_new(
            steps, json_pack("{sssssb}", "words", label(rq, "phase_", hook ? "hook" : names[i]),
                       "state", state, "is_now", i == now));
    }
    return steps;
}

static bool is_restore(const json_t *job)
{
    const char *kind = json_get_text(job, "kind");
    return strcmp(kind, "restore") == 0 || strcmp(kind, "recover") == 0;
}

/* model.job becomes model.running where it is a restore. */
static void add_running(struct request *rq, json_t *model)
{
    json_t *job = json_object_get(model, "job");
    if (!is_restore(job))
        return;
    (void)json_object_set_new(job, "steps", steps_of(rq, job));
    (void)json_object_set(model, "running", job);
    (void)json_object_del(model, "job");
}

/* --- what was --------------------------------------------------------------------------------- */

/* The data from before are still there: they can be taken back, or let go. */
static json_t *kept(struct request *rq)
{
    struct err e = {0};
    json_t *answer = NULL, *restore;
    if (ask_keeper_long(rq, json_pack("{ssss}", "cmd", "restore", "action", "status"), LIST_MS,
            &answer, &e) < 0)
        return NULL;
    restore = json_incref(json_object_get(answer, "restore"));
    json_decref(answer);
    if (strcmp(json_get_text(restore, "phase"), "kept") == 0)
        return restore;
    json_decref(restore);
    return NULL;
}

/* It ended because SQL would have lost something that nobody has agreed to: asked about in the next
 * plan. */
static void add_loss(struct request *rq, json_t *o, const json_t *last)
{
    const json_t *d = json_object_get(last, "difference");
    char rows[60];
    if (json_get_int(last, "exit") == 0 || !json_get_true(d, "grave"))
        return;
    snprintf(rows, sizeof rows, "%lld, %lld", (long long)json_get_int(d, "rows"),
        (long long)json_get_int(d, "then"));
    json_t *loss = json_pack("{ssss}", "rows_words", rows, "word", label(rq, "confirm-", "loss"));
    static const char *const lists[] = {"vanish", "empty", "fewer"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        if (json_array_size(json_object_get(d, lists[i])) > 0)
            (void)json_object_set_new(
                loss, lists[i], json_pack("{sO}", "tables", json_object_get(d, lists[i])));
    (void)json_object_set_new(o, "loss", loss);
}

static void add_last(struct request *rq, json_t *model, const json_t *keeper)
{
    const json_t *last = json_object_get(keeper, "last_restore");
    char stamp[CLOCK_ISO_LEN];
    _cleanup_json_ json_t *old = kept(rq);
    if (!json_is_object(last) && !old)
        return;
    _cleanup_free_ char *said = phrase_in(rq->lang, last, "words");
    const char *words = said;
    if (!*words && old)
        words = label(rq, "restore-", json_get_true(old, "new_live") ? "new" : "old");
    json_t *o = json_pack("{sbsssssssb}", "ok", json_get_int(last, "exit") == 0, "words", words,
        "finished",
        *json_get_text(last, "ended") ? json_get_text(last, "ended")
                                      : json_get_text(old, "started"),
        "run", *json_get_text(last, "run") ? json_get_text(last, "run") : json_get_text(old, "run"),
        "can_undo", old != NULL);
    add_loss(rq, o, last);
    if (old)
        (void)json_object_set(o, "new_live", json_object_get(old, "new_live"));
    int64_t keep = config_int(rq->settings->config, "restore", NULL, "keep_old");
    if (old && keep > 0 && time_in(old, "started"))
        (void)json_object_set_new(
            o, "old_until", json_string(clock_iso(time_in(old, "started") + keep, stamp)));
    (void)json_object_set_new(model, "last", o);
}

/* --- what could be ---------------------------------------------------------------------------- */

static json_t *good_runs(struct request *rq)
{
    json_t *archives = NULL, *good = json_array(), *run;
    struct err e = {0};
    size_t i;
    if (ask_keeper_long(rq, json_pack("{ss}", "cmd", "archives"), LIST_MS, &archives, &e) < 0)
        return good;
    _cleanup_json_ json_t *runs = runs_of(rq, archives);
    json_array_foreach (runs, i, run)
        if (!json_object_get(run, "problem") && !json_get_true(run, "stranger"))
            (void)json_array_append(good, run);
    json_decref(archives);
    return good;
}

static void add_choice(struct request *rq, json_t *model)
{
    json_t *runs = good_runs(rq), *uploads = upload_store_list(rq->console->uploads, NULL);
    (void)json_object_set_new(model, "runs_count", json_integer((json_int_t)json_array_size(runs)));
    (void)json_object_set_new(model, "runs", runs);
    (void)json_object_set_new(
        model, "uploads_count", json_integer((json_int_t)json_array_size(uploads)));
    (void)json_object_set_new(model, "uploads", uploads);
}

static json_t *restore_model(struct request *rq, const struct restore_choice *choice)
{
    json_t *model = json_object();
    _cleanup_json_ json_t *keeper = keeper_status_into(rq, model);
    add_job(rq, model, keeper);
    add_running(rq, model);
    if (keeper)
        add_last(rq, model, keeper);
    if (keeper && !json_object_get(model, "running")) {
        if (choice->run || choice->upload || choice->to)
            restore_plan_into(rq, model, choice);
        if (!json_object_get(model, "plan"))
            add_choice(rq, model);
    }
    return model;
}

json_t *model_restore(struct request *rq)
{
    const struct restore_choice choice = {
        request_query(rq, "run"), request_query(rq, "upload"), request_query(rq, "to")};
    return restore_model(rq, &choice);
}

/* --- actions ---------------------------------------------------------------------------------- */

static void tell_keeper(struct request *rq, json_t *request, const char *done)
{
    struct err e = {0};
    _cleanup_json_ json_t *answer = NULL;
    if (ask_keeper_long(rq, request, LIST_MS, &answer, &e) == 0)
        answer_done(rq, PAGE, say(rq, done, NULL), NULL);
    else if (e.code == EBUSY) {
        _cleanup_free_ char *why = error_phrase_words(rq->lang, &e);
        answer_refused(rq, MHD_HTTP_CONFLICT, PAGE, say(rq, "busy", "text", why, NULL));
    } else
        answer_failed(rq, PAGE, "keeper", &e);
}

/* The word was not typed, or wrongly: the plan once more. */
static void ask_again(struct request *rq, const struct restore_choice *choice)
{
    if (rq->json) {
        answer_refused(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, PAGE, say(rq, "confirm-wrong", NULL));
        return;
    }
    json_t *model = restore_model(rq, choice);
    rq->refused = true;
    (void)json_object_set_new(json_object_get(model, "plan"), "confirm_wrong", json_true());
    answer_page(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, "restore", model);
}

static bool complete(struct request *rq, const char *upload)
{
    struct err e = {0};
    int64_t offset, size;
    return upload_store_offset(rq->console->uploads, upload, &offset, &size, &e) == 0 &&
           offset == size;
}

/* What the form names; "" is nothing. */
static struct restore_choice choice_of(struct request *rq)
{
    static const char *const names[] = {"run", "upload", "to"};
    const char *found[3];
    for (size_t i = 0; i < 3; i++) {
        found[i] = form_text(rq->form, names[i]);
        if (found[i] && !*found[i])
            found[i] = NULL;
    }
    return (struct restore_choice){found[0], found[1], found[2]};
}

static json_t *begin_request(struct request *rq, const struct restore_choice *choice)
{
    const char *what = choice->run ? choice->run : choice->upload ? choice->upload : choice->to;
    _cleanup_json_ json_t *types = form_texts(rq->form, "types");
    json_t *request = json_pack("{s:s, s:s, s:b, s:s}", "cmd", "restore", "action",
        choice->upload ? "sql" : "run", "foreign", form_flag(rq->form, "foreign"),
        choice->run      ? "which"
        : choice->upload ? "upload"
                         : "to",
        what);
    if (choice->run && json_array_size(types) > 0)
        (void)json_object_set(request, "types", types);
    return request;
}

void action_restore(struct request *rq)
{
    const struct restore_choice choice = choice_of(rq);
    const char *upload = choice.upload;
    const char *word = form_text(rq->form, "confirm"), *loss = form_text(rq->form, "loss");
    utf8_format(rq->object, sizeof rq->object, "%s%s%s",
        UTF8_SHORT(choice.run ? choice.run : "", 60), UTF8_SHORT(upload ? upload : "", 60),
        UTF8_SHORT(choice.to ? choice.to : "", 60));
    if (!!choice.run + !!upload + !!choice.to != 1) {
        answer_refused(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, PAGE, say(rq, "bad-form", NULL));
        return;
    }
    if (upload && !complete(rq, upload)) {
        answer_refused(
            rq, MHD_HTTP_UNPROCESSABLE_CONTENT, PAGE, say(rq, "upload-incomplete", NULL));
        return;
    }
    if (!word || strcasecmp(word, restore_confirm_word(rq)) != 0 ||
        (loss && *loss && strcasecmp(loss, label(rq, "confirm-", "loss")) != 0)) {
        ask_again(rq, &choice);
        return;
    }
    json_t *request = begin_request(rq, &choice);
    if (loss && *loss)
        (void)json_object_set_new(request, "accept_loss", json_true());
    tell_keeper(rq, request, "restore-begun");
}

static void settle(struct request *rq, const char *action, const char *done)
{
    if (!form_flag(rq->form, "sure"))
        answer_refused(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, PAGE, say(rq, "not-sure", NULL));
    else
        tell_keeper(rq, json_pack("{ssss}", "cmd", "restore", "action", action), done);
}

void action_restore_undo(struct request *rq)
{
    settle(rq, "undo", "undo-begun");
}

void action_restore_accept(struct request *rq)
{
    settle(rq, "accept", "accept-begun");
}

void action_upload_remove(struct request *rq)
{
    const char *id = form_text(rq->form, "id");
    struct err e = {0};
    utf8_copy(rq->object, sizeof rq->object, id ? id : "");
    if (upload_store_remove(rq->console->uploads, id ? id : "", &e) == 0)
        answer_done(rq, PAGE, say(rq, "upload-removed", NULL), NULL);
    else
        answer_refused(rq, e.code == EBUSY ? MHD_HTTP_CONFLICT : MHD_HTTP_NOT_FOUND, PAGE,
            say(rq, e.code == EBUSY ? "upload-busy" : "upload-unknown", NULL));
}
