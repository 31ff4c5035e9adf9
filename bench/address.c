#include "bench/address.h"
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

bool address_parse(const char *text, struct address *out)
{
    memset(out, 0, sizeof *out);
    if (text[0] == '/') {
        struct sockaddr_un *un = (struct sockaddr_un *)&out->sa;
        if (strlen(text) >= sizeof un->sun_path) {
            warnx("socket path is too long: %s", text);
            return false;
        }
        un->sun_family = AF_UNIX;
        strcpy(un->sun_path, text);
        out->len = sizeof *un;
        return true;
    }
    char host[64];
    const char *colon = strrchr(text, ':');
    struct sockaddr_in *in = (struct sockaddr_in *)&out->sa;
    if (colon == NULL || (size_t)(colon - text) >= sizeof host) {
        warnx("not ADDRESS:PORT or /PATH: %s", text);
        return false;
    }
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    in->sin_family = AF_INET;
    in->sin_port = htons((uint16_t)atoi(colon + 1));
    out->len = sizeof *in;
    if (inet_pton(AF_INET, host, &in->sin_addr) != 1) {
        warnx("not an IPv4 address: %s", host);
        return false;
    }
    return true;
}

int address_connect(const struct address *a)
{
    int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)&a->sa, a->len) != 0) {
        close(fd);
        return -1;
    }
    if (a->sa.ss_family == AF_INET)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return fd;
}

int address_listen(const struct address *a, bool reuseport)
{
    int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if ((reuseport && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int)) != 0) ||
        bind(fd, (const struct sockaddr *)&a->sa, a->len) != 0 || listen(fd, 1024) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}
