#include "console/ask.h"

#include <errno.h>

#include "link/grant.h"
#include "link/rights.h"
#include "common/json_get.h"
#include "link/control.h"
#include "people/sealed.h"

/* The answer as it came, also a refusal. A program that is not there gets a code that none of its
 * own answers has. */
static int ask_raw(
    const char *socket, json_t *request, int timeout_ms, json_t **answer, struct err *e)
{
    struct control *c = NULL;
    if (!request) /* what came from the browser fits into no JSON */
        return err_set(e, EINVAL, "this is no text");
    int r = control_connect(socket, timeout_ms, &c, e);
    if (r < 0 && e)
        e->code = EHOSTDOWN;
    r = r < 0 ? -EHOSTDOWN : control_send(c, request, e);
    if (r == 0)
        r = control_receive(c, answer, e);
    control_close(c);
    json_decref(request);
    return r;
}

static int ask(const char *socket, json_t *request, int timeout_ms, json_t **answer, struct err *e)
{
    int r = ask_raw(socket, request, timeout_ms, answer, e);
    return r < 0 ? r : control_refused(answer, e);
}

/* Who asks goes with each request. */
static json_t *named(const struct request *rq, json_t *request)
{
    if (request)
        rights_name(request, rq->name, role_name(rq->role));
    return request;
}

/* To the keeper also what was typed to confirm it (link/rights.h), where it has to be. Passwords
 * are sealed: it hands them to a job that checks them, and nobody else is to see one. */
static int seal(const struct request *rq, json_t *request, struct err *e)
{
    static const char *const secrets[] = {"password", "confirm"}; /* the former: of an account */
    const char *typed = json_get_text(rq->form, "own_password");
    _cleanup_free_ char *key = sealed_key_beside(rq->settings->keeper_socket);
    struct right right;
    int r = 0;
    if (named(rq, request) && *typed && !json_object_get(request, "confirm") &&
        rights_find(RIGHTS_KEEPER, request, &right) && right.confirm)
        (void)json_object_set_new(request, "confirm", json_string(typed));
    for (size_t i = 0; r == 0 && i < 2; i++) {
        _cleanup_free_ char *sealed = NULL;
        char act[SHA256_HEX_LEN] = "";
        const char *text = json_get_text(request, secrets[i]);
        if (*text && i == 1) /* the last: it confirms the rest as it goes out, and nothing else */
            grant_act(request, act);
        if (*text && (r = sealed_close(key, text, act, &sealed, e)) == 0)
            (void)json_object_set_new(request, secrets[i], json_string(sealed));
    }
    return r;
}

static int ask_keeper_sealed(
    struct request *rq, json_t *request, int timeout_ms, json_t **answer, struct err *e)
{
    int r = seal(rq, request, e);
    if (r == 0)
        return ask_raw(rq->settings->keeper_socket, request, timeout_ms, answer, e);
    json_decref(request);
    return r;
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
    int r = ask_keeper_sealed(rq, request, timeout_ms, answer, e);
    return r < 0 ? r : control_refused(answer, e);
}

int ask_keeper_raw(
    struct request *rq, json_t *request, int timeout_ms, json_t **answer, struct err *e)
{
    return ask_keeper_sealed(rq, request, timeout_ms, answer, e);
}

int ask_told(const char *socket, json_t *request, json_t **answer, struct err *e)
{
    return ask(socket, request, ASK_MS, answer, e);
}

bool ask_unreachable(const struct err *e)
{
    return e->code == EHOSTDOWN || e->code == ETIMEDOUT || e->code == EPIPE;
}
