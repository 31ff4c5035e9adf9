/*
 * /schedule: when backups are made, how many are kept, what is waited for. Saved into the
 * configuration file by the keeper, which checks it as a whole and takes it at once.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "console/ask.h"
#include "common/shown.h"
#include "common/units.h"
#include "common/utf8.h"
#include "common/json_get.h"
#include "common/error_phrase.h"
#include "common/phrase.h"
#include "console/pages/forms.h"
#include "console/pages/pages.h"
#include "console/view/parts.h"

#define PAGE     "/schedule"
#define PREVIEWS 5
#define PRUNE_MS 30000 /* a folder on a slow disk */

static const char *const fields[] = {"minute", "hour", "day", "month", "weekday"};
#define N_FIELDS 5

/* What the form has, and what it is in the configuration. */
static const struct {
    const char *field, *option;
} settings[] = {
    {"keep", "retention.keep"},
    {"keep_daily", "retention.keep_daily"},
    {"keep_weekly", "retention.keep_weekly"},
    {"keep_monthly", "retention.keep_monthly"},
    {"keep_yearly", "retention.keep_yearly"},
    {"idle", "backup.idle"},
    {"idle_for", "backup.idle_for"},
    {"deadline", "backup.deadline"},
    {"after_deadline", "backup.after_deadline"},
    {"method", "backup.method"},
};
#define N_SETTINGS (sizeof settings / sizeof settings[0])

/* --- the five fields -------------------------------------------------------------------------- */

/* "@daily" as five fields; others as they are. */
static const char *spelled_out(const char *schedule)
{
    static const char *const words[][2] = {
        {"hourly", "0 * * * *"},
        {"daily", "0 0 * * *"},
        {"weekly", "0 0 * * 0"},
        {"monthly", "0 0 1 * *"},
        {"yearly", "0 0 1 1 *"},
    };
    const char *name = *schedule == '@' ? schedule + 1 : schedule;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(name, words[i][0]) == 0)
            return words[i][1];
    return schedule;
}

static json_t *split(const char *schedule)
{
    json_t *o = json_object();
    const char *at = spelled_out(*schedule ? schedule : "15 3 * * *");
    for (size_t i = 0; i < N_FIELDS; i++) {
        at += strspn(at, " \t");
        size_t n = i + 1 < N_FIELDS ? strcspn(at, " \t") : strlen(at);
        (void)json_object_set_new(o, fields[i], json_stringn(at, n));
        at += n;
    }
    return o;
}

/* Each field is one word: blanks in it would become other fields. "" if one is missing. malloc'ed.
 */
static char *join(const char *const values[static N_FIELDS])
{
    char *all = xstrdup("");
    for (size_t i = 0; i < N_FIELDS; i++) {
        const char *v = values[i] ? values[i] : "";
        if (!*v || strpbrk(v, " \t\r\n;#")) {
            free(all);
            return xstrdup("");
        }
        char *more = xasprintf("%s%s%s", all, i ? " " : "", v);
        free(all);
        all = more;
    }
    return all;
}

static char *schedule_of_form(const json_t *form)
{
    const char *values[N_FIELDS];
    for (size_t i = 0; i < N_FIELDS; i++)
        values[i] = form_text(form, fields[i]);
    return join(values);
}

/* --- what it means ---------------------------------------------------------------------------- */

static json_t *preview(struct request *rq, const char *schedule)
{
    _cleanup_json_ json_t *answer = NULL, *list = json_array();
    json_t *at;
    size_t i;
    struct err e = {0};
    /* not by ask_keeper: of a refusal the field is wanted too */
    int r = ask_keeper_raw(rq,
        json_pack("{sssssi}", "cmd", "schedule-preview", "schedule", schedule, "count", PREVIEWS),
        ASK_MS, &answer, &e);
    if (r < 0) {
        _cleanup_free_ char *why = error_phrase_words(rq->lang, &e);
        return json_pack("{sbssss}", "ok", 0, "error", why, "wrong", why);
    }
    if (!json_get_true(answer, "ok")) {
        _cleanup_free_ char *words = phrase_in(rq->lang, answer, "error");
        return json_pack("{sbsssssO?}", "ok", 0, "error", words, "wrong", words, "field",
            json_object_get(answer, "field"));
    }
    json_array_foreach (json_object_get(answer, "next"), i, at)
        (void)json_array_append_new(list, json_pack("{sO}", "at", at));
    _cleanup_free_ char *words = phrase_in(rq->lang, answer, "words");
    return json_pack("{sbsssO}", "ok", 1, "words", words, "next", list);
}

/* GET /api/schedule-preview?minute=&hour=&day=&month=&weekday= */
json_t *model_schedule_preview(struct request *rq)
{
    const char *values[N_FIELDS];
    for (size_t i = 0; i < N_FIELDS; i++)
        values[i] = request_query(rq, fields[i]);
    _cleanup_free_ char *schedule = join(values);
    if (*schedule)
        return preview(rq, schedule);
    for (size_t i = 0; i < N_FIELDS; i++) {
        if (!values[i] || !*values[i] || strpbrk(values[i], " \t\r\n;#")) {
            _cleanup_free_ char *text = say(rq, "schedule-field", NULL);
            return json_pack("{sbssss}", "ok", 0, "error", text, "field", fields[i]);
        }
    }
    return json_pack("{sb}", "ok", 0);
}

/* What the next good run would remove: with the numbers of the query or the form, else as saved. */
static json_t *prune(struct request *rq, const json_t *form)
{
    json_t *request = json_pack("{ss}", "cmd", "retention-preview");
    _cleanup_json_ json_t *answer = NULL;
    struct err e = {0};
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const char *typed = form ? form_text(form, settings[i].field)
                                 : request_query(rq, settings[i].field);
        int64_t n;
        if (strncmp(settings[i].field, "keep", 4) != 0 || !typed || !*typed)
            continue;
        if (units_parse_int(typed, &n) < 0) {
            json_decref(request);
            _cleanup_free_ char *text = say(rq, "prune-number", NULL);
            return json_pack("{sbss}", "ok", 0, "error", text);
        }
        (void)json_object_set_new(request, settings[i].field, json_integer(n));
    }
    if (ask_keeper_long(rq, request, PRUNE_MS, &answer, &e) < 0) {
        _cleanup_free_ char *text = answer_words(rq, "keeper", &e);
        return json_pack("{sbss}", "ok", 0, "error", text);
    }
    json_t *goes = json_object_get(answer, "goes"), *one;
    size_t i;
    json_array_foreach (goes, i, one)
        add_strands(rq, one, one);
    char count[24], size[40];
    snprintf(count, sizeof count, "%zu", json_array_size(goes));
    shown_bytes(rq->lang, (uint64_t)json_get_int(answer, "bytes"), size, sizeof size);
    const char *key = json_array_size(goes) == 0   ? "prune-none"
                      : json_array_size(goes) == 1 ? "prune-one"
                                                   : "prune-some";
    _cleanup_free_ char *words = say(rq, key, "n", count, "size", size, NULL);
    return json_pack("{sbsssO}", "ok", 1, "words", words, "goes", goes);
}

/* GET /api/retention-preview?keep=&keep_daily=... */
json_t *model_retention_preview(struct request *rq)
{
    return prune(rq, NULL);
}

/* --- the model -------------------------------------------------------------------------------- */

static const char *value_of(const json_t *config, const char *option)
{
    return json_get_text(json_object_get(config, "values"), option);
}

/* never, daily, weekly, monthly; and what the file has, if it is none of them */
static json_t *drill_options(struct request *rq, const char *now)
{
    static const char *const known[] = {"never", "daily", "weekly", "monthly", NULL};
    const char *selected = !*now ? "never" : *now == '@' ? now + 1 : now;
    json_t *list = options(rq, "drill_", known, selected);
    for (size_t i = 0; known[i]; i++)
        if (strcmp(known[i], selected) == 0)
            return list;
    (void)json_array_append_new(
        list, json_pack("{sssssb}", "value", now, "label", now, "selected", 1));
    return list;
}

static void add_choices(struct request *rq, json_t *model, const json_t *config)
{
    static const char *const idle[] = {"quiet", "no-clients", NULL};
    static const char *const after[] = {"skip", "dump", "lock", NULL};
    static const char *const methods[] = {"physical", "dump", "both", NULL};
    (void)json_object_set_new(
        model, "idle_options", options(rq, "idle_", idle, value_of(config, "backup.idle")));
    (void)json_object_set_new(model, "after_deadline_options",
        options(rq, "after_deadline_", after, value_of(config, "backup.after_deadline")));
    (void)json_object_set_new(model, "method_options",
        options(rq, "method_", methods, value_of(config, "backup.method")));
    (void)json_object_set_new(
        model, "drill_options", drill_options(rq, value_of(config, "drill.schedule")));
}

static void add_config(struct request *rq, json_t *model, const json_t *config)
{
    const char *schedule = value_of(config, "backup.schedule");
    (void)json_object_set_new(model, "on", json_boolean(*schedule));
    (void)json_object_set_new(model, "fields", split(schedule));
    if (*schedule)
        (void)json_object_set_new(model, "preview", preview(rq, schedule));
    for (size_t i = 0; i < N_SETTINGS; i++)
        (void)json_object_set_new(
            model, settings[i].field, json_string(value_of(config, settings[i].option)));
    (void)json_object_set(model, "sha256", json_object_get(config, "sha256"));
    (void)json_object_set_new(model, "prune", prune(rq, rq->form));
    add_choices(rq, model, config);
}

json_t *model_schedule(struct request *rq)
{
    json_t *model = json_object(), *config = NULL;
    _cleanup_json_ json_t *keeper = keeper_status_into(rq, model);
    struct err e = {0};
    add_job(rq, model, keeper);
    if (!keeper)
        (void)json_object_set(model, "error", json_object_get(model, "keeper_error"));
    else if (ask_keeper(rq, json_pack("{ss}", "cmd", "config-get"), &config, &e) == 0)
        add_config(rq, model, config);
    else
        error_phrase_put(model, &e);
    json_decref(config);
    return model;
}

/* --- saving ----------------------------------------------------------------------------------- */

static json_t *values_of_form(const json_t *form, const char *schedule)
{
    json_t *values = json_object();
    const char *drill = form_text(form, "drill_schedule");
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const char *v = form_text(form, settings[i].field);
        if (v && *v)
            (void)json_object_set_new(values, settings[i].option, json_string(v));
    }
    (void)json_object_set_new(
        values, "backup.schedule", form_flag(form, "on") ? json_string(schedule) : json_null());
    if (drill)
        (void)json_object_set_new(
            values, "drill.schedule", *drill ? json_string(drill) : json_null());
    return values;
}

/* The page once more, with what was typed. */
static void again(struct request *rq, char *error)
{
    if (rq->json) {
        answer_refused(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, PAGE, error);
        return;
    }
    json_t *model = model_schedule(rq), *typed = json_object();
    rq->refused = true;
    for (size_t i = 0; i < N_FIELDS; i++)
        (void)json_object_set_new(
            typed, fields[i], json_string(json_get_text(rq->form, fields[i])));
    (void)json_object_set_new(model, "fields", typed);
    for (size_t i = 0; i < N_SETTINGS; i++)
        (void)json_object_set_new(
            model, settings[i].field, json_string(json_get_text(rq->form, settings[i].field)));
    (void)json_object_set_new(model, "on", json_boolean(form_flag(rq->form, "on")));
    (void)json_object_set_new(model, "error", json_string(error));
    free(error);
    answer_page(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, "schedule", model);
}

void action_schedule(struct request *rq)
{
    const char *sha256 = form_text(rq->form, "sha256");
    _cleanup_free_ char *schedule = schedule_of_form(rq->form);
    _cleanup_json_ json_t *answer = NULL;
    struct err e = {0};
    if (form_flag(rq->form, "on") && !*schedule) {
        again(rq, say(rq, "schedule-field", NULL));
        return;
    }
    if (form_flag(rq->form, "on")) { /* its words are better than those about the file */
        _cleanup_json_ json_t *wrong = preview(rq, schedule);
        if (json_object_get(wrong, "field")) {
            again(rq, xstrdup(json_get_text(wrong, "error")));
            return;
        }
    }
    utf8_copy(rq->object, sizeof rq->object, form_flag(rq->form, "on") ? schedule : "off");
    json_t *request = json_pack(
        "{ssso}", "cmd", "config-set", "values", values_of_form(rq->form, schedule));
    if (sha256 && *sha256)
        (void)json_object_set_new(request, "sha256", json_string(sha256));
    if (ask_keeper(rq, request, &answer, &e) == 0)
        answer_done(rq, PAGE, say(rq, "schedule-saved", NULL), NULL);
    else if (e.code == EINVAL || e.code == ENOKEY || e.code == EACCES)
        again(rq, answer_words(rq, "keeper", &e));
    else if (e.code == ESTALE)
        answer_refused(rq, MHD_HTTP_CONFLICT, PAGE, say(rq, "schedule-stale", NULL));
    else
        answer_failed(rq, PAGE, "keeper", &e);
}
