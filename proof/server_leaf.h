/*
 * Which certificate the database server itself has. Asked for as any client would: connect, read
 * the greeting, SSLRequest, handshake, hang up. It works over the unix socket as well. Blocks, for
 * at most a few seconds.
 */
#ifndef ELEXGATE_PROOF_SERVER_LEAF_H
#define ELEXGATE_PROOF_SERVER_LEAF_H

#include "common/error.h"
#include "proof/accounts.h"
#include "proof/salt.h"

/* SHA-256 of the DER form. -ENOTSUP: the server has no TLS, and so no proofs. The certificate is
 * not verified: the way to the server is trusted, as the gate's own plaintext link is. */
int server_leaf(
    const struct accounts_target *t, uint8_t out[static LEAF_LEN], struct err *e) MUSTCHECK;

#endif
