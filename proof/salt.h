/*
 * Salts: what the server keeps of a password, and what clients since MariaDB 11.4 can work out from
 * the password by themselves. One who has it can vouch for a certificate (proxy/wire/server_proof.h
 * has the formula). Pure, apart from SHA-256.
 *
 *   mysql_native_password  SHA1(SHA1(password)), 20 bytes
 *   ed25519                the public key, 32 bytes
 *   parsec                 'P', iterations, 18 bytes of salt, 32 bytes of public key
 *
 * Source: mysql.global_priv and the proofs of MariaDB 11.8.6.
 */
#ifndef ELEXGATE_PROOF_SALT_H
#define ELEXGATE_PROOF_SALT_H

#include <stddef.h>
#include <stdint.h>

#define SALT_MAX     52u
#define SCRAMBLE_LEN 20u
#define LEAF_LEN     32u /* SHA-256 of a certificate's DER form */
#define PROOF_LEN    64u /* upper-case hexadecimal */

struct salt {
    size_t len;
    uint8_t bytes[SALT_MAX];
};

/* Appends the salts of one account, at most room; returns how many. priv: the JSON text of
 * global_priv.Priv. An account may have several ways to log in ("IDENTIFIED VIA a OR b"); those
 * without a password, or of a plugin that is not in the list above, have no salt. */
size_t salts_of_account(const char *priv, size_t n, struct salt *out, size_t room);

void proof_make(const struct salt *salt, const uint8_t scramble[static SCRAMBLE_LEN],
    const uint8_t leaf[static LEAF_LEN], char out[static PROOF_LEN + 1]);

#endif
