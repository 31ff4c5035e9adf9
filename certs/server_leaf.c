#include "certs/server_leaf.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define WAIT_S       2
#define HEADER       4u
#define GREETING_MAX 1024u
#define ERROR_PACKET 0xff
/* CLIENT_PROTOCOL_41 | CLIENT_SSL | CLIENT_SECURE_CONNECTION */
#define CAPABILITIES  ((1u << 9) | (1u << 11) | (1u << 15))
#define HAS_SSL       (1u << 11)
#define REQUEST_BYTES 32u

static int open_unix(const char *path, struct err *e)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof un.sun_path)
        return err_set(e, ENAMETOOLONG, "the socket's path %s is too long", path);
    memcpy(un.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&un, sizeof un) == 0)
        return fd;
    int r = err_sys(e, errno, "cannot connect to %s", path);
    if (fd >= 0)
        close(fd);
    return r;
}

static void set_timeouts(int fd)
{
    struct timeval wait = {.tv_sec = WAIT_S};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait); /* bounds connect, too */
}

static int open_tcp(const char *host, unsigned port, struct err *e)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    char service[12];
    int saved = EHOSTUNREACH;
    snprintf(service, sizeof service, "%u", port);
    int r = getaddrinfo(host, service, &hints, &list);
    if (r != 0)
        return err_set(e, EHOSTUNREACH, "cannot find %s: %s", host, gai_strerror(r));
    int fd = -1;
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            continue;
        set_timeouts(fd);
        if (connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
            saved = errno;
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd >= 0 ? fd : err_sys(e, saved, "cannot connect to %s:%u", host, port);
}

static int read_all(int fd, uint8_t *out, size_t n, struct err *e)
{
    while (n > 0) {
        ssize_t got = recv(fd, out, n, 0);
        if (got == 0)
            return err_set(e, EPIPE, "the database server closed before its greeting");
        if (got < 0 && errno != EINTR)
            return err_sys(e, errno, "the database server sent no greeting");
        if (got > 0) {
            out += got;
            n -= (size_t)got;
        }
    }
    return 0;
}

/* Whether the server offers TLS stands in the lower half of its capabilities, which follow the
 * version's NUL, the thread id, 8 bytes of scramble and a zero. */
static int read_greeting(int fd, struct err *e)
{
    uint8_t header[HEADER], p[GREETING_MAX];
    int r = read_all(fd, header, HEADER, e);
    if (r < 0)
        return r;
    size_t n = (size_t)header[0] | (size_t)header[1] << 8 | (size_t)header[2] << 16;
    if (n < 2 || n > sizeof p)
        return err_set(e, EPROTO, "the database server's greeting has %zu bytes", n);
    r = read_all(fd, p, n, e);
    if (r < 0)
        return r;
    if (p[0] == ERROR_PACKET)
        return err_set(e, ECONNREFUSED, "the database server refuses connections");
    const uint8_t *end = memchr(p + 1, 0, n - 1);
    const uint8_t *caps = end ? end + 1 + 4 + 8 + 1 : NULL;
    if (!caps || caps + 2 > p + n)
        return err_set(e, EPROTO, "the database server's greeting is not understood");
    if (!(((unsigned)caps[0] | (unsigned)caps[1] << 8) & HAS_SSL))
        return err_set(e, ENOTSUP, "the database server has no TLS");
    return 0;
}

static int ask_for_tls(int fd, struct err *e)
{
    uint8_t packet[HEADER + REQUEST_BYTES] = {REQUEST_BYTES, 0, 0, 1};
    packet[HEADER] = (uint8_t)CAPABILITIES;
    packet[HEADER + 1] = (uint8_t)(CAPABILITIES >> 8);
    packet[HEADER + 7] = 1;  /* packets of up to 16 MiB */
    packet[HEADER + 8] = 45; /* utf8mb4 */
    if (send(fd, packet, sizeof packet, MSG_NOSIGNAL) == (ssize_t)sizeof packet)
        return 0;
    return err_sys(e, errno, "cannot write to the database server");
}

static int handshake(int fd, uint8_t *out, struct err *e)
{
    unsigned len = CERT_SHA256_LEN;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = ctx ? SSL_new(ctx) : NULL;
    int r = 0;
    if (!ssl || SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1)
        r = err_ssl(e, "no TLS handshake with the database server");
    X509 *leaf = r == 0 ? SSL_get1_peer_certificate(ssl) : NULL;
    if (r == 0 && (!leaf || X509_digest(leaf, EVP_sha256(), out, &len) != 1))
        r = err_set(e, EPROTO, "the database server shows no certificate");
    if (r == 0)
        (void)SSL_shutdown(ssl);
    X509_free(leaf);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    return r;
}

int server_leaf(const char *socket_path, const char *host, unsigned port,
    uint8_t out[static CERT_SHA256_LEN], struct err *e)
{
    uint8_t leaf[CERT_SHA256_LEN];
    _cleanup_fd_ int fd = socket_path ? open_unix(socket_path, e) : open_tcp(host, port, e);
    if (fd < 0)
        return fd;
    set_timeouts(fd);
    int r = read_greeting(fd, e);
    if (r == 0)
        r = ask_for_tls(fd, e);
    if (r == 0)
        r = handshake(fd, leaf, e);
    if (r == 0)
        memcpy(out, leaf, CERT_SHA256_LEN);
    return r;
}
