/*
 * One side of a session: a non-blocking stream socket, raw or TLS, behind one interface. The relay
 * does not know which one it has.
 *
 * Memory: a quiet link holds no buffer of its own. Reading and writing go through the worker's
 * three shared buffers; only what the kernel would not take is kept, in `out`, and then the caller
 * must stop reading from the other side (link_backlog) until it is gone. TLS records are batched in
 * the shared buffer, so that a bulk result costs one send(2) for up to 16 records.
 *
 * All functions are for the link's own worker thread.
 */
#ifndef ELEXGATE_PROXY_SESSION_LINK_H
#define ELEXGATE_PROXY_SESSION_LINK_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <uv.h>
#include "common/buffer.h"
#include "common/error.h"

/* One read takes up to this much. 256 KiB: measured, see docs/evidence/performance.md. */
#ifndef LINK_READ_MAX /* smaller where it is to be reached: elexgate-proxy-small */
#define LINK_READ_MAX (256u * 1024u)
#endif
/* One record's overhead is at most 16384/16406; a read's worth of plaintext in records of 16 KiB.
 */
#define LINK_BATCH_MAX (LINK_READ_MAX + 17u * 512u + 32u * 1024u)
/* What may wait for a slow peer: what one read can bring, what a client may have sent ahead of its
 * login, and a last error packet. */
#define LINK_OUT_MAX (LINK_BATCH_MAX + 192u * 1024u)

/* The buffers that all links of one worker share; valid only until the next call on any link. */
struct link_scratch {
    uint8_t *read;  /* LINK_READ_MAX: as it came from the socket */
    uint8_t *plain; /* LINK_READ_MAX + one record: decrypted */
    uint8_t *batch; /* LINK_BATCH_MAX: records on their way out */
    size_t batch_len;
};
void link_scratch_init(struct link_scratch *s);
void link_scratch_free(struct link_scratch *s);
/* Once per process, before the first TLS link. */
int link_tls_init(struct err *e) MUSTCHECK;

struct link;
/* The socket is ready: events of uv_poll(3), or status < 0. */
typedef void link_event_cb(struct link *l, int status, int events);
typedef void link_closed_cb(struct link *l);

struct link {
    uv_poll_t poll;
    int fd; /* -1 = closed or never opened */
    int polled;
    bool poll_open; /* poll was initialised and is not closed yet */
    bool eof;       /* the peer has ended its direction (FIN or close_notify) */
    bool secure;    /* TLS handshake finished */
    bool notified;  /* close_notify was sent */
    bool finished;  /* FIN was sent */
    SSL *ssl;       /* NULL = raw */
    struct link_scratch *scratch;
    const uint8_t *cipher_in; /* what the TLS engine may read now; in scratch->read */
    size_t cipher_in_len;
    struct buffer out;            /* bytes that the kernel would not take yet */
    uint64_t bytes_in, bytes_out; /* on the wire */
    uint64_t out_taken;           /* of bytes_out: all known to have reached the peer */
    uint64_t untaken_since_ms;    /* since when some have been seen not to; 0 = none */
    link_event_cb *on_event;
    link_closed_cb *on_closed;
    void *owner;
};

/* Takes over fd (also on failure, then it is closed). */
int link_open(struct link *l, uv_loop_t *loop, int fd, struct link_scratch *scratch,
    link_event_cb *on_event, void *owner, struct err *e) MUSTCHECK;
/* Asks for UV_READABLE | UV_WRITABLE; 0 = nothing. No system call when nothing changes. */
void link_poll(struct link *l, int events);
/* Closes the socket. Idempotent. on_closed is called from a later turn of the loop, once, when the
 * link's memory may go; it is not called for a link that was never opened. */
void link_close(struct link *l, link_closed_cb *on_closed);

/* Reads once. >0: *data points to that many plaintext bytes in the scratch buffers. 0: nothing for
 * the caller now (would block, or a TLS record that is not complete, or the handshake went on).
 * Sets eof when the peer ended. <0: the link is broken. */
ssize_t link_read(struct link *l, const uint8_t **data, struct err *e) MUSTCHECK;
/* Sends all, or keeps what the kernel does not take. <0: broken. */
int link_write(struct link *l, const void *data, size_t n, struct err *e) MUSTCHECK;
/* Sends what is kept. <0: broken. */
int link_flush(struct link *l, struct err *e) MUSTCHECK;
static inline bool link_backlog(const struct link *l)
{
    return buffer_len(&l->out) > 0;
}

/* Has the peer, or the network, been silent for limit_ms although it owes an acknowledgement? A
 * peer that answers and takes nothing (zero window) has not. Looks at the socket only when
 * something was sent since all was acknowledged; false for what is no TCP socket. To be asked every
 * so often. Linux: tcp(7), TCP_INFO. (TCP_USER_TIMEOUT would end live peers that take nothing, and
 * overrides the number of keepalive probes.) */
bool link_silent(struct link *l, uint64_t now_ms, uint64_t limit_ms);

/* Starts TLS as the server on a link that was raw; `ahead` are bytes that were read already and
 * belong to TLS. Then as link_read. */
ssize_t link_start_tls(struct link *l, SSL_CTX *ctx, const uint8_t *ahead, size_t ahead_len,
    const uint8_t **data, struct err *e) MUSTCHECK;
/* Says goodbye: close_notify, then FIN after what is kept has been sent (call again after
 * link_flush). */
void link_shutdown(struct link *l);

/* Between link.c and link_tls.c. */
ssize_t link_tls_read(struct link *l, const uint8_t **data, struct err *e) MUSTCHECK;
int link_tls_write(struct link *l, const uint8_t *data, size_t n, struct err *e) MUSTCHECK;
int link_send(struct link *l, const uint8_t *data, size_t n, struct err *e) MUSTCHECK;

#endif
