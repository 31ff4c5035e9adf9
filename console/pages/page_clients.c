/*
 * /clients: who is connected; end one, keep all out, let them in again.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/units.h"
#include "common/utf8.h"
#include "common/json_get.h"
#include "console/ask.h"
#include "console/http/events.h"
#include "console/pages/forms.h"
#include "console/pages/pages.h"
#include "console/view/parts.h"

#define PAGE       "/clients"
#define BLOCK_MS   30000 /* a block is answered once everybody has left */
#define DRAIN_MS   1500  /* a drain too, but people may take their time: it goes on by itself */
#define REASON_MAX 200

static void complete(json_t *session)
{
    const char *state = json_get_text(session, "state");
    (void)json_object_set(session, "tls", json_object_get(session, "tls_version"));
    /* whether it will encrypt is not settled before it has logged in */
    (void)json_object_set_new(session, "logging_in",
        json_boolean(!strcmp(state, "first") || !strcmp(state, "tls") || !strcmp(state, "login") ||
                     !strcmp(state, "connecting") || !strcmp(state, "greeting")));
    /* whole seconds: nobody reads milliseconds, and the page would change all the time */
    json_int_t ms = json_get_int(session, "last_activity_ms");
    (void)json_object_set_new(
        session, "idle_ms", json_integer(ms < 1000 ? 1000 : ms / 1000 * 1000));
}

json_t *model_clients(struct request *rq)
{
    json_t *model = json_object(), *answer = NULL, *session;
    _cleanup_json_ json_t *proxy = proxy_status_into(rq, model);
    struct err e = {0};
    size_t i;
    add_gate(rq, model, proxy);
    _cleanup_json_ json_t *status = live_status(rq->console);
    json_t *down = database_down(json_object_get(status, "keeper"));
    if (down)
        (void)json_object_set_new(model, "database_down", down);
    json_t *waiting = json_object_get(proxy, "waiting_for_restart");
    if (json_array_size(waiting) > 0) {
        (void)json_object_set(model, "waiting", waiting);
        (void)json_object_set_new(model, "waiting_count", json_true());
    }
    if (proxy && ask_proxy(rq, json_pack("{ss}", "cmd", "sessions"), &answer, &e) == 0) {
        json_t *sessions = json_object_get(answer, "sessions");
        json_array_foreach (sessions, i, session)
            complete(session);
        (void)json_object_set(model, "sessions", sessions);
        (void)json_object_set_new(
            model, "count", json_integer((json_int_t)json_array_size(sessions)));
    }
    add_board(rq, model, proxy);
    json_decref(answer);
    return model;
}

/* Sends it and says so. timeout_ms: a proxy that is still waiting for clients then has taken it all
 * the same. */
static void tell_proxy(
    struct request *rq, json_t *request, int timeout_ms, const char *done, const char *waiting)
{
    struct err e = {0};
    _cleanup_json_ json_t *answer = NULL;
    int r = ask_proxy_long(rq, request, timeout_ms, &answer, &e);
    if (r == 0)
        answer_done(rq, PAGE, say(rq, done, NULL), NULL);
    else if (e.code == ETIMEDOUT && waiting)
        answer_done(rq, PAGE, say(rq, waiting, NULL), NULL);
    else if (e.code == EINVAL && json_object_get(rq->form, "until"))
        answer_refused(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, PAGE, say(rq, "block-until", NULL));
    else
        answer_failed(rq, PAGE, "proxy", &e);
}

void action_clients_kill(struct request *rq)
{
    const char *id = form_text(rq->form, "session");
    int64_t n = 0;
    if (!id || units_parse_int(id, &n) < 0 || n < 0) {
        answer_refused(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, PAGE, say(rq, "bad-form", NULL));
        return;
    }
    snprintf(rq->object, sizeof rq->object, "session %lld", (long long)n);
    if (!form_flag(rq->form, "sure")) { /* what is not saved there is lost */
        answer_refused(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, PAGE, say(rq, "not-sure", NULL));
        return;
    }
    tell_proxy(rq, json_pack("{sssI}", "cmd", "kill", "session", (json_int_t)n), ASK_MS,
        "session-ended", NULL);
}

void action_clients_block(struct request *rq)
{
    const char *reason = form_text(rq->form, "reason"), *how = form_text(rq->form, "how");
    bool drain = how && strcmp(how, "drain") == 0;
    if (!reason || !*reason || strlen(reason) > REASON_MAX) {
        answer_refused(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, PAGE, say(rq, "block-reason", NULL));
        return;
    }
    utf8_copy(rq->object, sizeof rq->object, reason);
    json_t *request = json_pack("{ssss}", "cmd", drain ? "drain" : "block", "reason", reason);
    const char *until = form_text(rq->form, "until");
    if (until && *until)
        (void)json_object_set_new(request, "until", json_string(until));
    tell_proxy(rq, request, drain ? DRAIN_MS : BLOCK_MS, drain ? "drained" : "blocked",
        drain ? "draining" : "blocking");
}

void action_clients_admit(struct request *rq)
{
    const char *address = form_text(rq->form, "address");
    utf8_copy(rq->object, sizeof rq->object, address ? address : "");
    tell_proxy(rq, json_pack("{sss[s]}", "cmd", "open", "admit", address ? address : ""), ASK_MS,
        "admitted", NULL);
}

void action_clients_open(struct request *rq)
{
    tell_proxy(rq, json_pack("{ss}", "cmd", "open"), ASK_MS, "opened", NULL);
}
