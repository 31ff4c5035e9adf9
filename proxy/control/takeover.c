#include "proxy/control/takeover.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "common/clock.h"
#include "common/log.h"
#include "link/peer.h"
#include "common/json_get.h"
#include "common/json_lines.h"
#include "proxy/proxy.h"

#define ANSWER_MS 10000

void takeover_detach(void)
{
    pid_t pid = fork();
    if (pid > 0)
        _exit(0); /* a failed fork leaves us what we are: a child that works as well */
}

/* A stranger who sits on the socket must not get our clients. */
static int check_peer(const struct control *c, struct err *e)
{
    uid_t uid = peer_uid(control_fd(c));
    if (peer_is_own(uid))
        return 0;
    return err_set(e, EACCES,
        "the running process belongs to user id %u, this one to %u: start it as the same user",
        (unsigned)uid, (unsigned)geteuid());
}

/* The answer stands in t->line. -EPIPE: the other hung up. */
static int call(struct takeover *t, json_t *request, struct err *e)
{
    json_decref(t->line);
    t->line = NULL;
    int r = control_send(t->control, request, e);
    json_decref(request);
    if (r == 0)
        r = control_receive(t->control, &t->line, e);
    if (r == 0 && !json_get_true(t->line, "ok")) {
        const char *why = json_get_str(t->line, "error");
        r = err_set(e, json_answer_errno(t->line),
            "the running elexgate-proxy does not hand over: %s", why ? why : "it gives no reason");
    }
    return r;
}

static int take_sockets(struct takeover *t, struct err *e)
{
    const json_t *list = json_object_get(t->line, "sockets"), *one;
    size_t i;
    int fds[LISTENER_SOCKETS_MAX];
    size_t n = control_take_fds(t->control, fds);
    if (json_array_size(list) != n) {
        for (i = 0; i < n; i++)
            close(fds[i]);
        return err_set(e, EPROTO, "the running process described %zu sockets and sent %zu",
            json_array_size(list), n);
    }
    json_array_foreach (list, i, one) {
        const char *name = json_get_text(one, "name");
        const char *address = json_get_text(one, "address");
        t->sockets[i] = (struct listener_socket){.name = xstrdup(name),
            .address = xstrdup(address),
            .port = (uint16_t)json_get_int(one, "port"),
            .fd = fds[i]};
        t->n_sockets++;
    }
    return 0;
}

int takeover_ask(struct takeover *t, const char *control_socket, struct err *e)
{
    int r = 0;
    if (t->fd >= 0)
        t->control = control_adopt(t->fd, "the running process", ANSWER_MS, 0);
    else
        r = control_connect(control_socket, ANSWER_MS, &t->control, e);
    t->fd = -1;
    if (r == -ENOENT || r == -ECONNREFUSED)
        return 1;
    if (r == 0)
        r = check_peer(t->control, e);
    if (r < 0)
        return r;
    control_expect_fds(t->control, LISTENER_SOCKETS_MAX);
    r = call(t,
        json_pack("{s:s, s:i, s:i}", "cmd", "handover", "version", HANDOVER_VERSION, "pid",
            (int)getpid()),
        e);
    if (r == -EPIPE) /* it ended just now; if it did not, its control socket is found taken */
        return 1;
    if (r < 0)
        return r;
    json_int_t version = json_get_int(t->line, "version");
    if (version != HANDOVER_VERSION)
        return err_set(e, EPROTONOSUPPORT,
            "the running elexgate-proxy hands over by version %lld of the messages, this one knows %d: restart it",
            (long long)version, HANDOVER_VERSION);
    const char *state = json_get_text(t->line, "state");
    t->blocked = !strcmp(state, "blocked");
    t->pid = (pid_t)json_get_int(t->line, "pid");
    r = take_sockets(t, e);
    t->active = r == 0;
    return r;
}

static void take_stale(struct proxy *p, const json_t *answer)
{
    const json_t *array = json_object_get(answer, "stale_addresses"), *v;
    _cleanup_free_ struct address *list = xcalloc(json_array_size(array) + 1, sizeof *list);
    unsigned n = 0;
    size_t i;
    json_array_foreach (array, i, v) {
        struct cidr one;
        if (json_is_string(v) && cidr_parse(json_string_value(v), &one, NULL) == 0)
            list[n++] = one.net;
    }
    stale_add(&p->stale, list, n, (uint64_t)json_get_int(answer, "stale_ms"), clock_mono_ms());
}

int takeover_take(struct takeover *t, struct proxy *p, struct err *e)
{
    const json_t *v;
    size_t i;
    int r = call(t, json_pack("{s:s}", "cmd", "handover-take"), e);
    if (r == -EPIPE) { /* it ended; we have its sockets */
        log_event(LOG_WARNING, "takeover", LOG_S("meaning", "the running process ended meanwhile"));
        t->active = false;
        return 0;
    }
    if (r < 0)
        return r;
    p->next_id = (uint64_t)json_get_int(t->line, "last_id");
    json_array_foreach (json_object_get(t->line, "controls"), i, v)
        if (json_is_string(v))
            predecessors_add(&p->predecessors, json_string_value(v));
    take_stale(p, t->line);
    return 0;
}

int takeover_done(struct takeover *t, const struct proxy *p, struct err *e)
{
    if (!t->active)
        return 0;
    int r = call(t,
        json_pack("{s:s, s:I}", "cmd", "handover-done", "timeout_ms",
            (json_int_t)p->settings->handover_timeout_ms),
        e);
    if (r == -EPIPE) {
        log_event(LOG_WARNING, "takeover", LOG_S("meaning", "the running process ended meanwhile"));
        return 0;
    }
    return r;
}

void takeover_failed(struct takeover *t, const struct err *why)
{
    _cleanup_json_ json_t *o = json_pack(
        "{s:s, s:s}", "cmd", "handover-failed", "error", why->text);
    if (t->fd >= 0) /* we did not even come to ask */
        t->control = control_adopt(t->fd, "the running process", 0, 0);
    t->fd = -1;
    if (t->control) {
        control_set_timeout(t->control, 0);
        (void)!control_send(t->control, o, NULL);
    }
}

void takeover_end(struct takeover *t)
{
    for (size_t i = 0; i < t->n_sockets; i++) {
        if (t->sockets[i].fd >= 0)
            close(t->sockets[i].fd);
        free(t->sockets[i].name);
        free(t->sockets[i].address);
    }
    control_close(t->control);
    json_decref(t->line);
    cleanup_fd(&t->fd);
    *t = (struct takeover){.fd = -1};
}
