#include "console/ask.h"

#include <errno.h>

#include "common/json_lines.h"

/* A program that is not there gets a code that none of its own answers has. */
static int ask(const char *socket, json_t *request, int timeout_ms, json_t **answer, struct err *e)
{
    struct control *c = NULL;
    int r = control_connect(socket, timeout_ms, &c, e);
    control_close(r == 0 ? c : NULL);
    if (r < 0) {
        e->code = EHOSTDOWN;
        r = -EHOSTDOWN;
    } else {
        r = control_call(socket, timeout_ms, request, answer, e);
    }
    json_decref(request);
    return r;
}

int ask_proxy(const struct settings *s, json_t *request, json_t **answer, struct err *e)
{
    return ask(s->proxy_socket, request, ASK_MS, answer, e);
}

int ask_keeper(const struct settings *s, json_t *request, json_t **answer, struct err *e)
{
    return ask(s->keeper_socket, request, ASK_MS, answer, e);
}

int ask_keeper_long(
    const struct settings *s, json_t *request, int timeout_ms, json_t **answer, struct err *e)
{
    return ask(s->keeper_socket, request, timeout_ms, answer, e);
}

bool ask_unreachable(const struct err *e)
{
    return e->code == EHOSTDOWN || e->code == ETIMEDOUT || e->code == EPIPE;
}

bool ask_into(struct request *rq, json_t *model, const char *key, bool proxy, json_t *request)
{
    struct err e = {0};
    json_t *answer = NULL;
    int r = proxy ? ask_proxy(rq->settings, request, &answer, &e)
                  : ask_keeper(rq->settings, request, &answer, &e);
    if (r == 0) {
        (void)json_object_set_new(model, key, answer);
        return true;
    }
    _cleanup_free_ char *error = xasprintf("%s_error", key);
    (void)json_object_set_new(model, key, json_null());
    (void)json_object_set_new(model, error, json_string(e.text));
    return false;
}
