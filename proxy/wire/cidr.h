/*
 * Networks in CIDR notation and addresses as the proxy keeps them: IPv6, with IPv4 mapped into
 * ::ffff:0:0/96, so that there is one form to compare. Pure.
 */
#ifndef ELEXGATE_PROXY_WIRE_CIDR_H
#define ELEXGATE_PROXY_WIRE_CIDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "common/error.h"

struct address {
    uint8_t b[16];
};
#define ADDRESS_TEXT_MAX 48

struct cidr {
    struct address net;
    uint8_t bits; /* 0..128, counted in the mapped form */
};

/* "192.168.1.0/24", "10.0.0.7", "fd00::/8". Bits beyond the mask must be zero: "192.168.1.7/24" is
 * refused with the right form in the message, because one of the two numbers is a mistake. */
int cidr_parse(const char *text, struct cidr *out, struct err *e) MUSTCHECK;
bool cidr_contains(const struct cidr *c, const struct address *a);

/* Only AF_INET and AF_INET6; others (a unix socket) give the zero address. */
struct address address_from(const struct sockaddr *sa);
/* IPv4 in dotted form. Returns buf. */
char *address_text(const struct address *a, char buf[static ADDRESS_TEXT_MAX]);

#endif
