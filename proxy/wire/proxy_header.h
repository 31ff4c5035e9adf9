/*
 * The header of the PROXY protocol, version 2, which tells the server the client's address.
 * Source: HAProxy's doc/proxy-protocol.txt, section 2.2.
 */
#ifndef ELEXGATE_PROXY_WIRE_PROXY_HEADER_H
#define ELEXGATE_PROXY_WIRE_PROXY_HEADER_H

#include <stdint.h>
#include <sys/socket.h>
#include <stddef.h>

#define PROXY_HEADER_MAX 52

/* peer: the client; local: the address that it connected to. Both of one family, AF_INET or
 * AF_INET6 (an IPv4 address mapped into IPv6 is sent as IPv4); anything else gives a LOCAL header,
 * which says that the connection is the proxy's own. Returns the length. */
size_t proxy_header(uint8_t out[static PROXY_HEADER_MAX], const struct sockaddr *peer,
    const struct sockaddr *local);

#endif
