#include "certs/names.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "common/utf8.h"

#define HOST_MAX  253
#define LABEL_MAX 63
#define CN_MAX    64 /* ub-common-name, RFC 5280 appendix A */

static bool names_has(const struct names *l, const char *s)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->v[i], s) == 0)
            return true;
    return false;
}

void names_add(struct names *l, const char *s)
{
    if (names_has(l, s))
        return;
    l->v = xrealloc(l->v, (l->n + 1) * sizeof *l->v);
    l->v[l->n++] = xstrdup(s);
}

void names_clear(struct names *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i]);
    free(l->v);
    *l = (struct names){0};
}

void cert_names_clear(struct cert_names *c)
{
    names_clear(&c->dns);
    names_clear(&c->ip);
}

/* 4 or 16 bytes into out; 0 when text is no address. */
static int parse_ip(const char *text, uint8_t out[static 16])
{
    if (inet_pton(AF_INET, text, out) == 1)
        return 4;
    return inet_pton(AF_INET6, text, out) == 1 ? 16 : 0;
}

int cert_names_add_ip(struct cert_names *c, const char *text, struct err *e)
{
    uint8_t addr[16];
    char canonical[INET6_ADDRSTRLEN];
    int n = parse_ip(text, addr);
    if (n == 0)
        return err_set(e, EINVAL, "%s is not an IP address", text);
    CHECK(inet_ntop(n == 4 ? AF_INET : AF_INET6, addr, canonical, sizeof canonical) != NULL);
    names_add(&c->ip, canonical);
    return 0;
}

static int check_label(const char *label, size_t n, const char *host, struct err *e)
{
    if (n == 0 || n > LABEL_MAX) {
        return err_set(
            e, EINVAL, "%s is not a host name: each part has 1 to %d characters", host, LABEL_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char ch = (unsigned char)label[i];
        if (ch == '_') {
            return err_set(e, EINVAL,
                "%s contains an underscore: Java, hence Elexis, refuses a certificate with such a name; give the server a second name without it",
                host);
        }
        if (ch >= 0x80) {
            return err_set(e, EINVAL,
                "%s contains letters outside a-z: write the name in its xn-- form", host);
        }
        if (!isalnum(ch) && (ch != '-' || i == 0 || i == n - 1)) {
            return err_set(
                e, EINVAL, "%s is not a host name: letters, digits and inner hyphens only", host);
        }
    }
    return 0;
}

/* Names and the domains of constraints have one grammar; only names may begin with "*.". */
static int check_domain(const char *host, const char *p, struct err *e)
{
    if (host[0] == '\0' || strlen(host) > HOST_MAX)
        return err_set(e, EINVAL, "a host name has 1 to %d characters", HOST_MAX);
    for (;;) {
        size_t n = strcspn(p, ".");
        int r = check_label(p, n, host, e);
        if (r < 0)
            return r;
        if (p[n] == '\0') {
            return p[strspn(p, "0123456789")] != '\0'
                       ? 0
                       : err_set(e, EINVAL,
                             "%s is neither a host name nor an address: the last part of a name is never a number",
                             host);
        }
        p += n + 1;
    }
}

static const char *without_star(const char *host)
{
    return strncmp(host, "*.", 2) == 0 ? host + 2 : host;
}

int names_check_host(const char *host, struct err *e)
{
    return check_domain(host, without_star(host), e);
}

static char *lower_case(const char *text)
{
    char *lower = xstrdup(text);
    for (char *p = lower; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    return lower;
}

int cert_names_add_host(struct cert_names *c, const char *text, struct err *e)
{
    uint8_t addr[16];
    if (parse_ip(text, addr) > 0)
        return cert_names_add_ip(c, text, e);
    int r = names_check_host(text, e);
    if (r < 0)
        return r;
    _cleanup_free_ char *lower = lower_case(text);
    names_add(&c->dns, lower);
    return 0;
}

static GENERAL_NAME *general_dns(const char *name)
{
    GENERAL_NAME *g = GENERAL_NAME_new();
    ASN1_IA5STRING *s = ASN1_IA5STRING_new();
    CHECK(g != NULL && s != NULL && ASN1_STRING_set(s, name, -1) == 1);
    GENERAL_NAME_set0_value(g, GEN_DNS, s);
    return g;
}

static GENERAL_NAME *general_ip(const uint8_t *bytes, int n)
{
    GENERAL_NAME *g = GENERAL_NAME_new();
    ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();
    CHECK(g != NULL && s != NULL && ASN1_STRING_set(s, bytes, n) == 1);
    GENERAL_NAME_set0_value(g, GEN_IPADD, s);
    return g;
}

GENERAL_NAMES *cert_names_san(const struct cert_names *c)
{
    GENERAL_NAMES *all = GENERAL_NAMES_new();
    CHECK(all != NULL);
    for (size_t i = 0; i < c->dns.n; i++)
        CHECK(sk_GENERAL_NAME_push(all, general_dns(c->dns.v[i])) > 0);
    for (size_t i = 0; i < c->ip.n; i++) {
        uint8_t addr[16];
        int n = parse_ip(c->ip.v[i], addr);
        CHECK(n > 0 && sk_GENERAL_NAME_push(all, general_ip(addr, n)) > 0);
    }
    return all;
}

/* "ADDR" or "ADDR/BITS" to address + mask, the form of RFC 5280 4.2.1.10. 0: not a network. */
static int parse_network(const char *text, uint8_t out[static 32])
{
    char addr[INET6_ADDRSTRLEN];
    size_t alen = strcspn(text, "/");
    if (alen >= sizeof addr)
        return 0;
    memcpy(addr, text, alen);
    addr[alen] = '\0';
    int n = parse_ip(addr, out);
    long bits = 8L * n;
    if (n > 0 && text[alen] == '/') {
        char *end;
        bits = strtol(text + alen + 1, &end, 10);
        if (end == text + alen + 1 || *end != '\0' || bits < 0 || bits > 8L * n)
            return 0;
    }
    for (int i = 0; i < n; i++) {
        long left = bits - 8L * i;
        uint8_t mask = (uint8_t)(left >= 8 ? 0xff : left <= 0 ? 0 : 0xff << (8 - left));
        out[n + i] = mask;
        out[i] &= mask;
    }
    return n;
}

int names_constraints(const struct names *permit, NAME_CONSTRAINTS **out, struct err *e)
{
    NAME_CONSTRAINTS *nc = NAME_CONSTRAINTS_new();
    CHECK(nc != NULL);
    nc->permittedSubtrees = sk_GENERAL_SUBTREE_new_null();
    CHECK(nc->permittedSubtrees != NULL);
    for (size_t i = 0; i < permit->n; i++) {
        uint8_t network[32];
        int n = parse_network(permit->v[i], network);
        /* RFC 5280 means all names below a domain anyway; "*." in front would match none. */
        const char *domain = without_star(permit->v[i]);
        int r = n > 0 ? 0 : check_domain(permit->v[i], domain, e);
        if (r < 0) {
            NAME_CONSTRAINTS_free(nc);
            return r;
        }
        GENERAL_SUBTREE *s = GENERAL_SUBTREE_new();
        CHECK(s != NULL);
        GENERAL_NAME_free(s->base);
        _cleanup_free_ char *lower = lower_case(domain);
        s->base = n > 0 ? general_ip(network, 2 * n) : general_dns(lower);
        CHECK(sk_GENERAL_SUBTREE_push(nc->permittedSubtrees, s) > 0);
    }
    *out = nc;
    return 0;
}

void names_default_permit(const struct cert_names *c, struct names *permit)
{
    /* RFC 1918, 3927, 4193, 4291 and loopback; without any IP entry every address would be allowed.
     * The domains: RFC 6762, 8375, 6761, ICANN's .internal, and what Swiss routers hand out. */
    static const char *const local[] = {"localhost", "local", "lan", "home", "internal", "intranet",
        "home.arpa", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
        "127.0.0.0/8", "::1/128", "fc00::/7", "fe80::/10"};
    for (size_t i = 0; i < c->dns.n; i++)
        names_add(permit, without_star(c->dns.v[i]));
    for (size_t i = 0; i < c->ip.n; i++)
        names_add(permit, c->ip.v[i]);
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++)
        names_add(permit, local[i]);
}

int names_check_client(const char *name, struct err *e)
{
    size_t n = strlen(name);
    if (n == 0 || n > CN_MAX)
        return err_set(e, EINVAL, "the name of a client has 1 to %d characters", CN_MAX);
    if (utf8_check(name, n) != n)
        return err_set(e, EINVAL, "the name of the client is not UTF-8 text");
    for (size_t i = 0; i < n; i++) {
        unsigned char ch = (unsigned char)name[i];
        if (!isalnum(ch) && ch < 0x80 && strchr(" -_@", ch) == NULL) {
            return err_set(e, EINVAL,
                "the name of a client consists of letters, digits, spaces, \"-\", \"_\" and \"@\", not \"%c\": for example \"empfang-1\"",
                isprint(ch) ? ch : '?');
        }
    }
    return 0;
}
