#include "proxy/control/control_socket.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "common/json_lines.h"
#include "link/unix_socket.h"
#include "proxy/control/predecessors.h"

enum { MAIN, SECOND }; /* the doors' numbers */

struct control_socket {
    struct proxy *proxy;
    struct control_duties duties;
    struct control_server *server;
    struct control_door *main, *second; /* NULL: none */
};

/* What a client is beside asking: its room in the server. */
struct role {
    bool watch_state, watch_session, watch_write, holds, successor;
    bool asking, timed; /* an idle event waits for the predecessors' answers; idle_timer is open */
    uv_timer_t idle_timer;
};

struct proxy *control_socket_proxy(const struct control_client *c)
{
    const struct control_socket *s = control_client_ctx(c);
    return s ? s->proxy : NULL;
}

struct watches {
    bool session, write;
};

static void add_watches(void *ctx, struct control_client *c)
{
    const struct role *role = control_client_room(c);
    struct watches *w = ctx;
    w->session |= role->watch_session;
    w->write |= role->watch_write;
}

/* The workers tell only what somebody listens to. */
static void update_watches(struct control_socket *s)
{
    struct watches w = {0};
    control_server_each(s->server, add_watches, &w);
    for (unsigned i = 0; i < s->proxy->n_workers; i++) {
        atomic_store(&s->proxy->workers[i].watch_sessions, w.session);
        atomic_store(&s->proxy->workers[i].watch_writes, w.write);
    }
}

static void on_timer_closed(uv_handle_t *h)
{
    control_client_unref(h->data);
}

static void gone(void *ctx, struct control_client *c)
{
    struct control_socket *s = ctx;
    struct role *role = control_client_room(c);
    if (role->holds) {
        gate_release(&s->proxy->gate);
        predecessors_release(&s->proxy->predecessors);
    }
    if (role->successor)
        s->duties.successor_lost(s->proxy, c);
    update_watches(s);
    if (role->timed) /* the room must stay until libuv has done with it */
        uv_close((uv_handle_t *)&role->idle_timer, on_timer_closed);
}

struct event {
    const char *kind;
    json_t *object;
};

static void tell_client(void *ctx, struct control_client *c)
{
    const struct role *role = control_client_room(c);
    const struct event *event = ctx;
    if ((!strcmp(event->kind, "state") && role->watch_state) ||
        (!strcmp(event->kind, "session") && role->watch_session) ||
        (!strcmp(event->kind, "write") && role->watch_write))
        control_answer(c, json_incref(event->object));
}

void control_socket_tell(struct control_socket *s, const char *kind, json_t *object)
{
    struct event event = {kind, object};
    control_server_each(s->server, tell_client, &event);
    json_decref(object);
}

static void on_idle_answers(void *ctx, json_t *answers)
{
    struct control_client *c = ctx;
    struct role *role = control_client_room(c);
    const struct proxy *p = control_socket_proxy(c);
    role->asking = false;
    if (p) {
        json_t *idle = proxy_idle_json(p);
        predecessors_merge_idle(idle, answers);
        control_answer(c, json_pack("{s:s, s:s, s:o}", "event", "idle", "state",
                              gate_state_name(&p->gate), "idle", idle));
    }
    json_decref(answers);
    control_client_unref(c);
}

static void on_idle_timer(uv_timer_t *t)
{
    struct control_client *c = t->data;
    struct role *role = control_client_room(c);
    if (role->asking)
        return;
    role->asking = true;
    predecessors_ask(&control_socket_proxy(c)->predecessors, json_pack("{s:s}", "cmd", "status"),
        PREDECESSOR_MS, on_idle_answers, control_client_ref(c));
}

static void watch_idle(struct control_client *c, struct role *role, uint64_t interval_ms)
{
    if (!role->timed) {
        CHECK(uv_timer_init(&control_socket_proxy(c)->loop, &role->idle_timer) == 0);
        role->idle_timer.data = control_client_ref(c);
        role->timed = true;
    }
    CHECK(uv_timer_start(&role->idle_timer, on_idle_timer, 0, interval_ms) == 0);
}

void control_socket_watch(struct control_client *c, const json_t *kinds, uint64_t interval_ms)
{
    struct role *role = control_client_room(c);
    struct control_socket *s = control_client_ctx(c);
    size_t i;
    const json_t *k;
    if (!s)
        return;
    json_array_foreach (kinds, i, k) {
        const char *name = json_string_value(k);
        role->watch_state |= name && !strcmp(name, "state");
        role->watch_session |= name && !strcmp(name, "session");
        role->watch_write |= name && !strcmp(name, "write");
        if (name && !strcmp(name, "idle"))
            watch_idle(c, role, interval_ms);
    }
    update_watches(s);
}

void control_socket_holder(struct control_client *c, bool holds)
{
    ((struct role *)control_client_room(c))->holds = holds;
}

void control_socket_successor(struct control_client *c)
{
    ((struct role *)control_client_room(c))->successor = true;
}

static void on_request(void *ctx, struct control_client *c, json_t *request)
{
    const struct control_socket *s = ctx;
    const struct role *role = control_client_room(c);
    if (s->proxy->handover.leaving && control_client_door(c) == MAIN && !role->successor) {
        /* It connected before the handover and means the gate, which we are no more. */
        control_answer(c, json_error(EAGAIN, "a new process has taken over; connect again"));
        control_hang_up(c);
    } else
        s->duties.request(c, request);
}

struct control_client *control_socket_adopt(struct control_socket *s, int fd)
{
    struct control_client *c = control_server_adopt(s->server, fd);
    control_socket_successor(c);
    return c;
}

/* A socket file that nobody answers on is left over from a killed process. */
static int clear_stale(const char *path, struct err *e)
{
    _cleanup_fd_ int fd = -1;
    int r = unix_socket_connect(path, &fd, NULL);
    if (r == 0 || r == -EAGAIN)
        return err_set(e, EADDRINUSE,
            "another elexgate-proxy is running: it answers on %s (`elexgate upgrade` puts a new one in its place)",
            path);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_sys(e, errno, "cannot remove the old socket %s", path);
    return 0;
}

/* MAIN: a new socket that nobody shall find yet. SECOND: an old process's. */
static int open_door(struct control_socket *s, int number, struct control_door **out, struct err *e)
{
    unsigned char salt[4];
    CHECK(uv_random(NULL, NULL, salt, sizeof salt, 0, NULL) == 0);
    _cleanup_free_ char *path = xasprintf("%s.%c%02x%02x%02x%02x",
        s->proxy->settings->control_socket, number == MAIN ? 'n' : 'o', salt[0], salt[1], salt[2],
        salt[3]);
    int r = control_door_open(s->server, number, path, out, e);
    return r == -ENAMETOOLONG
               ? err_prefix(e, r,
                     "[proxy] control_socket: a handover needs 10 bytes more than the name itself has")
               : r;
}

void control_socket_settings(struct control_socket *s)
{
    const struct settings *set = s->proxy->settings;
    control_server_users(s->server, "[proxy] control_users", set->control_users, set->page_user);
}

int control_socket_open(struct proxy *p, bool takeover, const struct control_duties *duties,
    struct control_socket **out, struct err *e)
{
    int r = takeover ? 0 : clear_stale(p->settings->control_socket, e);
    if (r < 0)
        return r;
    struct control_socket *s = xcalloc(1, sizeof *s);
    const struct control_events events = {
        .request = on_request, .gone = gone, .ctx = s, .room = sizeof(struct role)};
    s->proxy = p;
    s->duties = *duties;
    s->server = control_server_new(&p->loop, &events);
    control_socket_settings(s);
    r = open_door(s, MAIN, &s->main, e);
    if (r < 0)
        control_socket_close(s);
    else
        *out = s;
    return r;
}

int control_socket_publish(struct control_socket *s, struct err *e)
{
    const char *path = s->proxy->settings->control_socket;
    if (control_door_has(s->main, path))
        return 0;
    if (!control_door_has(s->main, control_door_path(s->main))) { /* another took our place */
        struct control_door *again;
        int r = open_door(s, MAIN, &again, e);
        if (r < 0)
            return r;
        control_door_close(s->main);
        s->main = again;
    }
    return control_door_rename(s->main, path, e);
}

int control_socket_open_second(struct control_socket *s, struct err *e)
{
    return s->second ? 0 : open_door(s, SECOND, &s->second, e);
}

void control_socket_close_second(struct control_socket *s)
{
    control_door_close(s->second);
    s->second = NULL;
}

const char *control_socket_second(const struct control_socket *s)
{
    return s->second ? control_door_path(s->second) : NULL;
}

static void hang_up_watcher(void *ctx, struct control_client *c)
{
    const struct role *role = control_client_room(c);
    (void)ctx;
    if (role->watch_state || role->watch_session || role->watch_write || role->timed)
        control_hang_up(c);
}

void control_socket_leave_main(struct control_socket *s)
{
    control_door_close(s->main);
    s->main = NULL;
    control_server_each(s->server, hang_up_watcher, NULL);
}

void control_socket_close(struct control_socket *s)
{
    control_door_close(s->main);
    control_door_close(s->second);
    s->main = s->second = NULL;
    control_server_close(s->server);
    free(s);
}
