/*
 * Keys of TLS session tickets. They belong to the process, not to a certificate, so resumption
 * survives a reload; they are kept in state_dir, so it survives a restart too. A new key every 12
 * hours, the two before it still open old tickets (RFC 5077 section 5.5): a stolen ticket key opens
 * at most a day and a half of TLS 1.2 sessions.
 */
#ifndef ELEXGATE_PROXY_TICKETS_H
#define ELEXGATE_PROXY_TICKETS_H

#include <openssl/ssl.h>
#include "common/error.h"

struct tickets;

/* Reads or makes state_dir/ticket.keys (mode 0600). A damaged file is replaced, which costs one
 * full handshake a client. state_dir NULL: keys in memory only. */
int tickets_open(const char *state_dir, struct tickets **out, struct err *e) MUSTCHECK;
/* Makes a new key when the current one is 12 hours old. now: seconds since 1970. */
int tickets_rotate(struct tickets *t, int64_t now, struct err *e) MUSTCHECK;
/* Tickets of this context are sealed and opened with these keys from now on; t outlives ctx. */
void tickets_use(struct tickets *t, SSL_CTX *ctx);
void tickets_close(struct tickets *t);

#endif
