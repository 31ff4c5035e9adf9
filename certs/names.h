/*
 * Names in certificates: host names, IP addresses, networks; and the extensions that carry them.
 */
#ifndef ELEXGATE_CERTS_NAMES_H
#define ELEXGATE_CERTS_NAMES_H

#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stddef.h>
#include "common/error.h"

/* A list of strings that owns them. Zero-initialise; names_clear frees. */
struct names {
    char **v;
    size_t n;
};
void names_add(struct names *l, const char *s); /* one that is in already is not added again */
void names_clear(struct names *l);

/* What a certificate is for: DNS names in lower case, IP addresses in canonical form. */
struct cert_names {
    struct names dns, ip;
};
void cert_names_clear(struct cert_names *c);
/* Takes a host name, "*.praxis.example" or an IP address; the latter goes to ip. Underscores and
 * umlauts are refused, because Java refuses the whole certificate for them. */
int cert_names_add_host(struct cert_names *c, const char *text, struct err *e) MUSTCHECK;
int cert_names_add_ip(struct cert_names *c, const char *text, struct err *e) MUSTCHECK;

/* The one grammar of host names, also for those of a certificate that comes from elsewhere. */
int names_check_host(const char *host, struct err *e) MUSTCHECK;

/* The SAN extension; the caller frees. */
GENERAL_NAMES *cert_names_san(const struct cert_names *c) MUSTCHECK;

/* What a CA may issue for. permit: DNS names (with all names below them), addresses or networks
 * ("192.168.0.0/16", "fd00::/8"); "*.x" means x, which
 * RFC 5280 takes with all names below it. */
int names_constraints(const struct names *permit, NAME_CONSTRAINTS **out, struct err *e) MUSTCHECK;
/* The default permit list: the hosts and addresses themselves, the domains of local networks, the
 * private address ranges. So a stolen CA key cannot speak for a bank. */
void names_default_permit(const struct cert_names *c, struct names *permit);

/* A name for a person or workstation in a client certificate: letters, digits, space, "-", "_",
 * "@", UTF-8, 1 to 64 characters. No dots: OpenSSL takes such a common name for a DNS name, which
 * the CA's constraints then refuse. */
int names_check_client(const char *name, struct err *e) MUSTCHECK;

#endif
