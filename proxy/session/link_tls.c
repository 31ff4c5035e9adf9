/*
 * The TLS half of a link. OpenSSL reads from and writes to memory, never to the socket: so one
 * recv(2) can bring many records, one send(2) can take many, and a record costs no system call of
 * its own. Bytes that arrived behind the SSLRequest go in here and nowhere else (CVE-2021-3935 was
 * the other way round in another proxy).
 */
#include "proxy/session/link.h"

#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>

/* One record may come on top of a full read: its first part was read the time before. */
#define RECORD_MAX (16u * 1024u + 2048u)
#define PLAIN_MAX  (LINK_READ_MAX + RECORD_MAX)

static BIO_METHOD *method;

void link_scratch_init(struct link_scratch *s)
{
    s->read = xmalloc(LINK_READ_MAX);
    s->plain = xmalloc(PLAIN_MAX);
    s->batch = xmalloc(LINK_BATCH_MAX);
    s->batch_len = 0;
}

void link_scratch_free(struct link_scratch *s)
{
    free(s->read);
    free(s->plain);
    free(s->batch);
    *s = (struct link_scratch){0};
}

static int bio_read(BIO *b, char *out, size_t size, size_t *n)
{
    struct link *l = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    if (l->cipher_in_len == 0) {
        BIO_set_retry_read(b);
        return 0;
    }
    *n = size < l->cipher_in_len ? size : l->cipher_in_len;
    memcpy(out, l->cipher_in, *n);
    l->cipher_in += *n;
    l->cipher_in_len -= *n;
    return 1;
}

static int bio_write(BIO *b, const char *data, size_t size, size_t *n)
{
    struct link *l = BIO_get_data(b);
    struct link_scratch *s = l->scratch;
    BIO_clear_retry_flags(b);
    if (size > LINK_BATCH_MAX - s->batch_len)
        return 0; /* cannot be: the batch holds one read's worth, and callers write no more */
    memcpy(s->batch + s->batch_len, data, size);
    s->batch_len += size;
    *n = size;
    return 1;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
    (void)b, (void)num, (void)ptr;
    return cmd == BIO_CTRL_FLUSH;
}

int link_tls_init(struct err *e)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "elexgate link");
    if (!method || !BIO_meth_set_read_ex(method, bio_read) ||
        !BIO_meth_set_write_ex(method, bio_write) || !BIO_meth_set_ctrl(method, bio_ctrl))
        return err_ssl(e, "cannot set up TLS");
    return 0;
}

/* Sends what OpenSSL has put into the batch. */
static int batch_send(struct link *l, struct err *e)
{
    size_t n = l->scratch->batch_len;
    l->scratch->batch_len = 0;
    return n ? link_send(l, l->scratch->batch, n, e) : 0;
}

/* OpenSSL's queue must be empty before each call, or an old entry is taken for a new failure. It
 * nearly always is, and looking is half as dear as clearing. */
static inline void queue_empty(void)
{
    if (ERR_peek_error())
        ERR_clear_error();
}

/* Decrypts all that is there. */
static ssize_t decrypt(struct link *l, struct err *e)
{
    size_t got = 0;
    for (;;) {
        size_t n = 0;
        queue_empty();
        if (SSL_read_ex(l->ssl, l->scratch->plain + got, PLAIN_MAX - got, &n)) {
            got += n;
            /* Spares the call that would only say "nothing more". */
            if (l->cipher_in_len == 0 && !SSL_has_pending(l->ssl))
                break;
            continue;
        }
        int why = SSL_get_error(l->ssl, 0);
        if (why == SSL_ERROR_WANT_READ)
            break;
        if (why == SSL_ERROR_ZERO_RETURN) {
            l->eof = true;
            break;
        }
        return err_ssl(e, l->secure ? "TLS failed" : "TLS handshake failed");
    }
    if (!l->secure && SSL_is_init_finished(l->ssl))
        l->secure = true;
    return (ssize_t)got;
}

ssize_t link_tls_read(struct link *l, const uint8_t **data, struct err *e)
{
    ssize_t n = decrypt(l, e);
    l->cipher_in = NULL;
    l->cipher_in_len = 0;
    /* Also after a failure: the alert tells the peer what was wrong. */
    int r = batch_send(l, n < 0 ? NULL : e);
    if (n < 0)
        return n;
    if (r < 0)
        return r;
    *data = l->scratch->plain;
    return n;
}

int link_tls_write(struct link *l, const uint8_t *data, size_t n, struct err *e)
{
    while (n > 0) {
        size_t part = n < LINK_READ_MAX ? n : LINK_READ_MAX, written = 0;
        queue_empty();
        if (!SSL_write_ex(l->ssl, data, part, &written))
            return err_ssl(e, "TLS failed");
        int r = batch_send(l, e);
        if (r < 0)
            return r;
        data += written;
        n -= written;
    }
    return 0;
}

ssize_t link_start_tls(struct link *l, SSL_CTX *ctx, const uint8_t *ahead, size_t ahead_len,
    const uint8_t **data, struct err *e)
{
    /* Called once, in SESSION_FIRST, which a session leaves for good. */
    ASSERT(!l->ssl && method);
    ERR_clear_error();
    l->ssl = SSL_new(ctx);
    BIO *bio = BIO_new(method);
    if (!l->ssl || !bio) {
        BIO_free(bio);
        return err_ssl(e, "cannot start TLS");
    }
    BIO_set_data(bio, l);
    BIO_set_init(bio, 1);
    SSL_set_bio(l->ssl, bio, bio);
    SSL_set_accept_state(l->ssl);
    l->cipher_in = ahead;
    l->cipher_in_len = ahead_len;
    return link_tls_read(l, data, e);
}

void link_shutdown(struct link *l)
{
    if (l->fd < 0)
        return;
    if (l->secure && !l->notified) {
        l->notified = true;
        ERR_clear_error();
        (void)SSL_shutdown(l->ssl); /* the peer may be gone: nothing to do about it */
        (void)batch_send(l, NULL);
    }
    if (!link_backlog(l) && !l->finished) {
        l->finished = true;
        (void)shutdown(l->fd, SHUT_WR);
    }
}
