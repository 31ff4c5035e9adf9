/*
 * /backups/run?run=RUN: what is in one backup, what differs from now; its name, and whether it is
 * protected.
 */
#include <stdio.h>
#include <string.h>

#include "common/shown.h"
#include "common/utf8.h"
#include "console/ask.h"
#include "console/pages/forms.h"
#include "console/pages/pages.h"
#include "console/view/parts.h"

#define PAGE    "/backups"
#define LIST_MS 30000  /* a folder on a slow disk */
#define NOW_MS  300000 /* every table of the server is counted */

/* Numbers with their groups, "1 234 567". */
static json_t *rows_text(const json_t *rows)
{
    char digits[32], text[48];
    size_t n = 0, len;
    if (!json_is_integer(rows))
        return json_string("–");
    len = (size_t)snprintf(digits, sizeof digits, "%lld", (long long)json_integer_value(rows));
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0 && digits[i - 1] != '-')
            text[n++] = ' ';
        text[n++] = digits[i];
    }
    text[n] = '\0';
    return json_string(text);
}

static void add_when(struct request *rq, json_t *row, const char *from, const char *to)
{
    char text[64];
    if (time_in(row, from))
        (void)json_object_set_new(row, to,
            json_string(shown_time(rq->lang, time_in(row, from), SHOWN_SECOND, text, sizeof text)));
}

static void complete_difference(struct request *rq, json_t *difference)
{
    json_t *row;
    size_t i;
    json_t *tables = json_object_get(difference, "tables");
    json_array_foreach (tables, i, row) {
        const json_t *then = json_object_get(row, "rows"),
                     *now = json_object_get(row, "other_rows");
        char more[32] = "";
        if (json_is_integer(then) && json_is_integer(now))
            snprintf(more, sizeof more, "%+lld",
                (long long)(json_integer_value(now) - json_integer_value(then)));
        const char *change = json_get_text(row, "change");
        (void)json_object_set_new(row, "change_words",
            json_string(strcmp(change, "rows") == 0 ? more : label(rq, "change_", change)));
        (void)json_object_set_new(row, "rows_words", rows_text(then));
        (void)json_object_set_new(row, "other_words", rows_text(now));
        add_when(rq, row, "other_newest", "newest_when");
    }
    (void)json_object_set_new(
        difference, "count", json_integer((json_int_t)json_array_size(tables)));
}

static void complete(struct request *rq, json_t *archive)
{
    json_t *row, *tables = json_object_get(archive, "tables");
    json_int_t all = 0;
    size_t i;
    json_array_foreach (tables, i, row) {
        all += json_get_int(row, "rows") > 0 ? json_get_int(row, "rows") : 0;
        (void)json_object_set_new(row, "rows_words", rows_text(json_object_get(row, "rows")));
        add_when(rq, row, "newest", "newest_when");
    }
    json_t *sum = json_integer(all);
    (void)json_object_set_new(archive, "rows_words", rows_text(sum));
    json_decref(sum);
    (void)json_object_set_new(archive, "count", json_integer((json_int_t)json_array_size(tables)));
    add_when(rq, archive, "started", "started_when");
    add_when(rq, archive, "finished", "finished_when");
    add_when(rq, archive, "newest", "newest_when");
    const char *method = json_get_text(archive, "method");
    (void)json_object_set_new(archive, "method_words", json_string(label(rq, "method_", method)));
    json_t *difference = json_object_get(archive, "difference");
    if (difference)
        complete_difference(rq, difference);
}

/* It stands in every archive of the run. */
static void add_mark(json_t *model, const json_t *archives)
{
    const json_t *first = json_array_get(archives, 0);
    (void)json_object_set(model, "label", json_object_get(first, "label"));
    (void)json_object_set(model, "protected", json_object_get(first, "protected"));
}

json_t *model_run(struct request *rq)
{
    const char *run = request_query(rq, "run"), *against = request_query(rq, "with");
    bool now = against && strcmp(against, "now") == 0;
    json_t *model = json_object(), *answer = NULL, *archive;
    struct err e = {0};
    size_t i;
    (void)json_object_set_new(model, "run", json_text(run ? run : ""));
    json_t *request = json_pack("{sssssb}", "cmd", "info", "which", run ? run : "", "now", now);
    if (ask_keeper_long(rq, request, now ? NOW_MS : LIST_MS, &answer, &e) < 0) {
        _cleanup_free_ char *text = answer_words(rq, "keeper", &e);
        (void)json_object_set_new(model, "error", json_string(text));
        return model;
    }
    json_t *archives = json_object_get(answer, "archives");
    json_array_foreach (archives, i, archive)
        complete(rq, archive);
    add_mark(model, archives);
    (void)json_object_set(model, "run", json_object_get(answer, "run"));
    (void)json_object_set(model, "archives", archives);
    (void)json_object_set_new(model, "compared", json_boolean(now));
    json_array_foreach (archives, i, archive)
        if (strcmp(json_get_text(archive, "method"), "files") != 0)
            (void)json_object_set_new(model, "has_database", json_true());
    json_decref(answer);
    return model;
}

/* malloc'ed; the list where it is no run. */
static char *run_page_of(const char *run)
{
    bool good = run && *run && strspn(run, "0123456789-") == strlen(run) && strlen(run) < 32;
    return good ? xasprintf(PAGE "/run?run=%s", run) : xstrdup(PAGE);
}

/* The whole state of a run's mark: what it is called, and protected, unprotected, or as it was. */
void action_mark(struct request *rq)
{
    const char *run = form_text(rq->form, "run"), *name = form_text(rq->form, "label");
    const char *how = form_text(rq->form, "how");
    json_t *request = json_pack("{ssss}", "cmd", "mark", "which", run ? run : "");
    _cleanup_json_ json_t *answer = NULL;
    struct err e = {0};
    bool un = how && strcmp(how, "unprotect") == 0;
    if (how && (un || strcmp(how, "protect") == 0))
        (void)json_object_set_new(request, how, json_true());
    else
        (void)json_object_set_new(request, "label", json_text(name ? name : ""));
    utf8_format(rq->object, sizeof rq->object, "%s%s%s", UTF8_SHORT(run ? run : "", 40),
        how || name ? " " : "",
        UTF8_SHORT(how    ? how
                   : name ? name
                          : "",
            130));
    _cleanup_free_ char *back = run_page_of(run);
    if (ask_keeper_long(rq, request, LIST_MS, &answer, &e) == 0)
        answer_done(rq, back,
            say(rq,
                un    ? "unprotected"
                : how ? "protected"
                      : "labelled",
                NULL),
            NULL);
    else
        answer_failed(rq, back, "keeper", &e);
}
