/*
 * What our CA has given out and taken back: issued/SERIAL.pem, the text file `revoked`, crl.pem.
 * See certs/cert_store.h for the folder.
 *
 * `revoked` has a line for each: SERIAL UNIX-TIME NAME. The list for programs, crl.pem, is always
 * made from it as a whole.
 */
#ifndef ELEXGATE_CERTS_REVOKE_H
#define ELEXGATE_CERTS_REVOKE_H

#include <openssl/x509.h>
#include <stddef.h>
#include <time.h>
#include "certs/make.h"
#include "certs/cert_store.h"
#include "common/error.h"

struct revoke_list {
    struct make_revoked *v;
    size_t n;
};

/* Pure: the text of `revoked`. name stands in messages. */
int revoke_parse(const char *text, size_t len, const char *name, struct revoke_list *out,
    struct err *e) MUSTCHECK;
void revoke_clear(struct revoke_list *l);
/* An absent file is an empty list. */
int revoke_read(const struct cert_store *s, struct revoke_list *out, struct err *e) MUSTCHECK;

/* Adds every issued certificate with that common name or serial number that is not revoked yet;
 * *added says how many. -ENOENT when the CA never issued one. */
int revoke_add(const struct cert_store *s, const char *name_or_serial, time_t now, size_t *added,
    struct err *e) MUSTCHECK;
/* Makes crl.pem from `revoked`. */
int revoke_publish(const struct cert_store *s, const struct make_signer *signer, time_t now,
    struct err *e) MUSTCHECK;

#endif
