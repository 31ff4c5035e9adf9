#include "bench/client.h"
#include <err.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IN_SIZE     65536
#define PACKET_MAX  0xffffff
#define SCRAMBLE    20
#define SHA1_LEN    20
#define CHARSET     45 /* utf8mb4_general_ci */
#define SSL_REQUEST 32 /* capabilities 4, packet size 4, charset 1, filler 23 */

enum {
    CLIENT_LONG_PASSWORD = 1 << 0,
    CLIENT_CONNECT_WITH_DB = 1 << 3,
    CLIENT_PROTOCOL_41 = 1 << 9,
    CLIENT_SSL = 1 << 11,
    CLIENT_TRANSACTIONS = 1 << 13,
    CLIENT_SECURE_CONNECTION = 1 << 15,
    CLIENT_PLUGIN_AUTH = 1 << 19,
};

/* Same cipher and group for every peer: OpenSSL's own first choices, which is what programs get. */
#define CIPHER "TLS_AES_256_GCM_SHA384"
#define GROUP  NID_X25519

static _Noreturn void tls_failed(const char *what)
{
    ERR_print_errors_fp(stderr);
    errx(1, "%s failed", what);
}

/* ---- TLS ---- */

static int on_ticket(SSL *ssl, SSL_SESSION *ticket)
{
    struct target *t = SSL_get_app_data(ssl);
    SSL_SESSION_free(t->ticket);
    t->ticket = ticket;
    return 1; /* kept */
}

void target_tls(struct target *t, const char *ca_file)
{
    int group = GROUP;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL || SSL_CTX_load_verify_locations(ctx, ca_file, NULL) != 1 ||
        SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(ctx, CIPHER) != 1 || SSL_CTX_set1_groups(ctx, &group, 1) != 1)
        tls_failed("preparing TLS");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_ticket);
    SSL_CTX_set_read_ahead(ctx, 1);
    t->tls = ctx;
}

void target_free(struct target *t)
{
    SSL_SESSION_free(t->ticket);
    SSL_CTX_free(t->tls);
}

static void tls_start(struct client *c, struct target *t)
{
    c->ssl = SSL_new(t->tls);
    if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1)
        tls_failed("preparing TLS");
    SSL_set_app_data(c->ssl, t);
    if (t->resume && t->ticket != NULL)
        SSL_set_session(c->ssl, t->ticket);
    ERR_clear_error();
    if (SSL_connect(c->ssl) != 1)
        tls_failed("the TLS handshake");
}

bool client_resumed(const struct client *c)
{
    return c->ssl != NULL && SSL_session_reused(c->ssl);
}

/* ---- bytes ---- */

static size_t read_some(struct client *c, uint8_t *to, size_t max)
{
    if (c->ssl != NULL) {
        size_t got = 0;
        ERR_clear_error();
        if (SSL_read_ex(c->ssl, to, max, &got) != 1)
            tls_failed("reading from the peer");
        return got;
    }
    ssize_t n = read(c->fd, to, max);
    if (n < 0)
        err(1, "read");
    if (n == 0)
        errx(1, "the peer closed the connection");
    return (size_t)n;
}

static void write_all(struct client *c, const uint8_t *data, size_t len)
{
    if (c->ssl != NULL) {
        ERR_clear_error();
        if (SSL_write(c->ssl, data, (int)len) != (int)len)
            tls_failed("writing to the peer");
        return;
    }
    while (len > 0) {
        ssize_t n = write(c->fd, data, len);
        if (n < 0)
            err(1, "write");
        data += n;
        len -= (size_t)n;
    }
}

/* At least n unread bytes in the buffer, n <= IN_SIZE. */
static const uint8_t *need(struct client *c, size_t n)
{
    if (IN_SIZE - c->start < n) {
        memmove(c->in, c->in + c->start, c->end - c->start);
        c->end -= c->start;
        c->start = 0;
    }
    while (c->end - c->start < n)
        c->end += read_some(c, c->in + c->end, IN_SIZE - c->end);
    return c->in + c->start;
}

static void consumed(struct client *c, size_t n)
{
    c->start += n;
    if (c->start == c->end)
        c->start = c->end = 0;
}

/* Drops n bytes, which may be more than the buffer holds. */
static void skip(struct client *c, size_t n)
{
    while (n > 0) {
        need(c, 1);
        size_t have = c->end - c->start, take = n < have ? n : have;
        consumed(c, take);
        n -= take;
    }
}

/* ---- packets ---- */

/* Takes the header; the body follows. Checks the sequence number, as every real client does. */
static size_t packet_head(struct client *c)
{
    const uint8_t *h = need(c, 4);
    size_t len = (size_t)h[0] | (size_t)h[1] << 8 | (size_t)h[2] << 16;
    if (h[3] != c->sequence)
        errx(1, "packet %u arrived where %u was due", h[3], c->sequence);
    c->sequence++;
    consumed(c, 4);
    if (len == PACKET_MAX)
        errx(1, "packets of 16 MB and more are not for the bench");
    return len;
}

static void packet_send(struct client *c, uint8_t *packet, size_t body)
{
    packet[0] = (uint8_t)body;
    packet[1] = (uint8_t)(body >> 8);
    packet[2] = (uint8_t)(body >> 16);
    packet[3] = c->sequence++;
    write_all(c, packet, body + 4);
}

static _Noreturn void server_error(const uint8_t *body, size_t len)
{
    errx(1, "the server says: %.*s", (int)(len > 3 ? len - 3 : 0), (const char *)body + 3);
}

/* ---- login ---- */

static void sha1(const void *a, size_t alen, const void *b, size_t blen, uint8_t out[SHA1_LEN])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha1(), NULL) != 1 ||
        EVP_DigestUpdate(ctx, a, alen) != 1 || EVP_DigestUpdate(ctx, b, blen) != 1 ||
        EVP_DigestFinal_ex(ctx, out, NULL) != 1)
        tls_failed("SHA-1");
    EVP_MD_CTX_free(ctx);
}

/* mysql_native_password: SHA1(password) XOR SHA1(scramble + SHA1(SHA1(password))) */
static void native_answer(const char *password, const uint8_t *scramble, uint8_t out[SHA1_LEN])
{
    uint8_t once[SHA1_LEN], twice[SHA1_LEN], mixed[SHA1_LEN];
    sha1(password, strlen(password), "", 0, once);
    sha1(once, SHA1_LEN, "", 0, twice);
    sha1(scramble, SCRAMBLE, twice, SHA1_LEN, mixed);
    for (int i = 0; i < SHA1_LEN; i++)
        out[i] = once[i] ^ mixed[i];
}

static void read_greeting(struct client *c, uint8_t scramble[SCRAMBLE])
{
    size_t len = packet_head(c);
    const uint8_t *body = need(c, len);
    if (len > 0 && body[0] == 0xff)
        server_error(body, len);
    size_t version = len > 1 ? strnlen((const char *)body + 1, len - 1) : 0;
    const uint8_t *p = body + 1 + version + 1;         /* thread id */
    size_t fixed = 4 + 8 + 1 + 2 + 1 + 2 + 2 + 1 + 10; /* to the second half of the scramble */
    if (len < 1 + version + 1 + fixed + 12 || body[0] != 10)
        errx(1, "this is no greeting of protocol 10");
    memcpy(scramble, p + 4, 8);
    memcpy(scramble + 8, p + fixed, 12);
    consumed(c, len);
}

static uint8_t *put_text(uint8_t *p, const char *text)
{
    size_t n = strlen(text) + 1;
    memcpy(p, text, n);
    return p + n;
}

static void log_in(struct client *c, struct target *t)
{
    uint8_t scramble[SCRAMBLE], packet[512] = {0}, *p = packet + 4;
    read_greeting(c, scramble);
    uint32_t caps = CLIENT_LONG_PASSWORD | CLIENT_CONNECT_WITH_DB | CLIENT_PROTOCOL_41 |
                    CLIENT_TRANSACTIONS | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH;
    if (t->mode == MODE_STARTTLS)
        caps |= CLIENT_SSL;
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(caps >> (8 * i));
    p[7] = 0x01; /* 16 MB, little endian */
    p[8] = CHARSET;
    if (t->mode == MODE_STARTTLS) {
        packet_send(c, packet, SSL_REQUEST);
        tls_start(c, t);
    }
    p = put_text(p + SSL_REQUEST, t->user);
    *p++ = SHA1_LEN;
    native_answer(t->password, scramble, p);
    p = put_text(p + SHA1_LEN, t->database);
    p = put_text(p, "mysql_native_password");
    packet_send(c, packet, (size_t)(p - packet) - 4);

    size_t len = packet_head(c);
    const uint8_t *body = need(c, len);
    if (len > 0 && body[0] == 0xff)
        server_error(body, len);
    if (len == 0 || body[0] != 0x00)
        errx(1, "the login was not answered with OK");
    consumed(c, len);
}

void client_open(struct client *c, struct target *t)
{
    *c = (struct client){.fd = address_connect(&t->address), .in = malloc(IN_SIZE)};
    if (c->fd < 0)
        err(1, "connect");
    if (c->in == NULL)
        err(1, "malloc");
    if (t->mode == MODE_RAW_TLS)
        tls_start(c, t);
    log_in(c, t);
}

void client_close(struct client *c)
{
    uint8_t quit[5] = {[4] = 0x01};
    c->sequence = 0;
    packet_send(c, quit, 1);
    if (c->ssl != NULL) {
        SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
    }
    close(c->fd);
    free(c->in);
}

/* ---- queries ---- */

void client_query(struct client *c, const char *sql)
{
    uint8_t packet[512];
    size_t n = strlen(sql);
    if (n > sizeof packet - 5)
        errx(1, "this query is too long for the bench");
    packet[4] = 0x03;
    memcpy(packet + 5, sql, n);
    c->sequence = 0;
    packet_send(c, packet, n + 1);
}

/* Length of a length-encoded string at the start of the packet; *used: bytes of the prefix. */
static uint64_t value_length(const uint8_t *p, size_t *used)
{
    static const size_t extra[] = {[0] = 2, [1] = 3, [2] = 8}; /* behind fc, fd, fe */
    uint64_t v = 0;
    *used = 1;
    if (p[0] < 0xfb)
        return p[0];
    if (p[0] == 0xfb || p[0] == 0xff)
        errx(1, "a NULL value in the result");
    *used = 1 + extra[p[0] - 0xfc];
    for (size_t i = 1; i < *used; i++)
        v |= (uint64_t)p[i] << (8 * (i - 1));
    return v;
}

static void take_row(struct client *c, size_t len, struct result *r)
{
    size_t used, peek = len < 32 ? len : 32;
    const uint8_t *body = need(c, peek);
    uint64_t value = value_length(body, &used);
    if (used + value != len)
        errx(1, "a row of %zu bytes holds a value of %llu", len, (unsigned long long)value);
    if (r->rows == 0 && value >= 8 && peek >= used + 8)
        memcpy(r->first, body + used, 8);
    r->rows++;
    r->bytes += value;
    r->last_len = value;
    skip(c, len);
}

struct result client_result(struct client *c)
{
    struct result r = {0};
    size_t len = packet_head(c);
    const uint8_t *body = need(c, len);
    if (len > 0 && body[0] == 0xff)
        server_error(body, len);
    if (len != 1 || body[0] != 1)
        errx(1, "the result has not exactly one column");
    consumed(c, len);
    skip(c, packet_head(c)); /* the column's definition */
    skip(c, packet_head(c)); /* EOF */
    for (;;) {
        len = packet_head(c);
        uint8_t first = *need(c, 1);
        if (first == 0xff) {
            body = need(c, len < IN_SIZE ? len : IN_SIZE);
            server_error(body, len);
        }
        if (first == 0xfe && len < 9) {
            skip(c, len);
            return r;
        }
        take_row(c, len, &r);
    }
}
