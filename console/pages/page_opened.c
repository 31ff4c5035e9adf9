/*
 * Backups that are open for reading: on /backups, and the forms that open and close one.
 */
#include <string.h>

#include "common/json_get.h"
#include "common/utf8.h"
#include "console/ask.h"
#include "console/pages/forms.h"
#include "console/pages/pages.h"
#include "console/view/parts.h"

#define PAGE "/backups"

/* The database with the most tables is the one that somebody wants to look at; NULL: there is none.
 */
static const char *main_database(const json_t *one)
{
    const json_t *d, *best = NULL;
    size_t i;
    json_array_foreach (json_object_get(one, "databases"), i, d)
        if (!best || json_get_int(d, "tables") > json_get_int(best, "tables"))
            best = d;
    return json_get_str(best, "name");
}

/* A name may come out of somebody's dump, and the line is for a shell: only a plain one is in it.
 */
static bool is_plain(const char *name)
{
    return name && *name && *name != '-' &&
           !name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")];
}

void add_opened(json_t *model, const json_t *keeper)
{
    json_t *list = json_deep_copy(json_object_get(keeper, "opened")), *one;
    size_t i;
    json_array_foreach (list, i, one) {
        const char *state = json_get_text(one, "state"), *database = main_database(one);
        bool busy = strcmp(state, "opening") == 0 || strcmp(state, "closing") == 0;
        (void)json_object_set_new(one, "busy", json_boolean(busy));
        (void)json_object_set_new(one, "percent",
            json_integer(percent_of(json_object_get(one, "bytes"), json_object_get(one, "total"))));
        if (is_plain(database))
            (void)json_object_set_new(one, "database", json_string(database));
    }
    if (json_array_size(list) > 0) {
        (void)json_object_set(model, "opened", list);
        (void)json_object_set_new(
            model, "opened_count", json_integer((json_int_t)json_array_size(list)));
    }
    json_decref(list);
}

static void tell_keeper(struct request *rq, json_t *request, const char *done)
{
    struct err e = {0};
    _cleanup_json_ json_t *answer = NULL;
    if (ask_keeper(rq, request, &answer, &e) == 0)
        answer_begun(rq, PAGE, "opened", say(rq, done, NULL));
    else
        answer_failed(rq, PAGE, "keeper", &e);
}

void action_open_backup(struct request *rq)
{
    const char *run = form_text(rq->form, "run"), *to = form_text(rq->form, "to");
    bool moment = to && *to;
    utf8_copy(rq->object, sizeof rq->object, moment ? to : run ? run : "");
    tell_keeper(rq,
        json_pack("{s:s, s:s}", "cmd", "open-backup", moment ? "to" : "which",
            moment ? to
            : run  ? run
                   : ""),
        "opening");
}

void action_close_backup(struct request *rq)
{
    const char *id = form_text(rq->form, "id");
    utf8_copy(rq->object, sizeof rq->object, id ? id : "");
    tell_keeper(rq,
        json_pack("{s:s, s:I}", "cmd", "close-backup", "id",
            (json_int_t)strtoll(id ? id : "0", NULL, 10)),
        "closing");
}
