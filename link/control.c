/*
 * The blocking client of the control protocol, for command line programs and jobs.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json_lines.h"
#include "common/error_phrase.h"
#include "link/peer.h"
#include "link/unix_socket.h"
#include "common/json_get.h"
#include "link/control.h"

struct control {
    int fd;
    int timeout_ms;
    char *path;
    struct json_splitter splitter;
    json_t *pending; /* array: objects that came in one read */
    int *fds;        /* descriptors that came and were not taken */
    size_t n_fds, max_fds;
};

/* Milliseconds left until a deadline; -1 = no deadline. */
static int time_left(int timeout_ms, uint64_t start)
{
    if (timeout_ms < 0)
        return -1;
    uint64_t gone = clock_mono_ms() - start;
    return gone >= (uint64_t)timeout_ms ? 0 : (int)((uint64_t)timeout_ms - gone);
}

static int wait_for(struct control *c, short events, uint64_t start, struct err *e)
{
    struct pollfd p = {.fd = c->fd, .events = events};

    for (;;) {
        int r = poll(&p, 1, time_left(c->timeout_ms, start));
        if (r > 0)
            return 0;
        if (r == 0)
            return err_set(e, ETIMEDOUT, "%s did not answer within %d ms", c->path, c->timeout_ms);
        if (errno != EINTR)
            return err_sys(e, errno, "cannot wait for %s", c->path);
    }
}

/* A unix socket whose queue is full cannot be polled for. */
static int connect_patiently(const char *path, int timeout_ms, int *fd, struct err *e)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    uint64_t start = clock_mono_ms();
    int r;
    while ((r = unix_socket_connect(path, fd, e)) == -EAGAIN) {
        if (time_left(timeout_ms, start) == 0)
            return err_set(
                e, ETIMEDOUT, "%s did not take the connection within %d ms", path, timeout_ms);
        nanosleep(&pause, NULL);
    }
    return r;
}

struct control *control_adopt(int fd, const char *name, int timeout_ms, size_t line_max)
{
    struct control *c = xcalloc(1, sizeof *c);
    c->fd = fd;
    c->timeout_ms = timeout_ms;
    c->path = xstrdup(name);
    c->splitter.max = line_max;
    c->pending = json_array();
    CHECK(c->pending);
    return c;
}

int control_connect(const char *socket_path, int timeout_ms, struct control **out, struct err *e)
{
    int fd = -1;
    int r = connect_patiently(socket_path, timeout_ms, &fd, e);
    if (r < 0)
        return r;
    r = peer_check_server(fd, socket_path, e);
    if (r < 0)
        close(fd);
    else
        *out = control_adopt(fd, socket_path, timeout_ms, 0);
    return r;
}

void control_close(struct control *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_fds; i++)
        close(c->fds[i]);
    close(c->fd);
    json_splitter_clear(&c->splitter);
    json_decref(c->pending);
    free(c->path);
    free(c->fds);
    free(c);
}

void control_expect_fds(struct control *c, size_t max)
{
    c->fds = xcalloc(max, sizeof *c->fds);
    c->max_fds = max;
}

size_t control_take_fds(struct control *c, int *out)
{
    size_t n = c->n_fds;
    for (size_t i = 0; i < n; i++)
        out[i] = c->fds[i];
    c->n_fds = 0;
    return n;
}

int control_fd(const struct control *c)
{
    return c->fd;
}

void control_set_timeout(struct control *c, int timeout_ms)
{
    c->timeout_ms = timeout_ms;
}

int control_send(struct control *c, const json_t *request, struct err *e)
{
    uint64_t start = clock_mono_ms();
    size_t len;
    _cleanup_free_ char *line = json_line(request, &len);
    int r;

    for (size_t sent = 0; sent < len;) {
        ssize_t n = unix_socket_send(c->fd, line + sent, len - sent, NULL, 0);
        if (n >= 0)
            sent += (size_t)n;
        else if (n == -EAGAIN) {
            if ((r = wait_for(c, POLLOUT, start, e)) < 0)
                return r;
        } else
            return err_sys(e, n == -ECONNRESET ? EPIPE : (int)-n, "cannot send to %s", c->path);
    }
    return 0;
}

static int remember(void *ctx, json_t *object)
{
    struct control *c = ctx;

    CHECK(json_array_append(c->pending, object) == 0);
    return 0;
}

int control_receive(struct control *c, json_t **out, struct err *e)
{
    uint64_t start = clock_mono_ms();
    char buf[16384];
    int r;

    while (json_array_size(c->pending) == 0) {
        ssize_t n = unix_socket_receive(c->fd, buf, sizeof buf, c->fds, &c->n_fds, c->max_fds);
        if (n > 0) {
            if ((r = json_splitter_feed(&c->splitter, buf, (size_t)n, remember, c, e)) < 0)
                return err_prefix(e, r, "%s", c->path);
        } else if (n == 0 || n == -ECONNRESET) {
            return err_set(e, EPIPE, "%s closed the connection", c->path);
        } else if (n != -EAGAIN) {
            return err_sys(e, (int)-n, "cannot receive from %s", c->path);
        } else if ((r = wait_for(c, POLLIN, start, e)) < 0) {
            return r;
        }
    }
    *out = json_incref(json_array_get(c->pending, 0));
    json_array_remove(c->pending, 0);
    return 0;
}

int control_ask(
    const char *socket_path, int timeout_ms, const json_t *request, json_t **answer, struct err *e)
{
    struct control *c = NULL;
    int r = control_connect(socket_path, timeout_ms, &c, e);
    if (r == 0)
        r = control_send(c, request, e);
    if (r == 0)
        r = control_receive(c, answer, e);
    control_close(c);
    return r;
}

int control_refused(json_t **answer, struct err *e)
{
    if (json_get_true(*answer, "ok"))
        return 0;
    int r = json_get_str(*answer, "error")
                ? error_phrase_take(e, json_answer_errno(*answer), *answer)
                : err_set(e, EPROTO, "an answer without words");
    json_decref(*answer);
    *answer = NULL;
    return r;
}

int control_call(
    const char *socket_path, int timeout_ms, const json_t *request, json_t **answer, struct err *e)
{
    json_t *got;
    int r = control_ask(socket_path, timeout_ms, request, &got, e);
    if (r == 0)
        r = control_refused(&got, e);
    if (r == 0)
        *answer = got;
    return r;
}

json_t *control_status(const char *socket_path, int timeout_ms, struct err *e)
{
    _cleanup_json_ json_t *request = json_pack("{s:s}", "cmd", "status");
    json_t *answer = NULL;
    return control_call(socket_path, timeout_ms, request, &answer, e) == 0 ? answer : NULL;
}
