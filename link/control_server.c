#include "link/control_server.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/json_lines.h"
#include "common/log.h"
#include "common/log_limit.h"
#include "common/utf8.h"
#include "link/peer.h"
#include "link/unix_socket.h"

#define DENIED_MAX    8
#define REFUSED_LINES 60 /* a minute, of all connections */

struct control_door {
    uv_poll_t poll;
    int fd, spare; /* spare: given up to take somebody, and hang up, where there are no more */
    struct control_server *server;
    int number;
    char *path; /* its name now */
    dev_t dev;
    ino_t ino; /* the file is ours as long as it is this one */
};

struct control_client {
    TAILQ_ENTRY(control_client) entry;
    unsigned refs;
    struct control_server *server; /* NULL once it hung up */
    int door;                      /* its number; -1: adopted */
    uv_pipe_t pipe;
    struct json_splitter in;
    uid_t uid;
    char refused[24];  /* what was refused last, as it stands in the log */
    unsigned again;    /* how often since, without a line */
    bool page, denied; /* denied: told so, and waited for until it goes or asks */
    char chunk[16384];
    max_align_t room[];
};

struct control_server {
    uv_loop_t *loop;
    struct control_events events;
    const char *option, *const *users, *page_user;
    TAILQ_HEAD(, control_client) clients;
    size_t n, n_denied;
    struct log_limit *refusals;
};

struct control_write {
    uv_write_t req;
    struct control_client *c;
    char *line;
};

/* --- clients ---------------------------------------------------------------------------------- */

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

uid_t control_client_uid(const struct control_client *c)
{
    return c->uid;
}

bool control_client_page(const struct control_client *c)
{
    return c->page;
}

bool control_client_owner(const struct control_client *c)
{
    return peer_is_own(c->uid);
}

void *control_client_ctx(const struct control_client *c)
{
    return c->server ? c->server->events.ctx : NULL;
}

void *control_client_room(struct control_client *c)
{
    return c->room;
}

int control_client_door(const struct control_client *c)
{
    return c->door;
}

static void on_pipe_closed(uv_handle_t *h)
{
    control_client_unref(h->data);
}

static void tell_again(struct control_client *c)
{
    if (c->again && log_limit_may(c->server->refusals, uv_now(c->server->loop)))
        log_event(LOG_WARNING, "control-refused", LOG_U("uid", c->uid),
            LOG_S("cmd", *c->refused ? c->refused : NULL), LOG_U("again", c->again));
    c->again = 0;
}

void control_client_refused(struct control_client *c, const char *cmd, const char *account)
{
    struct control_server *s = c->server;
    if (!s)
        return;
    uint64_t now = uv_now(s->loop);
    char kind[sizeof c->refused];
    utf8_copy(kind, sizeof kind, cmd ? cmd : "");
    if (cmd && strcmp(kind, c->refused) == 0) {
        c->again++;
        return;
    }
    tell_again(c);
    memcpy(c->refused, kind, sizeof kind);
    unsigned kept_back = log_limit_kept_back(s->refusals, now);
    if (kept_back)
        log_event(LOG_WARNING, "control-refused", LOG_U("kept_back", kept_back));
    if (log_limit_may(s->refusals, now))
        log_event(LOG_WARNING, "control-refused", LOG_U("uid", c->uid),
            LOG_S("cmd", *kind ? kind : NULL), LOG_S("account", account));
}

void control_hang_up(struct control_client *c)
{
    struct control_server *s = c->server;
    if (!s)
        return;
    tell_again(c);
    TAILQ_REMOVE(&s->clients, c, entry);
    s->n--;
    s->n_denied -= c->denied;
    c->server = NULL;
    if (s->events.gone)
        s->events.gone(s->events.ctx, c);
    uv_close((uv_handle_t *)&c->pipe, on_pipe_closed);
}

static void on_written(uv_write_t *req, int status)
{
    struct control_write *w = req->data;
    if (status < 0)
        control_hang_up(w->c);
    control_client_unref(w->c);
    free(w->line);
    free(w);
}

void control_answer(struct control_client *c, json_t *object)
{
    if (c->server && uv_stream_get_write_queue_size((uv_stream_t *)&c->pipe) > CONTROL_BACKLOG_MAX)
        control_hang_up(c);
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
    int r = uv_write(&w->req, (uv_stream_t *)&c->pipe, &buf, 1, on_written);
    if (r < 0)
        on_written(&w->req, r);
}

int control_answer_fds(
    struct control_client *c, const json_t *object, const int *fds, size_t n, struct err *e)
{
    uv_os_fd_t fd;
    if (!c->server || uv_stream_get_write_queue_size((uv_stream_t *)&c->pipe) > 0 ||
        uv_fileno((uv_handle_t *)&c->pipe, &fd) < 0)
        return err_set(e, EAGAIN, "the connection is busy");
    size_t len;
    _cleanup_free_ char *line = json_line(object, &len);
    ssize_t sent = unix_socket_send(fd, line, len, fds, n);
    if (sent < 0)
        return err_sys(e, (int)-sent, "cannot hand over descriptors");
    return sent == (ssize_t)len ? 0 : err_set(e, EAGAIN, "the connection is busy");
}

static int on_object(void *ctx, json_t *object)
{
    struct control_client *c = ctx;
    struct control_server *s = c->server;
    if (s)
        s->events.request(s->events.ctx, c, object);
    return 0;
}

static void on_alloc(uv_handle_t *h, size_t size, uv_buf_t *buf)
{
    struct control_client *c = h->data;
    (void)size;
    *buf = uv_buf_init(c->chunk, sizeof c->chunk);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct control_client *c = stream->data;
    struct err e;
    if (n < 0 || (n > 0 && c->denied)) {
        control_hang_up(c);
        return;
    }
    control_client_ref(c);
    if (n > 0 && json_splitter_feed(&c->in, buf->base, (size_t)n, on_object, c, &e) < 0) {
        control_answer(c, json_error_of(EBADMSG, &e));
        control_hang_up(c);
    }
    control_client_unref(c);
}

static struct control_client *client_new(struct control_server *s)
{
    struct control_client *c = xcalloc(1, sizeof *c + s->events.room);
    CHECK(uv_pipe_init(s->loop, &c->pipe, 0) == 0);
    c->pipe.data = c;
    c->refs = 1; /* the handle's own */
    c->server = s;
    TAILQ_INSERT_TAIL(&s->clients, c, entry);
    s->n++;
    return c;
}

/* --- the server ------------------------------------------------------------------------------- */

struct control_server *control_server_new(uv_loop_t *loop, const struct control_events *events)
{
    struct control_server *s = xcalloc(1, sizeof *s);
    s->loop = loop;
    s->events = *events;
    s->refusals = log_limit_new(REFUSED_LINES);
    TAILQ_INIT(&s->clients);
    return s;
}

void control_server_users(
    struct control_server *s, const char *option, const char *const *names, const char *page_user)
{
    s->option = option;
    s->users = names;
    s->page_user = page_user;
}

struct control_client *control_server_adopt(struct control_server *s, int fd)
{
    struct control_client *c = client_new(s);
    c->uid = geteuid();
    c->door = -1;
    CHECK(uv_pipe_open(&c->pipe, fd) == 0);
    CHECK(uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) == 0);
    return c;
}

/* It is told at once, and hung up on when it has asked: before that, its question would fail and
 * nobody would read the answer. */
static void deny(struct control_client *c, int fd)
{
    struct control_server *s = c->server;
    control_client_refused(c, NULL, NULL);
    s->n_denied++;
    control_answer(c, json_error(EACCES, "user id %u is not in %s", (unsigned)c->uid, s->option));
    (void)shutdown(fd, SHUT_WR);
    if (s->n_denied > DENIED_MAX) /* they take no room from those who may ask */
        control_hang_up(c);
}

static bool has_room(const struct control_server *s, uid_t uid)
{
    size_t of_one = 0, of_others = 0;
    const struct control_client *c;
    if (s->n >= CONTROL_CLIENTS_MAX || peer_is_own(uid))
        return s->n < CONTROL_CLIENTS_MAX;
    TAILQ_FOREACH (c, &s->clients, entry) {
        of_one += c->uid == uid;
        of_others += !peer_is_own(c->uid);
    }
    return of_one < CONTROL_CLIENTS_OF_ONE && of_others < CONTROL_CLIENTS_OF_OTHERS;
}

/* Takes over fd. */
static void take(struct control_door *d, int fd)
{
    struct control_server *s = d->server;
    const char *const page[] = {s->page_user, NULL};
    uid_t uid = peer_uid(fd);
    if (!has_room(s, uid)) {
        close(fd);
        return;
    }
    struct control_client *c = client_new(s);
    c->door = d->number;
    c->uid = uid;
    CHECK(uv_pipe_open(&c->pipe, fd) == 0); /* a socket that we have just made */
    c->page = !peer_is_own(uid) && peer_is_named(uid, page);
    c->denied = !c->page && !peer_is_own(uid) && !peer_is_named(uid, s->users);
    if (c->denied)
        deny(c, fd);
    if (c->server)
        CHECK(uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) == 0);
}

/* libuv's own listening accepts until nobody comes any more, and a program that connects in a loop
 * always does. */
static void on_connections(uv_poll_t *p, int status, int events)
{
    struct control_door *d = p->data;
    (void)status, (void)events;
    for (unsigned i = 0; i < CONTROL_ACCEPTED_MAX; i++) {
        int fd = accept4(d->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            take(d, fd);
        if (fd >= 0 || errno == ECONNABORTED || errno == EINTR)
            continue;
        if (errno == EMFILE || errno == ENFILE) {
            close(d->spare);
            fd = accept4(d->fd, NULL, NULL, SOCK_CLOEXEC);
            if (fd >= 0)
                close(fd);
            d->spare = fcntl(d->fd, F_DUPFD_CLOEXEC, 0);
        }
        return;
    }
}

/* Each step may hang up on any of them, also by what its owner does then. */
void control_server_each(
    struct control_server *s, void (*fn)(void *ctx, struct control_client *c), void *ctx)
{
    size_t n = 0, count = s->n;
    struct control_client *c;
    _cleanup_free_ struct control_client **all = xcalloc(
        count + 1, sizeof(struct control_client *));
    TAILQ_FOREACH (c, &s->clients, entry)
        all[n++] = control_client_ref(c);
    for (size_t i = 0; i < n; i++) {
        if (all[i]->server)
            fn(ctx, all[i]);
        control_client_unref(all[i]);
    }
}

void control_server_close(struct control_server *s)
{
    if (!s)
        return;
    while (!TAILQ_EMPTY(&s->clients))
        control_hang_up(TAILQ_FIRST(&s->clients));
    log_limit_free(s->refusals);
    free(s);
}

/* --- doors ------------------------------------------------------------------------------------ */

static void on_door_closed(uv_handle_t *h)
{
    struct control_door *d = h->data;
    close(d->fd);
    if (d->spare >= 0)
        close(d->spare);
    free(d->path);
    free(d);
}

const char *control_door_path(const struct control_door *d)
{
    return d->path;
}

bool control_door_has(const struct control_door *d, const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && st.st_dev == d->dev && st.st_ino == d->ino;
}

void control_door_close(struct control_door *d)
{
    if (!d)
        return;
    if (control_door_has(d, d->path))
        (void)unlink(d->path);
    uv_close((uv_handle_t *)&d->poll, on_door_closed);
}

int control_door_open(struct control_server *s, int number, const char *path,
    struct control_door **out, struct err *e)
{
    struct stat st = {0};
    int fd, r = unix_socket_listen(path, &fd, e);
    if (r < 0)
        return r;
    struct control_door *d = xcalloc(1, sizeof *d);
    d->server = s;
    d->number = number;
    d->path = xstrdup(path);
    d->fd = fd;
    d->spare = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    CHECK(uv_poll_init(s->loop, &d->poll, fd) == 0);
    d->poll.data = d;
    r = lstat(path, &st) < 0 ? -errno : uv_poll_start(&d->poll, UV_READABLE, on_connections);
    d->dev = st.st_dev;
    d->ino = st.st_ino;
    if (r < 0) {
        control_door_close(d);
        return err_set(e, -r, "cannot listen on %s: %s", path, strerror(-r));
    }
    *out = d;
    return 0;
}

int control_door_rename(struct control_door *d, const char *path, struct err *e)
{
    if (rename(d->path, path) < 0)
        return err_sys(e, errno, "cannot publish the control socket %s", path);
    free(d->path);
    d->path = xstrdup(path);
    return 0;
}
