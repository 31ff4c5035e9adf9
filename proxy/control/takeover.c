#include "proxy/control/takeover.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include "common/clock.h"
#include "common/log.h"
#include "link/peer.h"
#include "common/json_get.h"
#include "proxy/proxy.h"

#define ANSWER_S 10

void takeover_detach(void)
{
    pid_t pid = fork();
    if (pid > 0)
        _exit(0); /* a failed fork leaves us what we are: a child that works as well */
}

static int connect_to(const char *path, int *out, struct err *e)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof un.sun_path)
        return err_set(e, ENAMETOOLONG, "[proxy] control_socket: %s is too long", path);
    memcpy(un.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_sys(e, errno, "cannot make a socket");
    if (connect(fd, (struct sockaddr *)&un, sizeof un) < 0) {
        int code = errno;
        close(fd);
        return code == ENOENT || code == ECONNREFUSED
                   ? 1
                   : err_sys(e, code, "cannot connect to %s", path);
    }
    *out = fd;
    return 0;
}

/* A stranger who sits on the socket must not get our clients. */
static int check_peer(int fd, struct err *e)
{
    uid_t uid = peer_uid(fd);
    if (peer_is_own(uid))
        return 0;
    return err_set(e, EACCES,
        "the running process belongs to user id %u, this one to %u: start it as the same user",
        (unsigned)uid, (unsigned)geteuid());
}

static void keep_descriptors(struct takeover *t, struct msghdr *m)
{
    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(h) + i * sizeof fd, sizeof fd);
            if (t->n_received < LISTENER_SOCKETS_MAX)
                t->received[t->n_received++] = fd;
            else
                close(fd);
        }
    }
}

static int on_object(void *ctx, json_t *object)
{
    struct takeover *t = ctx;
    json_decref(t->line);
    t->line = json_incref(object);
    return 0;
}

/* The answer stands in t->line. -EPIPE: the other hung up. */
static int receive(struct takeover *t, struct err *e)
{
    char data[16384];
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(LISTENER_SOCKETS_MAX * sizeof(int))];
    } control;
    json_decref(t->line);
    t->line = NULL;
    while (!t->line) {
        struct iovec iov = {data, sizeof data};
        struct msghdr m = {.msg_iov = &iov,
            .msg_iovlen = 1,
            .msg_control = &control,
            .msg_controllen = sizeof control};
        ssize_t n = recvmsg(t->fd, &m, MSG_CMSG_CLOEXEC);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != ECONNRESET)
            return errno == EAGAIN ? err_set(e, ETIMEDOUT, "the running process does not answer")
                                   : err_sys(e, errno, "the connection to the running process");
        if (n <= 0)
            return err_set(e, EPIPE, "the running process hung up");
        keep_descriptors(t, &m);
        int r = json_splitter_feed(&t->in, data, (size_t)n, on_object, t, e);
        if (r < 0)
            return r;
    }
    return 0;
}

static int call(struct takeover *t, json_t *request, struct err *e)
{
    size_t n;
    _cleanup_free_ char *line = json_line(request, &n);
    json_decref(request);
    ssize_t sent = send(t->fd, line, n, MSG_NOSIGNAL);
    if (sent < 0 && errno != EPIPE && errno != ECONNRESET)
        return err_sys(e, errno, "cannot ask the running process");
    int r = sent < 0 ? err_set(e, EPIPE, "the running process hung up") : receive(t, e);
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
    if (json_array_size(list) != t->n_received)
        return err_set(e, EPROTO, "the running process described %zu sockets and sent %zu",
            json_array_size(list), t->n_received);
    json_array_foreach (list, i, one) {
        const char *name = json_get_text(one, "name");
        const char *address = json_get_text(one, "address");
        t->sockets[i] = (struct listener_socket){.name = xstrdup(name),
            .address = xstrdup(address),
            .port = (uint16_t)json_get_int(one, "port"),
            .fd = t->received[i]};
        t->n_sockets++;
    }
    t->n_received = 0;
    return 0;
}

int takeover_ask(struct takeover *t, const char *control_socket, struct err *e)
{
    const struct timeval limit = {.tv_sec = ANSWER_S};
    int r = t->fd < 0 ? connect_to(control_socket, &t->fd, e) : 0;
    if (r == 0)
        r = check_peer(t->fd, e);
    if (r != 0)
        return r;
    (void)setsockopt(t->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)setsockopt(t->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
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
    if (t->fd < 0)
        return;
    size_t n;
    json_t *o = json_pack("{s:s, s:s}", "cmd", "handover-failed", "error", why->text);
    if (!o)
        return;
    _cleanup_free_ char *line = json_line(o, &n);
    json_decref(o);
    (void)send(t->fd, line, n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void takeover_end(struct takeover *t)
{
    for (size_t i = 0; i < t->n_received; i++)
        close(t->received[i]);
    for (size_t i = 0; i < t->n_sockets; i++) {
        if (t->sockets[i].fd >= 0)
            close(t->sockets[i].fd);
        free(t->sockets[i].name);
        free(t->sockets[i].address);
    }
    json_splitter_clear(&t->in);
    json_decref(t->line);
    if (t->fd >= 0)
        close(t->fd);
    *t = (struct takeover){.fd = -1};
}
