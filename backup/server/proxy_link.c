#include "backup/server/proxy_link.h"

#include <errno.h>
#include <string.h>
#include "common/utf8.h"
#include "common/json_get.h"
#include "common/lang.h"
#include "link/control.h"

/* Connecting and the first answer; the proxy answers a watch at once. */
#define ANSWER_MS 3000

struct proxy_hold {
    struct control *control;
};

struct proxy_watch {
    struct control *control;
};

static int send_request(struct control *c, json_t *request, struct err *e)
{
    int r = control_send(c, request, e);
    json_decref(request);
    return r;
}

int proxy_hold_take(const char *socket_path, unsigned wait_ms, unsigned max_ms,
    struct proxy_hold **out, struct err *e)
{
    struct control *c = NULL;
    int r = control_connect(socket_path, (int)wait_ms + ANSWER_MS, &c, e);
    if (r < 0)
        return err_prefix(e, r, "the proxy cannot be asked to hold its clients");
    r = send_request(c,
        json_pack("{sssisi}", "cmd", "hold", "timeout_ms", (int)wait_ms, "max_ms", (int)max_ms), e);
    json_t *answer = NULL;
    if (r == 0)
        r = control_receive(c, &answer, e);
    if (r < 0) {
        control_close(c);
        return err_prefix(e, r, "the proxy cannot be asked to hold its clients");
    }
    bool held = json_get_true(answer, "held");
    const char *code = json_get_text(answer, "code");
    const char *text = json_get_str(answer, "error");
    if (!held) {
        bool busy = strcmp(code, "ETIMEDOUT") == 0;
        r = err_set(e, busy ? EBUSY : EIO, "the proxy could not hold its clients: %s",
            UTF8_SHORT(text ? text : N_("no reason given"), 200));
        r = busy ? 1 : r;
    }
    json_decref(answer);
    if (!held) {
        control_close(c);
        return r;
    }
    struct proxy_hold *h = xcalloc(1, sizeof *h);
    h->control = c;
    *out = h;
    return 0;
}

void proxy_hold_release(struct proxy_hold *h)
{
    if (!h)
        return;
    control_close(h->control);
    free(h);
}

int proxy_watch_open(const char *socket_path, struct proxy_watch **out, struct err *e)
{
    struct control *c = NULL;
    int r = control_connect(socket_path, ANSWER_MS, &c, e);
    if (r < 0)
        return err_prefix(e, r, "the proxy cannot be watched");
    r = send_request(c, json_pack("{sss[s]}", "cmd", "watch", "events", "write"), e);
    if (r < 0) {
        control_close(c);
        return err_prefix(e, r, "the proxy cannot be watched");
    }
    struct proxy_watch *w = xcalloc(1, sizeof *w);
    w->control = c;
    *out = w;
    return 0;
}

int proxy_watch_wait(struct proxy_watch *w, int timeout_ms, uint64_t *session, struct err *e)
{
    json_t *object;
    control_set_timeout(w->control, timeout_ms);
    int r = control_receive(w->control, &object, e);
    if (r < 0)
        return r == -ETIMEDOUT ? 0 : err_prefix(e, r, "the proxy is watched no more");
    if (json_is_false(json_object_get(object, "ok")))
        r = err_set(e, EPROTO, "the proxy refuses to be watched");
    else if (strcmp(json_get_text(object, "event"), "write") == 0) {
        r = 1;
        if (session)
            *session = (uint64_t)json_get_int(object, "session");
    }
    json_decref(object);
    return r;
}

void proxy_watch_close(struct proxy_watch *w)
{
    if (!w)
        return;
    control_close(w->control);
    free(w);
}
