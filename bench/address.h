/*
 * Where to connect or listen: "127.0.0.1:3306" (IPv4) or the path of a unix socket.
 */
#ifndef ELEXGATE_BENCH_ADDRESS_H
#define ELEXGATE_BENCH_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

struct address {
    struct sockaddr_storage sa;
    socklen_t len;
};

/* False, and a line on stderr, when the text is neither. */
bool address_parse(const char *text, struct address *out);
/* A connected, blocking socket with TCP_NODELAY, or -1 with errno. */
int address_connect(const struct address *a);
/* A listening, non-blocking socket, or -1 with errno. */
int address_listen(const struct address *a, bool reuseport);

#endif
