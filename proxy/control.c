#include "proxy/control.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "common/file.h"
#include "common/json_lines.h"
#include "common/log.h"

struct control_client {
    TAILQ_ENTRY(control_client) entry;
    unsigned refs;
    struct control_server *server; /* NULL once it hung up */
    uv_pipe_t pipe;
    uv_timer_t idle_timer;
    unsigned handles;
    struct json_splitter in;
    bool watch_state, watch_session, watch_write, holds;
    uid_t uid;
    bool denied; /* not in control_users: its first request is answered with that */
    char read_buf[4096];
};

struct control_server {
    struct proxy *proxy;
    uv_pipe_t pipe;
    TAILQ_HEAD(, control_client) clients;
    unsigned n;
};

struct control_write {
    uv_write_t req;
    struct control_client *c;
    char *line;
};

struct control_client *control_client_ref(struct control_client *c)
{
    c->refs++;
    return c;
}

void control_client_unref(struct control_client *c)
{
    if (--c->refs > 0)
        return;
    json_splitter_clear(&c->in);
    free(c);
}

struct proxy *control_client_proxy(const struct control_client *c)
{
    return c->server ? c->server->proxy : NULL;
}

/* The workers tell only what somebody listens to. */
static void update_watches(struct control_server *s)
{
    bool session = false, write = false;
    struct control_client *c;
    TAILQ_FOREACH (c, &s->clients, entry) {
        session |= c->watch_session;
        write |= c->watch_write;
    }
    for (unsigned i = 0; i < s->proxy->n_workers; i++) {
        atomic_store(&s->proxy->workers[i].watch_sessions, session);
        atomic_store(&s->proxy->workers[i].watch_writes, write);
    }
}

static void on_handle_closed(uv_handle_t *h)
{
    struct control_client *c = h->data;
    if (--c->handles == 0)
        control_client_unref(c);
}

static void hang_up(struct control_client *c)
{
    struct control_server *s = c->server;
    if (!s)
        return;
    c->server = NULL;
    TAILQ_REMOVE(&s->clients, c, entry);
    s->n--;
    if (c->holds)
        gate_release(&s->proxy->gate);
    update_watches(s);
    uv_close((uv_handle_t *)&c->pipe, on_handle_closed);
    uv_close((uv_handle_t *)&c->idle_timer, on_handle_closed);
}

static void on_written(uv_write_t *req, int status)
{
    struct control_write *w = req->data;
    if (status < 0)
        hang_up(w->c);
    control_client_unref(w->c);
    free(w->line);
    free(w);
}

void control_answer(struct control_client *c, json_t *object)
{
    if (c->server && uv_stream_get_write_queue_size((uv_stream_t *)&c->pipe) > CONTROL_BACKLOG_MAX)
        hang_up(c);
    if (!c->server) {
        json_decref(object);
        return;
    }
    size_t n;
    struct control_write *w = xmalloc(sizeof *w);
    w->c = control_client_ref(c);
    w->req.data = w;
    w->line = json_line(object, &n);
    json_decref(object);
    uv_buf_t buf = uv_buf_init(w->line, (unsigned)n);
    if (uv_write(&w->req, (uv_stream_t *)&c->pipe, &buf, 1, on_written) < 0) {
        hang_up(c);
        control_client_unref(c);
        free(w->line);
        free(w);
    }
}

void control_publish(struct control_server *s, const char *kind, json_t *object)
{
    struct control_client *c, *next;
    for (c = TAILQ_FIRST(&s->clients); c; c = next) {
        next = TAILQ_NEXT(c, entry);
        if ((!strcmp(kind, "state") && c->watch_state) ||
            (!strcmp(kind, "session") && c->watch_session) ||
            (!strcmp(kind, "write") && c->watch_write))
            control_answer(c, json_incref(object));
    }
    json_decref(object);
}

static void on_idle_timer(uv_timer_t *t)
{
    struct control_client *c = t->data;
    control_answer(c,
        json_pack("{s:s, s:s, s:o}", "event", "idle", "state",
            gate_state_name(&c->server->proxy->gate), "idle", proxy_idle_json(c->server->proxy)));
}

void control_watch(struct control_client *c, const json_t *kinds, uint64_t interval_ms)
{
    size_t i;
    const json_t *k;
    json_array_foreach (kinds, i, k) {
        const char *name = json_string_value(k);
        c->watch_state |= name && !strcmp(name, "state");
        c->watch_session |= name && !strcmp(name, "session");
        c->watch_write |= name && !strcmp(name, "write");
        if (name && !strcmp(name, "idle") && c->server)
            CHECK(uv_timer_start(&c->idle_timer, on_idle_timer, 0, interval_ms) == 0);
    }
    if (c->server)
        update_watches(c->server);
}

void control_set_holder(struct control_client *c, bool holds)
{
    c->holds = holds;
}

static int on_object(void *ctx, json_t *object)
{
    struct control_client *c = ctx;
    if (c->denied) {
        control_answer(
            c, json_error(EACCES, "user id %u is not in [proxy] control_users", (unsigned)c->uid));
        hang_up(c);
    } else if (c->server)
        command_run(c, object);
    return 0;
}

static void on_alloc(uv_handle_t *h, size_t size, uv_buf_t *buf)
{
    struct control_client *c = h->data;
    (void)size;
    *buf = uv_buf_init(c->read_buf, sizeof c->read_buf);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct control_client *c = stream->data;
    struct err e;
    if (n < 0) {
        hang_up(c);
        return;
    }
    control_client_ref(c);
    if (n > 0 && json_splitter_feed(&c->in, buf->base, (size_t)n, on_object, c, &e) < 0) {
        control_answer(c, json_error(EBADMSG, "%s", e.text));
        uv_read_stop(stream);
        hang_up(c);
    }
    control_client_unref(c);
}

static bool user_allowed(const struct proxy *p, uid_t uid)
{
    if (uid == 0 || uid == geteuid())
        return true;
    for (const char *const *name = p->settings->control_users; *name; name++) {
        const struct passwd *pw = getpwnam(*name);
        if (pw && pw->pw_uid == uid)
            return true;
    }
    return false;
}

static void on_connection(uv_stream_t *server, int status)
{
    struct control_server *s = server->data;
    if (status < 0)
        return;
    struct control_client *c = xcalloc(1, sizeof *c);
    CHECK(uv_pipe_init(&s->proxy->loop, &c->pipe, 0) == 0);
    CHECK(uv_timer_init(&s->proxy->loop, &c->idle_timer) == 0);
    c->pipe.data = c->idle_timer.data = c;
    c->refs = 1; /* the handles' own */
    c->handles = 2;
    c->server = s;
    TAILQ_INSERT_TAIL(&s->clients, c, entry);
    s->n++;
    uv_os_fd_t fd;
    struct ucred who = {.uid = (uid_t)-1};
    socklen_t len = sizeof who;
    if (uv_accept(server, (uv_stream_t *)&c->pipe) < 0 || s->n > CONTROL_CLIENTS_MAX ||
        uv_fileno((uv_handle_t *)&c->pipe, &fd) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0) {
        hang_up(c);
        return;
    }
    c->uid = who.uid;
    c->denied = !user_allowed(s->proxy, who.uid);
    if (c->denied)
        log_event(LOG_WARNING, "control-refused", LOG_U("uid", who.uid), LOG_I("pid", who.pid));
    CHECK(uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) == 0);
}

/* A socket file that nobody answers on is left over from a killed process. */
static int clear_stale(const char *path, struct err *e)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof un.sun_path)
        return err_set(e, ENAMETOOLONG, "[proxy] control_socket: %s is longer than %zu bytes", path,
            sizeof un.sun_path - 1);
    memcpy(un.sun_path, path, strlen(path) + 1);
    _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&un, sizeof un) == 0)
        return err_set(e, EADDRINUSE, "another elexgate-proxy is running: it answers on %s", path);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_sys(e, errno, "cannot remove the old socket %s", path);
    return 0;
}

int control_server_open(struct proxy *p, struct control_server **out, struct err *e)
{
    const char *path = p->settings->control_socket;
    int r = clear_stale(path, e);
    if (r < 0)
        return r;
    struct control_server *s = xcalloc(1, sizeof *s);
    s->proxy = p;
    TAILQ_INIT(&s->clients);
    CHECK(uv_pipe_init(&p->loop, &s->pipe, 0) == 0);
    s->pipe.data = s;
    r = uv_pipe_bind(&s->pipe, path);
    if (r == 0)
        r = uv_listen((uv_stream_t *)&s->pipe, 16, on_connection);
    if (r < 0)
        return err_uv(e, r, "cannot listen on the control socket %s", path);
    /* Who may speak is decided by the peer's credentials, in words; the mode only lets it ask. */
    (void)chmod(path, 0666);
    *out = s;
    return 0;
}

static void on_server_closed(uv_handle_t *h)
{
    free(h->data);
}

void control_server_close(struct control_server *s)
{
    while (!TAILQ_EMPTY(&s->clients))
        hang_up(TAILQ_FIRST(&s->clients));
    /* uv_close removes the file that uv_pipe_bind made. */
    uv_close((uv_handle_t *)&s->pipe, on_server_closed);
}
