#include "proxy/wire/proxy_header.h"

#include <netinet/in.h>
#include <string.h>

struct endpoint {
    unsigned family; /* 4, 6, or 0 = neither */
    uint8_t addr[16];
    uint8_t port[2]; /* network order */
};

static struct endpoint endpoint_of(const struct sockaddr *sa)
{
    struct endpoint p = {0};
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        p.family = 4;
        memcpy(p.addr, &in.sin_addr, 4);
        memcpy(p.port, &in.sin_port, 2);
    } else if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof in6);
        memcpy(p.port, &in6.sin6_port, 2);
        if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
            p.family = 4;
            memcpy(p.addr, in6.sin6_addr.s6_addr + 12, 4);
        } else {
            p.family = 6;
            memcpy(p.addr, &in6.sin6_addr, 16);
        }
    }
    return p;
}

size_t proxy_header(
    uint8_t out[static PROXY_HEADER_MAX], const struct sockaddr *peer, const struct sockaddr *local)
{
    static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";
    struct endpoint from = endpoint_of(peer), to = endpoint_of(local);
    memcpy(out, signature, sizeof signature);
    if (from.family == 0 || from.family != to.family) {
        memcpy(out + 12, (const uint8_t[]){0x20, 0x00, 0, 0}, 4); /* LOCAL, unspecified */
        return 16;
    }
    size_t a = from.family == 4 ? 4 : 16;
    out[12] = 0x21;                           /* version 2, PROXY */
    out[13] = from.family == 4 ? 0x11 : 0x21; /* stream over IPv4 or IPv6 */
    out[14] = 0;
    out[15] = (uint8_t)(2 * a + 4);
    uint8_t *p = out + 16;
    memcpy(p, from.addr, a);
    memcpy(p + a, to.addr, a);
    memcpy(p + 2 * a, from.port, 2);
    memcpy(p + 2 * a + 2, to.port, 2);
    return 16 + 2 * a + 4;
}
