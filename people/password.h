/*
 * Passwords of the page's accounts: argon2id (RFC 9106) by libsodium. Making and checking one takes
 * 64 MiB and a good part of a second by design, so never do it on a loop.
 */
#ifndef ELEXGATE_PEOPLE_PASSWORD_H
#define ELEXGATE_PEOPLE_PASSWORD_H

#include <stdbool.h>
#include "common/error.h"

#define PASSWORD_MIN      10
#define PASSWORD_MAX      200
#define PASSWORD_HASH_LEN 128 /* crypto_pwhash_STRBYTES */

/* -ENOMEM. The bounds of its length are the caller's to check. */
int password_hash(
    const char *password, char out[static PASSWORD_HASH_LEN], struct err *e) MUSTCHECK;
/* false also for a hash that is damaged, or of another price than ours. */
bool password_fits(const char *hash, const char *password);

#endif
