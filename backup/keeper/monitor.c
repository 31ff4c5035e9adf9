#include "backup/keeper/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/log.h"
#include "common/process.h"
#include "link/unix_socket.h"

#define END_MS 15000 /* it gives its jobs some time, and then us */

struct keeper_monitor {
    struct process process;
    int socket, events;
    uv_poll_t poll;
    keeper_monitor_end_fn *end;
    keeper_monitor_lost_fn *lost;
    void *ctx;
};

int keeper_monitor_start(const char *config_path, struct keeper_monitor **out, struct err *e)
{
    _cleanup_free_ char *program = process_beside(
        "elexgate-monitor", ELEXGATE_LIBEXECDIR "/elexgate-monitor");
    const char *argv[] = {program, config_path ? "--config" : NULL, config_path, NULL};
    int pair[2] = {-1, -1}, events[2] = {-1, -1};
    struct keeper_monitor *m = xcalloc(1, sizeof *m);
    int r = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
    if (r == 0)
        r = pipe2(events, O_CLOEXEC);
    if (r < 0) {
        r = err_sys(e, errno, "cannot start %s", program);
    } else {
        struct process_options o = {.argv = argv,
            .in = pair[1],
            .out = events[1],
            .err = PROCESS_OURS,
            .on_death = SIGTERM}; /* it notices by itself */
        r = process_start(&o, &m->process, e);
    }
    cleanup_fd(&pair[1]);
    cleanup_fd(&events[1]);
    m->socket = pair[0];
    m->events = events[0];
    if (r == 0)
        r = fcntl(m->events, F_SETFL, O_NONBLOCK) < 0 ? err_sys(e, errno, "cannot use a pipe") : 0;
    if (r < 0) {
        keeper_monitor_free(m);
        return r;
    }
    *out = m;
    return 0;
}

static void on_events(uv_poll_t *poll, int status, int what)
{
    struct keeper_monitor *m = poll->data;
    struct monitor_event event;
    ssize_t n;
    (void)what;
    /* each is written at once, and so is read at once */
    while ((n = read(m->events, &event, sizeof event)) == (ssize_t)sizeof event)
        m->end(m->ctx, &event);
    if (status < 0 || n == 0)
        m->lost(m->ctx);
}

void keeper_monitor_listen(struct keeper_monitor *m, uv_loop_t *loop, keeper_monitor_end_fn *end,
    keeper_monitor_lost_fn *lost, void *ctx)
{
    m->end = end;
    m->lost = lost;
    m->ctx = ctx;
    m->poll.data = m;
    CHECK(uv_poll_init(loop, &m->poll, m->events) == 0);
    CHECK(uv_poll_start(&m->poll, UV_READABLE, on_events) == 0);
}

int keeper_monitor_ask(struct keeper_monitor *m, const struct monitor_request *q, int given,
    struct monitor_answer *answer, int *got, struct err *e)
{
    struct pollfd come = {.fd = m->socket, .events = POLLIN};
    int fd = -1;
    size_t count = 0;
    ssize_t n = unix_socket_send(m->socket, (const char *)q, sizeof *q, &given, given >= 0);
    if (n != (ssize_t)sizeof *q)
        return err_sys(e, n < 0 ? (int)-n : EIO, "cannot reach elexgate-monitor");
    while (poll(&come, 1, -1) < 0 && errno == EINTR)
        ;
    n = unix_socket_receive(m->socket, (char *)answer, sizeof *answer, &fd, &count, 1);
    if (n != (ssize_t)sizeof *answer)
        return err_set(e, EPIPE, "elexgate-monitor has ended");
    if (got)
        *got = fd;
    else
        cleanup_fd(&fd);
    return answer->result < 0 ? err_copy(e, -answer->result, &answer->e) : 0;
}

void keeper_monitor_state(struct keeper_monitor *m, struct monitor_state *out)
{
    const struct monitor_request q = {.act = MONITOR_STATE};
    struct monitor_answer answer = {0};
    struct err e = {0};
    if (keeper_monitor_ask(m, &q, -1, &answer, NULL, &e) < 0)
        log_err(LOG_ERROR, "monitor", &e);
    *out = answer.state;
}

void keeper_monitor_do(struct keeper_monitor *m, enum monitor_act act)
{
    const struct monitor_request q = {.act = act};
    struct monitor_answer answer;
    struct err e = {0};
    if (keeper_monitor_ask(m, &q, -1, &answer, NULL, &e) < 0)
        log_err(LOG_ERROR, "monitor", &e);
}

int keeper_monitor_text(struct keeper_monitor *m, enum monitor_act act, char **text, size_t *len,
    bool *whole, struct err *e)
{
    const struct monitor_request q = {.act = act};
    struct monitor_answer answer;
    struct stat st;
    _cleanup_fd_ int fd = -1;
    int r = keeper_monitor_ask(m, &q, -1, &answer, &fd, e);
    if (r < 0)
        return r;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(e, EIO, "elexgate-monitor gave nothing to read");
    char *out = xmalloc((size_t)st.st_size + 1);
    ssize_t n = pread(fd, out, (size_t)st.st_size, 0);
    if (n < 0) {
        free(out);
        return err_sys(e, errno, "cannot read what elexgate-monitor gave");
    }
    out[n] = '\0';
    *text = out;
    *len = (size_t)n;
    if (whole)
        *whole = answer.state.whole;
    return 0;
}

void keeper_monitor_close(struct keeper_monitor *m)
{
    if (m->poll.data && !uv_is_closing((uv_handle_t *)&m->poll))
        uv_close((uv_handle_t *)&m->poll, NULL);
}

void keeper_monitor_free(struct keeper_monitor *m)
{
    if (!m)
        return;
    cleanup_fd(&m->socket);
    cleanup_fd(&m->events);
    if (m->process.pid && process_wait(&m->process, END_MS, NULL, NULL) != 0)
        log_event(LOG_WARNING, "monitor-goes-on");
    free(m);
}
