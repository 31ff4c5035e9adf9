#include "backup/keeper/control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/json_lines.h"
#include "common/file.h"
#include "common/log.h"
#include "link/peer.h"
#include "common/json_get.h"
#include "link/control.h"

#define CLIENTS_MAX 64
#define BACKLOG_MAX (4u << 20)

struct keeper_client {
    uv_pipe_t pipe;
    struct keeper_control *control;
    struct keeper_client *next;
    struct json_splitter splitter;
    uint64_t id;
    bool follows, closing;
    const char *job; /* follows this kind of job to its end; NULL = everything for ever */
    char chunk[16384];
};

struct keeper_control {
    uv_pipe_t listener;
    uv_loop_t *loop;
    char *path;
    keeper_request_fn *fn;
    void *ctx;
    const char *const *users;
    const char *page_user;
    struct keeper_client *clients;
    size_t count;
    uint64_t last_id;
    bool closing, listener_closed;
};

struct write_request {
    uv_write_t request;
    char *line;
};

static void maybe_free(struct keeper_control *k)
{
    if (k->listener_closed && k->count == 0) {
        free(k->path);
        free(k);
    }
}

static void on_client_close(uv_handle_t *h)
{
    struct keeper_client *c = h->data;
    struct keeper_control *k = c->control;
    for (struct keeper_client **p = &k->clients; *p; p = &(*p)->next) {
        if (*p == c) {
            *p = c->next;
            break;
        }
    }
    k->count--;
    json_splitter_clear(&c->splitter);
    free(c);
    maybe_free(k);
}

static void client_drop(struct keeper_client *c)
{
    if (c->closing)
        return;
    c->closing = true;
    uv_close((uv_handle_t *)&c->pipe, on_client_close);
}

static void on_written(uv_write_t *request, int status)
{
    struct write_request *w = (struct write_request *)request;
    struct keeper_client *c = request->data;
    free(w->line);
    free(w);
    if (status < 0)
        client_drop(c);
}

static void send_line(struct keeper_client *c, const json_t *object)
{
    if (c->closing)
        return;
    if (uv_stream_get_write_queue_size((uv_stream_t *)&c->pipe) > BACKLOG_MAX) {
        client_drop(c); /* it does not read */
        return;
    }
    struct write_request *w = xcalloc(1, sizeof *w);
    size_t len = 0;
    w->line = json_line(object, &len);
    w->request.data = c;
    uv_buf_t buf = uv_buf_init(w->line, (unsigned)len);
    if (uv_write(&w->request, (uv_stream_t *)&c->pipe, &buf, 1, on_written) < 0) {
        free(w->line);
        free(w);
        client_drop(c);
    }
}

void keeper_client_answer(struct keeper_client *c, json_t *object)
{
    send_line(c, object);
    json_decref(object);
}

uint64_t keeper_client_id(const struct keeper_client *c)
{
    return c->id;
}

struct keeper_client *keeper_control_client(struct keeper_control *k, uint64_t id)
{
    for (struct keeper_client *c = k ? k->clients : NULL; c; c = c->next)
        if (c->id == id && !c->closing)
            return c;
    return NULL;
}

void keeper_control_answer(struct keeper_control *k, uint64_t client, const json_t *object)
{
    struct keeper_client *c = keeper_control_client(k, client);
    if (c)
        send_line(c, object);
}

void keeper_client_follow(struct keeper_client *c, const char *job)
{
    c->follows = true;
    c->job = job;
}

void keeper_control_publish(struct keeper_control *k, const json_t *event)
{
    bool done = json_get_true(event, "done");
    const char *job = json_get_str(event, "job");
    for (struct keeper_client *c = k->clients, *next; c; c = next) {
        next = c->next;
        if (!c->follows || (c->job && job && strcmp(job, c->job) != 0))
            continue;
        send_line(c, event);
        if (done && c->job)
            c->follows = false;
    }
}

static int on_object(void *ctx, json_t *object)
{
    struct keeper_client *c = ctx;
    c->control->fn(c->control->ctx, c, object);
    return c->closing ? -ECANCELED : 0;
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    struct keeper_client *c = h->data;
    (void)suggested;
    *buf = uv_buf_init(c->chunk, sizeof c->chunk);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct keeper_client *c = s->data;
    if (n < 0 ||
        (n > 0 && json_splitter_feed(&c->splitter, buf->base, (size_t)n, on_object, c, NULL) < 0))
        client_drop(c);
}

uid_t keeper_client_uid(const struct keeper_client *c)
{
    uv_os_fd_t fd;
    return uv_fileno((const uv_handle_t *)&c->pipe, &fd) < 0 ? (uid_t)-1 : peer_uid(fd);
}

bool keeper_client_page(const struct keeper_client *c)
{
    const char *const page[] = {c->control->page_user, NULL};
    uid_t uid = keeper_client_uid(c);
    return !peer_is_own(uid) && peer_is_named(uid, page);
}

static bool may_ask(const struct keeper_control *k, const struct keeper_client *c)
{
    uid_t uid = keeper_client_uid(c);
    return peer_is_own(uid) || peer_is_named(uid, k->users) || keeper_client_page(c);
}

static void on_connection(uv_stream_t *s, int status)
{
    struct keeper_control *k = s->data;
    if (status < 0)
        return;
    struct keeper_client *c = xcalloc(1, sizeof *c);
    c->control = k;
    c->id = ++k->last_id;
    uv_pipe_init(k->loop, &c->pipe, 0);
    c->pipe.data = c;
    c->next = k->clients;
    k->clients = c;
    k->count++;
    if (uv_accept(s, (uv_stream_t *)&c->pipe) < 0 || k->count > CLIENTS_MAX) {
        client_drop(c);
    } else if (!may_ask(k, c)) {
        keeper_client_answer(
            c, json_error(EACCES, "this user may not use the keeper's control socket"));
        log_event(LOG_WARNING, "control-refused", LOG_S("socket", k->path));
        client_drop(c);
    } else {
        uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read);
    }
}

/* A socket file that nobody listens on is left from a crash; one that answers is another keeper. */
static int clear_way(const char *path, struct err *e)
{
    struct control *other = NULL;
    if (access(path, F_OK) < 0)
        return 0;
    if (control_connect(path, 1000, &other, NULL) == 0) {
        control_close(other);
        return err_set(e, EADDRINUSE, "another keeper serves %s", path);
    }
    if (unlink(path) < 0)
        return err_sys(e, errno, "cannot remove the old %s", path);
    return 0;
}

static void on_listener_close(uv_handle_t *h)
{
    struct keeper_control *k = h->data;
    k->listener_closed = true;
    maybe_free(k);
}

int keeper_control_open(uv_loop_t *loop, const char *path, keeper_request_fn *fn, void *ctx,
    struct keeper_control **out, struct err *e)
{
    _cleanup_free_ char *folder = xstrdup(path);
    char *slash = strrchr(folder, '/');
    if (slash && slash != folder)
        *slash = '\0';
    int r = file_mkdirs(folder, 0755, e);
    if (r == 0)
        r = clear_way(path, e);
    if (r < 0)
        return r;
    struct keeper_control *k = xcalloc(1, sizeof *k);
    k->loop = loop;
    k->path = xstrdup(path);
    k->fn = fn;
    k->ctx = ctx;
    uv_pipe_init(loop, &k->listener, 0);
    k->listener.data = k;
    /* Who may ask is decided at the connection, by the peer's user. */
    mode_t before = umask(0);
    r = uv_pipe_bind(&k->listener, path);
    umask(before);
    if (r == 0)
        r = uv_listen((uv_stream_t *)&k->listener, 128, on_connection);
    if (r < 0) {
        err_uv(e, r, "cannot serve %s", path);
        k->closing = true;
        uv_close((uv_handle_t *)&k->listener, on_listener_close);
        return r;
    }
    *out = k;
    return 0;
}

void keeper_control_users(struct keeper_control *k, const char *const *names, const char *page_user)
{
    k->users = names;
    k->page_user = page_user;
}

void keeper_control_close(struct keeper_control *k)
{
    if (!k || k->closing)
        return;
    k->closing = true;
    unlink(k->path);
    for (struct keeper_client *c = k->clients; c; c = c->next)
        client_drop(c);
    uv_close((uv_handle_t *)&k->listener, on_listener_close);
}
