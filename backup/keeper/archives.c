/* The control socket's commands about the archives that there are. */
#include <errno.h>
#include <string.h>
#include "backup/keeper/errand.h"
#include "backup/keeper/stream.h"
#include "backup/rules/archive_name.h"
#include "common/json_lines.h"
#include "common/log.h"
#include "common/json_get.h"

/* "which" and "type" come from outside and go into arguments and file names: only what is a run's
 * suffix, one of the words, a data type. Into the job's request; NULL, or the answer that says what
 * is wrong. */
static json_t *take_names(const json_t *request, const char *word, struct monitor_request *q)
{
    const json_t *t = json_object_get(request, "type");
    const char *which = json_get_str(request, "which"), *type = json_string_value(t);
    if (!which || !(run_suffix_valid(which) || (word && strcmp(which, word) == 0)))
        return json_error(EINVAL, "\"which\" must be a run, such as 2026-11-22-0315%s%s",
            word ? ", or " : "", word ? word : "");
    if (t && !json_is_null(t) && !(type && archive_type_valid(type)))
        return json_error(EINVAL, "\"type\" must be a data type, such as elexisdb");
    keeper_job_which(q, which);
    keeper_job_type(q, type);
    return NULL;
}

static json_t *list_answer(struct keeper *k, void *ctx, json_t *event, json_t *last)
{
    (void)k, (void)ctx, (void)event;
    return json_pack("{s:b, s:O?, s:O?}", "ok", 1, "folder", json_object_get(last, "folder"),
        "runs", json_object_get(last, "backups"));
}

json_t *keeper_archives(struct keeper *k, struct control_client *c, json_t *request)
{
    struct monitor_request q = keeper_job_of(MONITOR_LIST);
    return keeper_question(k, c, request, &q, NULL, list_answer);
}

json_t *keeper_verify(struct keeper *k, struct control_client *c, json_t *request)
{
    struct monitor_request q = keeper_job_of(MONITOR_VERIFY);
    (void)c;
    json_t *wrong = take_names(request, "all", &q);
    return wrong ? wrong : keeper_run_asked(k, JOB_VERIFY, &q);
}

static json_t *delete_answer(struct keeper *k, void *ctx, json_t *event, json_t *last)
{
    json_t *names = json_array(), *item;
    json_int_t bytes = 0;
    size_t i;
    (void)k, (void)ctx, (void)event;
    json_array_foreach (json_object_get(last, "removed"), i, item) {
        const char *type = json_get_str(item, "type");
        const char *run = json_get_str(item, "run");
        _cleanup_free_ char *name = xasprintf("%s_%s", type ? type : "", run ? run : "");
        json_array_append_new(names, json_string(name));
        bytes += json_get_int(item, "size");
        log_event(LOG_INFO, "backup-deleted", LOG_S("type", type), LOG_S("run", run));
    }
    return json_pack("{s:b, s:o, s:I}", "ok", 1, "deleted", names, "bytes", bytes);
}

json_t *keeper_delete(struct keeper *k, struct control_client *c, json_t *request)
{
    struct monitor_request q = keeper_job_of(MONITOR_REMOVE);
    json_t *wrong = take_names(request, NULL, &q);
    if (wrong)
        return wrong;
    struct err e = {0};
    int r = keeper_run_busy(k, &e); /* it may be the archive that is read */
    if (r < 0)
        return json_error_of(-r, &e);
    return keeper_question(k, c, request, &q, NULL, delete_answer);
}

json_t *keeper_wrong_label(const json_t *request)
{
    const json_t *label = json_object_get(request, "label");
    if (!label || json_is_null(label) ||
        (json_is_string(label) && archive_label_valid(json_string_value(label))))
        return NULL;
    return json_error(EINVAL, "a label is one line of at most %d bytes", ARCHIVE_LABEL_MAX);
}

static json_t *mark_answer(struct keeper *k, void *ctx, json_t *event, json_t *last)
{
    (void)k, (void)ctx, (void)event;
    return json_pack("{s:b, s:O?, s:O?, s:O?}", "ok", 1, "run", json_object_get(last, "run"),
        "label", json_object_get(last, "label"), "protected", json_object_get(last, "protected"));
}

json_t *keeper_mark(struct keeper *k, struct control_client *c, json_t *request)
{
    struct monitor_request q = keeper_job_of(MONITOR_MARK);
    json_t *wrong = take_names(request, NULL, &q);
    if (!wrong)
        wrong = keeper_wrong_label(request);
    if (wrong)
        return wrong;
    q.types_count = 0; /* it is the run that is marked, with all its types */
    keeper_job_label(&q, json_get_str(request, "label"));
    keeper_job_flag(&q, json_get_true(request, "protect"), MONITOR_PROTECT);
    keeper_job_flag(&q, json_get_true(request, "unprotect"), MONITOR_UNPROTECT);
    return keeper_question(k, c, request, &q, NULL, mark_answer);
}

static json_t *info_answer(struct keeper *k, void *ctx, json_t *event, json_t *last)
{
    (void)k, (void)ctx, (void)last;
    return json_pack("{s:b, s:O?, s:O?}", "ok", 1, "run", json_object_get(event, "run"), "archives",
        json_object_get(event, "archives"));
}

json_t *keeper_info(struct keeper *k, struct control_client *c, json_t *request)
{
    struct monitor_request q = keeper_job_of(MONITOR_INFO);
    json_t *wrong = take_names(request, "latest", &q);
    if (wrong)
        return wrong;
    q.types_count = 0; /* the answer has them all */
    keeper_job_flag(&q, json_get_true(request, "now"), MONITOR_AGAINST_NOW);
    return keeper_question(k, c, request, &q, "info", info_answer);
}

static json_t *timeline_answer(struct keeper *k, void *ctx, json_t *event, json_t *last)
{
    (void)ctx, (void)last;
    return json_pack(
        "{s:b, s:O?, s:o}", "ok", 1, "timeline", event, "binlog", keeper_stream_status(k));
}

json_t *keeper_timeline(struct keeper *k, struct control_client *c, json_t *request)
{
    struct monitor_request q = keeper_job_of(MONITOR_TIMELINE);
    keeper_job_day(&q, json_get_str(request, "day"));
    return keeper_question(k, c, request, &q, "timeline", timeline_answer);
}
