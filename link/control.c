/*
 * The blocking client of the control protocol, for command line programs and jobs.
 */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json_lines.h"
#include "link/peer.h"
#include "common/json_get.h"
#include "link/control.h"

struct control {
    int fd;
    int timeout_ms;
    char *path;
    struct json_splitter splitter;
    json_t *pending; /* array: objects that came in one read */
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

/* A unix socket whose queue is full answers EAGAIN at once and cannot be polled for. */
static int connect_patiently(struct control *c, const struct sockaddr_un *sa, struct err *e)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    uint64_t start = clock_mono_ms();

    while (connect(c->fd, (const struct sockaddr *)sa, sizeof *sa) < 0) {
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return err_sys(e, errno, "cannot connect to %s", c->path);
        if (time_left(c->timeout_ms, start) == 0)
            return err_set(e, ETIMEDOUT, "%s did not take the connection within %d ms", c->path,
                c->timeout_ms);
        nanosleep(&pause, NULL);
    }
    return 0;
}

int control_connect(const char *socket_path, int timeout_ms, struct control **out, struct err *e)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    size_t n = strlen(socket_path);

    if (n >= sizeof sa.sun_path)
        return err_set(e, ENAMETOOLONG, "the socket's path %s is longer than %zu bytes",
            socket_path, sizeof sa.sun_path - 1);
    memcpy(sa.sun_path, socket_path, n + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_sys(e, errno, "cannot make a socket");
    struct control *c = xcalloc(1, sizeof *c);
    c->fd = fd;
    c->timeout_ms = timeout_ms;
    c->path = xstrdup(socket_path);
    c->pending = json_array();
    CHECK(c->pending);
    int r = connect_patiently(c, &sa, e);
    if (r == 0)
        r = peer_check_server(fd, socket_path, e);
    if (r < 0) {
        control_close(c);
        return r;
    }
    *out = c;
    return 0;
}

void control_close(struct control *c)
{
    if (!c)
        return;
    close(c->fd);
    json_splitter_clear(&c->splitter);
    json_decref(c->pending);
    free(c->path);
    free(c);
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
        ssize_t n = send(c->fd, line + sent, len - sent, MSG_NOSIGNAL);
        if (n >= 0)
            sent += (size_t)n;
        else if (errno == EAGAIN) {
            if ((r = wait_for(c, POLLOUT, start, e)) < 0)
                return r;
        } else if (errno != EINTR)
            return err_sys(e, errno, "cannot send to %s", c->path);
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
        ssize_t n = recv(c->fd, buf, sizeof buf, 0);
        if (n > 0) {
            if ((r = json_splitter_feed(&c->splitter, buf, (size_t)n, remember, c, e)) < 0)
                return err_prefix(e, r, "%s", c->path);
        } else if (n == 0) {
            return err_set(e, EPIPE, "%s closed the connection", c->path);
        } else if (errno == EAGAIN) {
            if ((r = wait_for(c, POLLIN, start, e)) < 0)
                return r;
        } else if (errno == ECONNRESET) {
            return err_set(e, EPIPE, "%s closed the connection", c->path);
        } else if (errno != EINTR) {
            return err_sys(e, errno, "cannot receive from %s", c->path);
        }
    }
    *out = json_incref(json_array_get(c->pending, 0));
    json_array_remove(c->pending, 0);
    return 0;
}

int control_call(
    const char *socket_path, int timeout_ms, const json_t *request, json_t **answer, struct err *e)
{
    struct control *c = NULL;
    json_t *got = NULL;
    int r = control_connect(socket_path, timeout_ms, &c, e);

    if (r == 0)
        r = control_send(c, request, e);
    if (r == 0)
        r = control_receive(c, &got, e);
    control_close(c);
    if (r < 0)
        return r;
    if (json_get_true(got, "ok")) {
        *answer = got;
        return 0;
    }
    const char *words = json_get_str(got, "error");
    if (words)
        r = err_set(e, json_answer_errno(got), "%s", words);
    else
        r = err_set(
            e, EPROTO, "%s gave an answer without \"ok\" and without \"error\"", socket_path);
    json_decref(got);
    return r;
}
