#include "proxy/wire/cidr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static struct address address_v4(const void *four)
{
    struct address a;
    memcpy(a.b, mapped_prefix, 12);
    memcpy(a.b + 12, four, 4);
    return a;
}

/* Zeroes all bits behind the first `bits`. */
static struct address address_mask(const struct address *a, unsigned bits)
{
    struct address m = {0};
    memcpy(m.b, a->b, bits / 8);
    if (bits % 8)
        m.b[bits / 8] = (uint8_t)(a->b[bits / 8] & (0xff << (8 - bits % 8)));
    return m;
}

int cidr_parse(const char *text, struct cidr *out, struct err *e)
{
    char addr[ADDRESS_TEXT_MAX];
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : strlen(text);
    if (n >= sizeof addr)
        return err_set(e, EINVAL, "\"%s\" is no network; write it as 192.168.1.0/24", text);
    memcpy(addr, text, n);
    addr[n] = 0;

    struct cidr c;
    uint8_t raw[16];
    unsigned base;
    if (inet_pton(AF_INET, addr, raw) == 1) {
        c.net = address_v4(raw);
        base = 96;
    } else if (inet_pton(AF_INET6, addr, c.net.b) == 1)
        base = 0;
    else
        return err_set(
            e, EINVAL, "\"%s\" is no network; write it as 192.168.1.0/24 or fd00::/8", text);

    unsigned bits = 128 - base;
    if (slash) {
        char *end;
        unsigned long v = strtoul(slash + 1, &end, 10);
        if (slash[1] < '0' || slash[1] > '9' || *end || v > bits)
            return err_set(
                e, EINVAL, "\"%s\": the part behind the slash must be 0 to %u", text, bits);
        bits = (unsigned)v;
    }
    c.bits = (uint8_t)(base + bits);
    struct address masked = address_mask(&c.net, c.bits);
    if (memcmp(&masked, &c.net, sizeof masked)) {
        char right[ADDRESS_TEXT_MAX];
        return err_set(e, EINVAL, "\"%s\" has address bits behind its mask; did you mean %s/%u?",
            text, address_text(&masked, right), bits);
    }
    *out = c;
    return 0;
}

bool cidr_contains(const struct cidr *c, const struct address *a)
{
    struct address m = address_mask(a, c->bits);
    return memcmp(&m, &c->net, sizeof m) == 0;
}

struct address address_from(const struct sockaddr *sa)
{
    struct address a = {0};
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        return address_v4(&in.sin_addr);
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof in6);
        memcpy(a.b, &in6.sin6_addr, 16);
    }
    return a;
}

/* Each line of log and audit has one: inet_ntop's sprintf was a tenth of a login's own work. */
static char *v4_text(const uint8_t *four, char *buf)
{
    char *p = buf;
    for (int i = 0; i < 4; i++) {
        if (four[i] >= 100)
            *p++ = (char)('0' + four[i] / 100);
        if (four[i] >= 10)
            *p++ = (char)('0' + four[i] / 10 % 10);
        *p++ = (char)('0' + four[i] % 10);
        *p++ = i < 3 ? '.' : '\0';
    }
    return buf;
}

char *address_text(const struct address *a, char buf[static ADDRESS_TEXT_MAX])
{
    if (memcmp(a->b, mapped_prefix, sizeof mapped_prefix) == 0)
        return v4_text(a->b + 12, buf);
    if (!inet_ntop(AF_INET6, a->b, buf, ADDRESS_TEXT_MAX))
        buf[0] = 0;
    return buf;
}
