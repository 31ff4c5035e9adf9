/*
 * The board of the roll-out on /clients: each address that came lately, and how; its name; and who
 * a listener that requires TLS would cut off. The proxy keeps it.
 */
#include <string.h>

#include "common/json_get.h"
#include "common/utf8.h"
#include "console/ask.h"
#include "console/pages/forms.h"
#include "console/pages/pages.h"
#include "console/view/parts.h"

#define PAGE "/clients"

static const char *colour_of(const char *how)
{
    bool good = strcmp(how, "tls") == 0 || strcmp(how, "certificate") == 0;
    return good ? "good" : strcmp(how, "plain") == 0 ? "warn" : "bad";
}

static json_int_t sessions_from(const json_t *sessions, const char *address)
{
    json_int_t n = 0;
    size_t i;
    const json_t *s;
    json_array_foreach (sessions, i, s)
        n += strcmp(json_get_text(s, "peer"), address) == 0;
    return n;
}

/* Whoever looked at our certificate once and did not like it looks again. */
static bool verifies(const json_t *row)
{
    return *json_get_text(row, "distrust") && strcmp(json_get_text(row, "how"), "tls") == 0;
}

static const char *called(const json_t *row)
{
    const char *name = json_get_text(row, "name");
    return *name ? name : json_get_text(row, "address");
}

/* Those who come without TLS where the listener would take it: what "required" means for them. */
static void add_cut_off(json_t *board, const json_t *list)
{
    json_t *names = json_array();
    size_t i;
    const json_t *row;
    json_array_foreach (list, i, row)
        if (strcmp(json_get_text(row, "how"), "plain") == 0 && !json_get_true(row, "tls_off"))
            (void)json_array_append_new(names, json_pack("{ss}", "name", called(row)));
    (void)json_object_set_new(board, "cut_count", json_integer((json_int_t)json_array_size(names)));
    (void)json_object_set_new(board, "cut", names);
}

/* Listeners that take both: the roll-out is on its way there. */
static void add_preferred(json_t *board, const json_t *proxy)
{
    json_t *names = json_array();
    size_t i;
    const json_t *l;
    json_array_foreach (json_object_get(proxy, "listeners"), i, l)
        if (strcmp(json_get_text(l, "tls"), "preferred") == 0)
            (void)json_array_append_new(names, json_pack("{ss}", "name", json_get_text(l, "name")));
    (void)json_object_set_new(
        board, "preferred_count", json_integer((json_int_t)json_array_size(names)));
    (void)json_object_set_new(board, "preferred", names);
}

void add_board(struct request *rq, json_t *model, const json_t *proxy)
{
    json_t *answer = NULL, *row;
    const json_t *sessions = json_object_get(model, "sessions");
    struct err e = {0};
    json_int_t done = 0, all = 0;
    size_t i;
    if (!proxy || ask_proxy(rq, json_pack("{ss}", "cmd", "workstations"), &answer, &e) < 0)
        return;
    json_t *list = json_object_get(answer, "workstations");
    json_array_foreach (list, i, row) {
        const char *how = json_get_text(row, "how"), *colour = colour_of(how);
        (void)json_object_set_new(row, colour, json_true());
        (void)json_object_set_new(row, "how_words", json_string(label(rq, "how_", how)));
        (void)json_object_set_new(row, "verifies", json_boolean(verifies(row)));
        (void)json_object_set_new(
            row, "count", json_integer(sessions_from(sessions, json_get_text(row, "address"))));
        bool counts = !json_get_true(row, "tls_off") &&
                      strcmp(json_get_text(row, "how"), "refused") != 0;
        all += counts;
        done += counts && json_get_true(row, "good");
    }
    json_t *board = json_pack("{sOsIsIsbsI}", "rows", list, "done", done, "all", all, "complete",
        all > 0 && done == all, "rows_count", (json_int_t)json_array_size(list));
    add_cut_off(board, list);
    add_preferred(board, proxy);
    (void)json_object_set_new(model, "board", board);
    json_decref(answer);
}

void action_workstation(struct request *rq)
{
    const char *address = form_text(rq->form, "address"), *name = form_text(rq->form, "name");
    bool forget = form_flag(rq->form, "forget");
    _cleanup_json_ json_t *answer = NULL;
    struct err e = {0};
    utf8_format(rq->object, sizeof rq->object, "%s %s", UTF8_SHORT(address ? address : "", 60),
        UTF8_SHORT(forget ? "forgotten"
                   : name ? name
                          : "",
            70));
    json_t *request = json_pack("{ssss}", "cmd", "workstation", "address", address ? address : "");
    if (forget)
        (void)json_object_set_new(request, "forget", json_true());
    else
        (void)json_object_set_new(request, "name", json_string(name ? name : ""));
    if (ask_proxy(rq, request, &answer, &e) == 0)
        answer_done(
            rq, PAGE, say(rq, forget ? "workstation-forgotten" : "workstation-named", NULL), NULL);
    else
        answer_failed(rq, PAGE, "proxy", &e);
}
