#include "console/ask.h"

#include <errno.h>

#include "common/json_lines.h"
#include "link/rights.h"
#include "common/json_get.h"
#include "link/control.h"

/* A program that is not there gets a code that none of its own answers has. */
static int away(struct err *e)
{
    if (e)
        e->code = EHOSTDOWN;
    return -EHOSTDOWN;
}

/* The answer as it came, also a refusal. */
static int ask_raw(
    const char *socket, json_t *request, int timeout_ms, json_t **answer, struct err *e)
{
    struct control *c = NULL;
    if (!request) /* what came from the browser fits into no JSON */
        return err_set(e, EINVAL, "this is no text");
    int r = control_connect(socket, timeout_ms, &c, e);
    if (r < 0) {
        r = away(e);
    } else {
        r = control_send(c, request, e);
        if (r == 0)
            r = control_receive(c, answer, e);
        control_close(c);
    }
    json_decref(request);
    return r;
}

/* ok=false becomes an error; takes the answer over then. */
static int take_refusal(json_t **answer, struct err *e)
{
    json_t *got = *answer;
    if (json_get_true(got, "ok"))
        return 0;
    const char *words = json_get_str(got, "error");
    int r = err_set(e, json_answer_errno(got), "%s", words ? words : "no reason was given");
    json_decref(got);
    *answer = NULL;
    return r;
}

static int ask(const char *socket, json_t *request, int timeout_ms, json_t **answer, struct err *e)
{
    int r = ask_raw(socket, request, timeout_ms, answer, e);
    return r < 0 ? r : take_refusal(answer, e);
}

/* Who asks goes with each request, and what was typed to confirm it (link/rights.h). */
static json_t *named(const struct request *rq, json_t *request)
{
    const char *password = json_get_str(rq->form, "own_password");
    if (!request)
        return NULL;
    rights_name(request, rq->name, role_name(rq->role));
    if (password && *password && !json_object_get(request, "confirm"))
        (void)json_object_set_new(request, "confirm", json_string(password));
    return request;
}

int ask_proxy(struct request *rq, json_t *request, json_t **answer, struct err *e)
{
    return ask_proxy_long(rq, request, ASK_MS, answer, e);
}

int ask_proxy_long(
    struct request *rq, json_t *request, int timeout_ms, json_t **answer, struct err *e)
{
    return ask(rq->settings->proxy_socket, named(rq, request), timeout_ms, answer, e);
}

int ask_keeper(struct request *rq, json_t *request, json_t **answer, struct err *e)
{
    return ask_keeper_long(rq, request, ASK_MS, answer, e);
}

int ask_keeper_long(
    struct request *rq, json_t *request, int timeout_ms, json_t **answer, struct err *e)
{
    return ask(rq->settings->keeper_socket, named(rq, request), timeout_ms, answer, e);
}

int ask_keeper_raw(
    struct request *rq, json_t *request, int timeout_ms, json_t **answer, struct err *e)
{
    return ask_raw(rq->settings->keeper_socket, named(rq, request), timeout_ms, answer, e);
}

int ask_told(const char *socket, json_t *request, json_t **answer, struct err *e)
{
    return ask(socket, request, ASK_MS, answer, e);
}

bool ask_unreachable(const struct err *e)
{
    return e->code == EHOSTDOWN || e->code == ETIMEDOUT || e->code == EPIPE;
}
