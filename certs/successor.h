/*
 * The CA that follows ours. It has the same name and another key (RFC 4210 calls that a roll-over),
 * and the old CA signs it as well: the cross-signature in cross.pem.
 *
 *   ca.pem      the new CA, then the old one until its end; workstations are given both
 *   ca.key      the new CA's; the old one stays as ca.key.replaced-TIME
 *   cross.pem   the new CA's name and key, signed by the old one
 *
 * Until the old CA's end the server sends its certificate (of the new CA) with the cross-signature:
 * who knows the old CA, the new one or both, gets in. A few days before, the cross-signature is
 * left out, since some drivers judge the end of the root that it leads to. The same name lets the
 * old CA sign although it may have no other CAs below it (self-issued certificates do not count,
 * RFC 5280 6.1.4), keeps its constraints, and makes one revocation list do for both.
 */
#ifndef ELEXGATE_CERTS_SUCCESSOR_H
#define ELEXGATE_CERTS_SUCCESSOR_H

#include <openssl/x509.h>
#include <time.h>
#include "certs/make.h"
#include "certs/cert_store.h"
#include "common/error.h"

struct successor {
    X509 *root, *cross; /* cross NULL: the old CA has ended, and its word is worth nothing */
    EVP_PKEY *key;
};

/* old->key signs the cross-signature. Free with successor_clear. */
int successor_make(const struct make_signer *old, enum make_key_kind kind, int days, time_t now,
    struct successor *out, struct err *e) MUSTCHECK;
void successor_clear(struct successor *s);

/* Puts it into the folder; the old CA's key is kept. */
int successor_publish(const struct cert_store *s, const struct successor *next, X509 *old,
    const char *passphrase, time_t now, struct err *e) MUSTCHECK;

/* What stands behind a certificate of ca in the server's file: the cross-signature and the old CA
 * while they help, else ca itself. Pushes references. */
int successor_issuers(const struct cert_store *s, X509 *ca, time_t now, STACK_OF(X509) * chain,
    struct err *e) MUSTCHECK;
/* Whether the chain in use has a cross-signature that is to be left out now. */
bool successor_is_over(const struct cert_pair *pair, time_t now);
/* Takes CAs that have ended out of ca.pem; the first one stays. */
int successor_prune(const struct cert_store *s, time_t now, struct err *e) MUSTCHECK;

#endif
