/*
 * Follows a login with caching_sha2_password, as far as the gate has to step in. Such a server
 * often does not know the password's hash and asks for the password itself ("full
 * authentication"). A client with TLS then sends it as it is, since the line is safe; but behind
 * the gate it is not, unless it is a unix socket. There the gate does what a client without TLS
 * does: it asks the server for its RSA key and sends the password encrypted.
 *
 *     server: 01 04             to the client, which answers with its password and a NUL
 *     gate:   02                in place of that
 *     server: 01 "-----BEGIN PUBLIC KEY-----..."   for the gate
 *     gate:   RSA-OAEP((password NUL) xor scramble)
 *     server: OK or ERR         to the client
 *
 * Source: MySQL's protocol documentation, "Caching_sha2_password information"; the encryption is
 * session_sha2.c's.
 */
#ifndef ELEXGATE_PROXY_WIRE_SHA2_LOGIN_H
#define ELEXGATE_PROXY_WIRE_SHA2_LOGIN_H

#include "proxy/wire/login.h"
#include "proxy/wire/login_plugin.h"

#define SHA2_SCRAMBLE_LEN 20u
#define SHA2_ASK_KEY      0x02 /* the payload that asks for the key */

enum sha2_step {
    SHA2_NONE,     /* nothing to do */
    SHA2_PASSWORD, /* the client's next packet is its password */
    SHA2_KEY,      /* the server's next packet is its key, unless it is an error */
    SHA2_DONE,     /* the server has counted two packets more than the client */
};

struct sha2_login {
    enum login_plugin plugin; /* what both speak, as far as that is sure: since the server has
                                 changed to it, or it is caching_sha2_password from the start */
    uint8_t scramble[SHA2_SCRAMBLE_LEN];
    enum sha2_step step;
};

/* plugin, scramble: of the client's response and of the greeting. */
void sha2_login_begin(
    struct sha2_login *l, const char *plugin, const uint8_t scramble[static SHA2_SCRAMBLE_LEN]);
/* payload of a packet that the server sent to the client. Moves NONE to PASSWORD. */
void sha2_login_on_server(struct sha2_login *l, const uint8_t *payload, size_t n);
/* The key in a packet of the server; NULL: it is none. */
const char *sha2_login_key(const uint8_t *payload, size_t n, size_t *len);

#endif
