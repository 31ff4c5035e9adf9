/*
 * The seal of a backup: an Ed25519 signature (RFC 8032) with a key of this installation. Encryption
 * to a public key says nothing about who wrote an archive; the seal does.
 *
 * What is signed is a purpose and a SHA-256, so that a seal of one kind is never one of another.
 * Keys, digests and signatures are lower-case hexadecimal everywhere outside this file.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_SEAL_H
#define ELEXGATE_BACKUP_ARCHIVE_SEAL_H

#include <stdbool.h>
#include <stdint.h>
#include "backup/rules/manifest.h" /* the lengths */
#include "common/error.h"

#define SEAL_SPARE_LEN       128 /* text of a secret key */
#define SEAL_FINGERPRINT_LEN 20  /* "ab12-cd34-ef56-7890" */

#define SEAL_MANIFEST "manifest"
#define SEAL_STATUS   "status"
#define SEAL_BINLOG   "binlog" /* the index of a segment of a binary log */

struct seal_key {
    uint8_t secret[32];
    char public[SEAL_KEY_HEX_LEN];
};

int seal_key_make(struct seal_key *out, struct err *e) MUSTCHECK;
/* The secret as text, for the key file and the recovery sheet, with a sum against slips of the pen;
 * blanks and line breaks in it do not count when it is read. -EINVAL with words. */
void seal_key_text(const struct seal_key *k, char out[static SEAL_SPARE_LEN]);
int seal_key_parse(const char *text, struct seal_key *out, struct err *e) MUSTCHECK;
void seal_key_clear(struct seal_key *k);

/* Purpose: one of SEAL_…; digest: SHA-256 in hexadecimal. */
void seal_sign(const struct seal_key *k, const char *purpose, const char *digest,
    char out[static SEAL_SIGNATURE_HEX_LEN]);
bool seal_verify(
    const char *public, const char *purpose, const char *digest, const char *signature);

bool seal_public_valid(const char *text);
/* For people to compare; never to decide by. */
void seal_fingerprint(const char *public, char out[static SEAL_FINGERPRINT_LEN]);

#endif
