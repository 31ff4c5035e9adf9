#include "console/http/network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

char *network_of(const char *address, char out[static NETWORK_TEXT_MAX])
{
    struct in6_addr six;
    char text[INET6_ADDRSTRLEN];
    if (inet_pton(AF_INET6, address, &six) != 1) {
        snprintf(out, NETWORK_TEXT_MAX, "%s", address);
    } else if (IN6_IS_ADDR_V4MAPPED(&six)) {
        inet_ntop(AF_INET, &six.s6_addr[12], text, sizeof text);
        snprintf(out, NETWORK_TEXT_MAX, "%s", text);
    } else {
        memset(&six.s6_addr[8], 0, 8);
        inet_ntop(AF_INET6, &six, text, sizeof text);
        snprintf(out, NETWORK_TEXT_MAX, "%s/64", text);
    }
    return out;
}

bool network_is_loopback(const char *address)
{
    struct in_addr four;
    char network[NETWORK_TEXT_MAX];
    if (strcmp(address, "::1") == 0)
        return true;
    return inet_pton(AF_INET, network_of(address, network), &four) == 1 &&
           ntohl(four.s_addr) >> 24 == IN_LOOPBACKNET;
}
