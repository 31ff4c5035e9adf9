#include "proxy/session/link.h"

#include <errno.h>
#include <string.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void link_on_poll(uv_poll_t *poll, int status, int events)
{
    struct link *l = poll->data;
    if (status < 0) /* libuv has stopped watching; the socket's own error is read by the owner */
        l->polled = 0;
    l->on_event(l, status, events);
}

int link_open(struct link *l, uv_loop_t *loop, int fd, struct link_scratch *scratch,
    link_event_cb *on_event, void *owner, struct err *e)
{
    *l = (struct link){.fd = fd, .scratch = scratch, .on_event = on_event, .owner = owner};
    buffer_init(&l->out, LINK_OUT_MAX);
    int r = uv_poll_init(loop, &l->poll, fd);
    if (r < 0) {
        close(fd);
        l->fd = -1;
        return err_uv(e, r, "cannot watch a socket");
    }
    l->poll.data = l;
    l->poll_open = true;
    return 0;
}

void link_poll(struct link *l, int events)
{
    if (!l->poll_open || events == l->polled)
        return;
    l->polled = events;
    if (events)
        CHECK(uv_poll_start(&l->poll, events, link_on_poll) == 0);
    else
        CHECK(uv_poll_stop(&l->poll) == 0);
}

static void link_on_handle_closed(uv_handle_t *h)
{
    struct link *l = h->data;
    l->on_closed(l);
}

void link_close(struct link *l, link_closed_cb *on_closed)
{
    if (!l->poll_open)
        return;
    l->poll_open = false;
    l->polled = 0;
    l->on_closed = on_closed;
    SSL_free(l->ssl);
    l->ssl = NULL;
    buffer_free(&l->out);
    uv_close((uv_handle_t *)&l->poll, link_on_handle_closed);
    close(l->fd); /* uv_close has taken it out of the loop's set */
    l->fd = -1;
}

static ssize_t link_recv(struct link *l, struct err *e)
{
    ssize_t n;
    do
        n = recv(l->fd, l->scratch->read, LINK_READ_MAX, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        l->bytes_in += (uint64_t)n;
    else if (n == 0)
        l->eof = true;
    else if (errno == EAGAIN || errno == EWOULDBLOCK)
        n = 0;
    else
        return err_sys(e, errno, "reading failed");
    return n;
}

ssize_t link_read(struct link *l, const uint8_t **data, struct err *e)
{
    ssize_t n = link_recv(l, e);
    if (n <= 0)
        return n;
    if (!l->ssl) {
        *data = l->scratch->read;
        return n;
    }
    l->cipher_in = l->scratch->read;
    l->cipher_in_len = (size_t)n;
    return link_tls_read(l, data, e);
}

/* Sends bytes as they are, behind what is kept already. */
int link_send(struct link *l, const uint8_t *data, size_t n, struct err *e)
{
    if (!link_backlog(l)) {
        ssize_t sent;
        do
            sent = send(l->fd, data, n, MSG_NOSIGNAL);
        while (sent < 0 && errno == EINTR);
        if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            return err_sys(e, errno, "writing failed");
        if (sent > 0) {
            l->bytes_out += (uint64_t)sent;
            data += sent;
            n -= (size_t)sent;
        }
    }
    if (n > 0 && buffer_append(&l->out, data, n) < 0)
        return err_set(e, ENOBUFS, "more than %u bytes wait for the peer", LINK_OUT_MAX);
    return 0;
}

int link_write(struct link *l, const void *data, size_t n, struct err *e)
{
    if (n == 0)
        return 0;
    return l->ssl ? link_tls_write(l, data, n, e) : link_send(l, data, n, e);
}

int link_flush(struct link *l, struct err *e)
{
    while (link_backlog(l)) {
        ssize_t n = send(l->fd, buffer_ptr(&l->out), buffer_len(&l->out), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return 0;
        if (n < 0)
            return err_sys(e, errno, "writing failed");
        l->bytes_out += (uint64_t)n;
        buffer_consume(&l->out, (size_t)n);
    }
    return 0;
}

bool link_silent(struct link *l, uint64_t now_ms, uint64_t limit_ms)
{
    struct tcp_info info;
    socklen_t n = sizeof info;
    int queued = 0;
    if (l->fd < 0 || l->out_taken == l->bytes_out)
        return false;
    if (ioctl(l->fd, SIOCOUTQ, &queued) < 0 || queued == 0) {
        l->out_taken = l->bytes_out;
        l->untaken_since_ms = 0;
        return false;
    }
    if (l->untaken_since_ms == 0)
        l->untaken_since_ms = now_ms;
    if (getsockopt(l->fd, IPPROTO_TCP, TCP_INFO, &info, &n) < 0)
        return false;
    uint64_t heard_ms = now_ms > info.tcpi_last_ack_recv ? now_ms - info.tcpi_last_ack_recv : 0;
    uint64_t since_ms = heard_ms > l->untaken_since_ms ? heard_ms : l->untaken_since_ms;
    /* Data repeated in vain, or the question whether the window is open: one of these may just be
     * on its way. */
    bool asked = info.tcpi_unacked > 0 ? info.tcpi_retransmits > 0 : info.tcpi_probes > 1;
    return asked && now_ms - since_ms >= limit_ms;
}
