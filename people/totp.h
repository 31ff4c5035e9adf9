/*
 * A code of six digits that changes every 30 s (RFC 6238), as authenticator apps show it; by
 * liboath.
 */
#ifndef ELEXGATE_PEOPLE_TOTP_H
#define ELEXGATE_PEOPLE_TOTP_H

#include <stdint.h>
#include "common/error.h"

#define TOTP_SECRET_LEN 33 /* 160 bits in base32, with the NUL (RFC 4226, 4) */

/* A new secret. Returns out. */
char *totp_make(char out[static TOTP_SECRET_LEN]);
/* 0: right at now (seconds of the wall clock), or one step beside it, and of a later step than
 * last, since a code counts once (RFC 6238, 5.2); *step is the one it is of. 1: wrong. -EINVAL: the
 * secret is none. */
int totp_check(
    const char *secret, const char *code, int64_t now, uint64_t last, uint64_t *step) MUSTCHECK;
/* otpauth://totp/..., which apps read from a QR code. malloc'ed. */
char *totp_uri(const char *account, const char *secret) MUSTCHECK;

#endif
