/*
 * Whom an address counts as: itself for IPv4, its /64 for IPv6, which is what one household or one
 * attacker has (RFC 6177). Pure.
 */
#ifndef ELEXGATE_CONSOLE_HTTP_NETWORK_H
#define ELEXGATE_CONSOLE_HTTP_NETWORK_H

#include <netinet/in.h>
#include <stdbool.h>

#define NETWORK_TEXT_MAX (INET6_ADDRSTRLEN + 4)

/* "192.0.2.7", "2001:db8:1:2::/64"; an IPv4 address in an IPv6 one counts as IPv4. What is no
 * address stays as it is, cut. Returns out. */
char *network_of(const char *address, char out[static NETWORK_TEXT_MAX]);
/* 127.0.0.0/8, ::1. */
bool network_is_loopback(const char *address);

#endif
