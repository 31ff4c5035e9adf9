/*
 * /backups: what there is; run, check, prove, download, delete.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "console/ask.h"
#include "console/audit.h"
#include "console/forms.h"
#include "console/pages.h"
#include "console/parts.h"

#define PAGE    "/backups"
#define LIST_MS 30000 /* a folder on a slow disk */

json_t *model_backups(struct request *rq)
{
    json_t *model = json_object(), *archives = NULL, *run;
    json_t *keeper = keeper_status_into(rq, model);
    struct err e = {0};
    json_int_t total = 0;
    size_t i;
    add_job(rq, model, keeper);
    add_disk(model, keeper);
    if (keeper && ask_keeper_long(rq->settings, json_pack("{ss}", "cmd", "archives"), LIST_MS,
                      &archives, &e) == 0) {
        json_t *runs = runs_of(rq, archives);
        json_array_foreach (runs, i, run)
            total += json_integer_value(json_object_get(run, "size"));
        (void)json_object_set_new(model, "runs", runs);
        (void)json_object_set_new(model, "count", json_integer((json_int_t)json_array_size(runs)));
        (void)json_object_set_new(model, "total", json_integer(total));
        (void)json_object_set(model, "folder", json_object_get(archives, "folder"));
    } else if (keeper) {
        (void)json_object_set_new(model, "keeper_error", json_string(e.text));
    }
    json_decref(archives);
    json_decref(keeper);
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

static void tell_keeper(struct request *rq, json_t *request, const char *done)
{
    struct err e = {0};
    json_t *answer = NULL;
    if (ask_keeper_long(rq->settings, request, LIST_MS, &answer, &e) == 0)
        answer_done(rq, back(rq), say(rq, done, NULL), NULL);
    else if (e.code == EBUSY)
        answer_refused(rq, MHD_HTTP_CONFLICT, back(rq), say(rq, "busy", "text", e.text, NULL));
    else
        answer_failed(rq, back(rq), "keeper", &e);
    json_decref(answer);
}

void action_backup(struct request *rq)
{
    const char *mode = form_text(rq->form, "mode");
    bool now = mode && strcmp(mode, "now") == 0;
    json_t *types = form_texts(rq->form, "types");
    json_t *request = json_pack("{ssss}", "cmd", "run", "mode", now ? "now" : "when-idle");
    if (json_array_size(types) > 0)
        (void)json_object_set(request, "types", types);
    json_decref(types);
    snprintf(rq->object, sizeof rq->object, "%s", now ? "now" : "when-idle");
    tell_keeper(rq, request, now ? "backup-begun" : "backup-queued");
}

void action_cancel(struct request *rq)
{
    tell_keeper(rq, json_pack("{ss}", "cmd", "cancel"), "cancelled");
}

/* {"cmd","which","type"} of the form; the keeper checks what they are. */
static json_t *about_run(struct request *rq, const char *cmd)
{
    const char *run = form_text(rq->form, "run"), *type = form_text(rq->form, "type");
    json_t *request = json_pack("{ssss}", "cmd", cmd, "which", run && *run ? run : "");
    if (type && *type)
        (void)json_object_set_new(request, "type", json_string(type));
    snprintf(rq->object, sizeof rq->object, "%.60s %.60s", run ? run : "", type ? type : "");
    return request;
}

void action_verify(struct request *rq)
{
    tell_keeper(rq, about_run(rq, "verify"), "verify-begun");
}

void action_drill(struct request *rq)
{
    tell_keeper(rq, about_run(rq, "drill"), "drill-begun");
}

void action_delete(struct request *rq)
{
    json_t *request = about_run(rq, "delete");
    if (!form_flag(rq->form, "sure")) {
        json_decref(request);
        answer_refused(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, back(rq), say(rq, "not-sure", NULL));
        return;
    }
    if (form_flag(rq->form, "force"))
        (void)json_object_set_new(request, "force", json_true());
    tell_keeper(rq, request, "deleted");
}

/* --- download --------------------------------------------------------------------------------- */

/* Names of archives are letters, digits and . _ - ; nothing else goes into a header. */
static bool plain_name(const char *s)
{
    return *s &&
           s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] ==
               '\0';
}

/* GET /backups/download?run=&type=: the keeper opens the file and hands it over; the console may
 * not look into the folder. */
void get_download(struct request *rq)
{
    const char *run = request_query(rq, "run"), *type = request_query(rq, "type");
    struct err e = {0};
    json_t *answer = NULL;
    int fd = -1;
    snprintf(rq->object, sizeof rq->object, "%.60s %.60s", run ? run : "", type ? type : "");
    int r = ask_keeper_file(rq->settings,
        json_pack("{ssssss}", "cmd", "fetch", "which", run ? run : "", "type", type ? type : ""),
        &answer, &fd, &e);
    audit_tell(rq, "download", r == 0 ? "ok" : "refused");
    if (r < 0) {
        answer_failed(rq, PAGE, "keeper", &e);
        return;
    }
    const char *name = text_in(answer, "name");
    int64_t size = json_integer_value(json_object_get(answer, "size"));
    struct MHD_Response *response = MHD_create_response_from_fd64((uint64_t)size, fd);
    CHECK(response); /* it closes fd */
    _cleanup_free_ char *disposition = xasprintf(
        "attachment; filename=\"%s\"", plain_name(name) ? name : "backup.tar.gz");
    (void)MHD_add_response_header(response, "Content-Type", "application/octet-stream");
    (void)MHD_add_response_header(response, "Content-Disposition", disposition);
    answer_response(rq, MHD_HTTP_OK, response);
    json_decref(answer);
}
