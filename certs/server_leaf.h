/*
 * Which certificate the database server itself has. Asked for as any client would: connect, read
 * the greeting, SSLRequest, handshake, hang up. It works over the unix socket as well. Blocks, for
 * at most a few seconds.
 */
#ifndef ELEXGATE_CERTS_SERVER_LEAF_H
#define ELEXGATE_CERTS_SERVER_LEAF_H

#include "certs/info.h"
#include "common/error.h"

/* SHA-256 of the DER form. socket NULL: host and port. -ENOTSUP: the server has no TLS. The
 * certificate is not verified: the way to the server is trusted, as the gate's own plaintext link
 * is. */
int server_leaf(const char *socket, const char *host, unsigned port,
    uint8_t out[static CERT_SHA256_LEN], struct err *e) MUSTCHECK;

#endif
