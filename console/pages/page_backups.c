/*
 * /backups: what there is; run, check, prove, download, delete.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "console/ask.h"
#include "common/utf8.h"
#include "common/json_get.h"
#include "common/error_phrase.h"
#include "console/pages/forms.h"
#include "console/pages/pages.h"
#include "console/view/parts.h"

#define PAGE    "/backups"
#define LIST_MS 30000 /* a folder on a slow disk */

json_t *model_backups(struct request *rq)
{
    json_t *model = json_object(), *archives = NULL, *run;
    _cleanup_json_ json_t *keeper = keeper_status_into(rq, model);
    struct err e = {0};
    json_int_t total = 0;
    size_t i;
    add_job(rq, model, keeper);
    add_disk(model, keeper);
    add_opened(model, keeper);
    if (keeper &&
        ask_keeper_long(rq, json_pack("{ss}", "cmd", "archives"), LIST_MS, &archives, &e) == 0) {
        json_t *runs = runs_of(rq, archives);
        json_array_foreach (runs, i, run)
            total += json_get_int(run, "size");
        (void)json_object_set_new(model, "runs", runs);
        (void)json_object_set_new(model, "count", json_integer((json_int_t)json_array_size(runs)));
        (void)json_object_set_new(model, "together", json_pack("{sI}", "size", total));
        (void)json_object_set(model, "folder", json_object_get(archives, "folder"));
    } else if (keeper) {
        _cleanup_free_ char *why = error_phrase_words(rq->lang, &e);
        (void)json_object_set_new(model, "keeper_error", json_string(why));
    }
    json_decref(archives);
    return model;
}

/* Where the form was: only pages of ours. */
static const char *back(const struct request *rq)
{
    static const char *const pages[] = {"/", "/overview", "/schedule", "/restore", PAGE};
    const char *asked = form_text(rq->form, "back");
    for (size_t i = 0; asked && i < sizeof pages / sizeof pages[0]; i++)
        if (strcmp(asked, pages[i]) == 0)
            return pages[i];
    return PAGE;
}

/* waits: what is said where one such waits already, which is what was asked for; NULL: a refusal.
 */
static void tell_keeper(struct request *rq, json_t *request, const char *done, const char *waits)
{
    struct err e = {0};
    _cleanup_json_ json_t *answer = NULL;
    if (ask_keeper_long(rq, request, LIST_MS, &answer, &e) == 0)
        answer_begun(rq, back(rq), "job", say(rq, done, NULL));
    else if (e.code == EBUSY && waits)
        answer_begun(rq, back(rq), "job", say(rq, waits, NULL));
    else if (e.code == EBUSY) {
        _cleanup_free_ char *why = error_phrase_words(rq->lang, &e);
        answer_refused(rq, MHD_HTTP_CONFLICT, back(rq), say(rq, "busy", "text", why, NULL));
    } else
        answer_failed(rq, back(rq), "keeper", &e);
}

void action_backup(struct request *rq)
{
    const char *mode = form_text(rq->form, "mode");
    const char *method = form_text(rq->form, "method");
    bool now = mode && strcmp(mode, "now") == 0;
    _cleanup_json_ json_t *types = form_texts(rq->form, "types");
    json_t *request = json_pack("{ssss}", "cmd", "run", "mode", now ? "now" : "when-idle");
    if (json_array_size(types) > 0)
        (void)json_object_set(request, "types", types);
    if (method && *method)
        (void)json_object_set_new(request, "method", json_string(method));
    utf8_format(rq->object, sizeof rq->object, "%s%s%s", now ? "now" : "when-idle",
        method ? " " : "", UTF8_SHORT(method ? method : "", 20));
    tell_keeper(
        rq, request, now ? "backup-begun" : "backup-queued", now ? NULL : "backup-waits-already");
}

void action_cancel(struct request *rq)
{
    tell_keeper(rq, json_pack("{ss}", "cmd", "cancel"), "cancelling", NULL);
}

/* {"cmd","which","type"} of the form; the keeper checks what they are. */
static json_t *about_run(struct request *rq, const char *cmd)
{
    const char *run = form_text(rq->form, "run"), *type = form_text(rq->form, "type");
    json_t *request = json_pack("{ssss}", "cmd", cmd, "which", run && *run ? run : "");
    if (type && *type)
        (void)json_object_set_new(request, "type", json_string(type));
    utf8_format(rq->object, sizeof rq->object, "%s%s%s", UTF8_SHORT(run ? run : "", 60),
        type && *type ? " " : "", UTF8_SHORT(type ? type : "", 60));
    return request;
}

void action_verify(struct request *rq)
{
    tell_keeper(rq, about_run(rq, "verify"), "verify-begun", NULL);
}

void action_drill(struct request *rq)
{
    tell_keeper(rq, about_run(rq, "drill"), "drill-begun", NULL);
}

void action_delete(struct request *rq)
{
    json_t *request = about_run(rq, "delete"); /* names it, for the audit log too */
    if (!form_flag(rq->form, "sure")) {
        json_decref(request);
        answer_refused(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, back(rq), say(rq, "not-sure", NULL));
        return;
    }
    tell_keeper(rq, request, "deleted", NULL);
}
