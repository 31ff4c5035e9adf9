/*
 * The server's proof, with which clients of MariaDB 11.4 and later trust a certificate without
 * knowing its CA: the text of the OK packet that ends a login is 0x01 and 64 upper-case hexadecimal
 * characters,
 *
 *     SHA256(salt || the greeting's scramble || SHA256(DER of the server's certificate))
 *
 * where salt is what the server keeps of the password. So only who knows the password or what is
 * kept of it can vouch for a certificate. Measured with MariaDB 11.8.6; docs/wire.md.
 */
#ifndef ELEXGATE_PROXY_WIRE_SERVER_PROOF_H
#define ELEXGATE_PROXY_WIRE_SERVER_PROOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVER_PROOF_LEN 64u

/* Where in the payload of an OK packet the 64 characters stand; 0 = there is no proof in it. */
size_t server_proof_find(const uint8_t *payload, size_t n);
/* Is this text 64 upper-case hexadecimal characters and nothing else? */
bool server_proof_well_formed(const char *text, size_t n);

#endif
