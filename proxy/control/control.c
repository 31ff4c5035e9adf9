#include "proxy/control/control.h"

#include <errno.h>
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
#include "link/peer.h"
#include "proxy/control/predecessors.h"

/* A socket that is listened on. */
struct door {
    uv_pipe_t pipe;
    struct control_server *server;
    char *path; /* its name now */
    dev_t dev;
    ino_t ino; /* the file is ours as long as it is this one */
};

struct control_client {
    TAILQ_ENTRY(control_client) entry;
    unsigned refs;
    struct control_server *server; /* NULL once it hung up */
    uv_pipe_t pipe;
    uv_timer_t idle_timer;
    unsigned handles;
    struct json_splitter in;
    bool watch_state, watch_session, watch_write, holds, successor;
    bool second; /* came in by the second door */
    bool asking; /* an idle event waits for the predecessors' answers */
    uid_t uid;
    bool page;   /* the page's program, see link/rights.h */
    bool denied; /* not in control_users: its first request is answered with that */
    char read_buf[4096];
};

struct control_server {
    struct proxy *proxy;
    struct door *main, *second; /* NULL: none */
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

unsigned control_client_uid(const struct control_client *c)
{
    return c->uid;
}

bool control_client_page(const struct control_client *c)
{
    return c->page;
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
    if (c->holds) {
        gate_release(&s->proxy->gate);
        predecessors_release(&s->proxy->predecessors);
    }
    if (c->successor)
        handover_lost(s->proxy, c);
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

static void on_idle_answers(void *ctx, json_t *answers)
{
    struct control_client *c = ctx;
    c->asking = false;
    if (c->server) {
        json_t *idle = proxy_idle_json(c->server->proxy);
        predecessors_merge_idle(idle, answers);
        control_answer(c, json_pack("{s:s, s:s, s:o}", "event", "idle", "state",
                              gate_state_name(&c->server->proxy->gate), "idle", idle));
    }
    json_decref(answers);
    control_client_unref(c);
}

static void on_idle_timer(uv_timer_t *t)
{
    struct control_client *c = t->data;
    if (c->asking)
        return;
    c->asking = true;
    predecessors_ask(&c->server->proxy->predecessors, json_pack("{s:s}", "cmd", "status"),
        PREDECESSOR_MS, on_idle_answers, control_client_ref(c));
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

void control_set_successor(struct control_client *c)
{
    c->successor = true;
}

bool control_client_owner(const struct control_client *c)
{
    return peer_is_own(c->uid);
}

int control_send_fds(
    struct control_client *c, const json_t *object, const int *fds, size_t n, struct err *e)
{
    uv_os_fd_t fd;
    if (!c->server || uv_stream_get_write_queue_size((uv_stream_t *)&c->pipe) > 0 ||
        uv_fileno((uv_handle_t *)&c->pipe, &fd) < 0)
        return err_set(e, EAGAIN, "the connection is busy");
    size_t len, room = CMSG_SPACE(n * sizeof *fds);
    _cleanup_free_ char *line = json_line(object, &len);
    _cleanup_free_ char *control = xcalloc(1, room);
    struct iovec iov = {line, len};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (n > 0) {
        m.msg_control = control;
        m.msg_controllen = room;
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(n * sizeof *fds);
        memcpy(CMSG_DATA(h), fds, n * sizeof *fds);
    }
    ssize_t sent = sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0)
        return err_sys(e, errno, "cannot hand over the listening sockets");
    return sent == (ssize_t)len ? 0 : err_set(e, EAGAIN, "the connection is busy");
}

static int on_object(void *ctx, json_t *object)
{
    struct control_client *c = ctx;
    if (c->denied) {
        control_answer(
            c, json_error(EACCES, "user id %u is not in [proxy] control_users", (unsigned)c->uid));
        hang_up(c);
    } else if (c->server && c->server->proxy->handover.leaving && !c->second && !c->successor) {
        /* It connected before the handover and means the gate, which we are no more. */
        control_answer(c, json_error(EAGAIN, "a new process has taken over; connect again"));
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

static struct control_client *client_new(struct control_server *s)
{
    struct control_client *c = xcalloc(1, sizeof *c);
    CHECK(uv_pipe_init(&s->proxy->loop, &c->pipe, 0) == 0);
    CHECK(uv_timer_init(&s->proxy->loop, &c->idle_timer) == 0);
    c->pipe.data = c->idle_timer.data = c;
    c->refs = 1; /* the handles' own */
    c->handles = 2;
    c->server = s;
    TAILQ_INSERT_TAIL(&s->clients, c, entry);
    s->n++;
    return c;
}

struct control_client *control_adopt(struct control_server *s, int fd)
{
    struct control_client *c = client_new(s);
    c->uid = geteuid();
    CHECK(uv_pipe_open(&c->pipe, fd) == 0);
    CHECK(uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) == 0);
    return c;
}

static void on_connection(uv_stream_t *server, int status)
{
    struct control_server *s = ((struct door *)server->data)->server;
    if (status < 0)
        return;
    struct control_client *c = client_new(s);
    c->second = server->data == s->second;
    uv_os_fd_t fd;
    const struct settings *set = s->proxy->settings;
    if (uv_accept(server, (uv_stream_t *)&c->pipe) < 0 || s->n > CONTROL_CLIENTS_MAX ||
        uv_fileno((uv_handle_t *)&c->pipe, &fd) < 0) {
        hang_up(c);
        return;
    }
    c->uid = peer_uid(fd);
    c->page = !peer_is_own(c->uid) && peer_is_named(c->uid, set->page_user);
    c->denied = !c->page && !peer_is_own(c->uid) && !peer_is_named(c->uid, set->control_users);
    if (c->denied)
        log_event(LOG_WARNING, "control-refused", LOG_U("uid", c->uid));
    CHECK(uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) == 0);
}

static int address_of(const char *path, struct sockaddr_un *un, struct err *e)
{
    *un = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof un->sun_path)
        return err_set(e, ENAMETOOLONG,
            "[proxy] control_socket: %s is longer than %zu bytes; a handover needs 10 more than the name itself has",
            path, sizeof un->sun_path - 1);
    memcpy(un->sun_path, path, strlen(path) + 1);
    return 0;
}

/* A socket file that nobody answers on is left over from a killed process. */
static int clear_stale(const char *path, struct err *e)
{
    struct sockaddr_un un;
    int r = address_of(path, &un, e);
    if (r < 0)
        return r;
    _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&un, sizeof un) == 0)
        return err_set(e, EADDRINUSE,
            "another elexgate-proxy is running: it answers on %s (`elexgate upgrade` puts a new one in its place)",
            path);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_sys(e, errno, "cannot remove the old socket %s", path);
    return 0;
}

static void on_door_closed(uv_handle_t *h)
{
    struct door *d = h->data;
    free(d->path);
    free(d);
}

static bool door_has(const struct door *d, const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && st.st_dev == d->dev && st.st_ino == d->ino;
}

static void door_close(struct door *d)
{
    if (!d)
        return;
    /* uv_close removes the name that uv_pipe_bind made, which it may have no more. */
    if (door_has(d, d->path))
        (void)unlink(d->path);
    uv_close((uv_handle_t *)&d->pipe, on_door_closed);
}

/* kind: "n" for a new socket that nobody shall find yet, "o" for an old process's. */
static int door_open(struct control_server *s, const char *kind, struct door **out, struct err *e)
{
    struct sockaddr_un un;
    struct stat st;
    unsigned char salt[4];
    CHECK(uv_random(NULL, NULL, salt, sizeof salt, 0, NULL) == 0);
    char *path = xasprintf("%s.%s%02x%02x%02x%02x", s->proxy->settings->control_socket, kind,
        salt[0], salt[1], salt[2], salt[3]);
    int r = address_of(path, &un, e);
    if (r < 0) {
        free(path);
        return r;
    }
    struct door *d = xcalloc(1, sizeof *d);
    d->server = s;
    d->path = path;
    CHECK(uv_pipe_init(&s->proxy->loop, &d->pipe, 0) == 0);
    d->pipe.data = d;
    r = uv_pipe_bind(&d->pipe, path);
    if (r == 0)
        r = uv_listen((uv_stream_t *)&d->pipe, 16, on_connection);
    if (r == 0 && lstat(path, &st) < 0)
        r = -errno;
    if (r < 0) {
        r = err_uv(e, r, "cannot listen on the control socket %s", path);
        uv_close((uv_handle_t *)&d->pipe, on_door_closed);
        return r;
    }
    d->dev = st.st_dev;
    d->ino = st.st_ino;
    /* Who may speak is decided by the peer's credentials, in words; the mode only lets it ask. */
    (void)chmod(path, 0666);
    *out = d;
    return 0;
}

int control_server_open(struct proxy *p, bool takeover, struct control_server **out, struct err *e)
{
    int r = takeover ? 0 : clear_stale(p->settings->control_socket, e);
    if (r < 0)
        return r;
    struct control_server *s = xcalloc(1, sizeof *s);
    s->proxy = p;
    TAILQ_INIT(&s->clients);
    r = door_open(s, "n", &s->main, e);
    if (r < 0) {
        free(s);
        return r;
    }
    *out = s;
    return 0;
}

int control_server_publish(struct control_server *s, struct err *e)
{
    const char *path = s->proxy->settings->control_socket;
    if (door_has(s->main, path))
        return 0;
    if (!door_has(s->main, s->main->path)) { /* another process had put its own in our place */
        struct door *again;
        int r = door_open(s, "n", &again, e);
        if (r < 0)
            return r;
        door_close(s->main);
        s->main = again;
    }
    if (rename(s->main->path, path) < 0)
        return err_sys(e, errno, "cannot publish the control socket %s", path);
    free(s->main->path);
    s->main->path = xstrdup(path);
    return 0;
}

int control_server_open_second(struct control_server *s, struct err *e)
{
    return s->second ? 0 : door_open(s, "o", &s->second, e);
}

void control_server_close_second(struct control_server *s)
{
    door_close(s->second);
    s->second = NULL;
}

const char *control_server_second(const struct control_server *s)
{
    return s->second ? s->second->path : NULL;
}

void control_server_leave_main(struct control_server *s)
{
    struct control_client *c, *next;
    door_close(s->main);
    s->main = NULL;
    for (c = TAILQ_FIRST(&s->clients); c; c = next) {
        next = TAILQ_NEXT(c, entry);
        if (c->watch_state || c->watch_session || c->watch_write ||
            uv_is_active((uv_handle_t *)&c->idle_timer))
            hang_up(c);
    }
}

void control_server_close(struct control_server *s)
{
    while (!TAILQ_EMPTY(&s->clients))
        hang_up(TAILQ_FIRST(&s->clients));
    door_close(s->main);
    door_close(s->second);
    free(s);
}
