/*
 * Unguessable names: session ids, tokens. And what of them may be kept.
 */
#ifndef ELEXGATE_CONSOLE_WHO_RANDOM_H
#define ELEXGATE_CONSOLE_WHO_RANDOM_H

#define TOKEN_LEN 44 /* 256 bits in base64url, with the NUL */
#define HASH_LEN  44 /* the same for a hash of 256 bits */

/* A new token of letters, digits, - and _. Returns out. */
char *token_make(char out[static TOKEN_LEN]);
/* Unkeyed hash of a token: what is stored in its place. Returns out. */
char *token_hash(const char *token, char out[static HASH_LEN]);
/* Keyed hash: key is a token that is kept secret. Returns out. */
char *token_sign(const char *text, const char *key, char out[static HASH_LEN]);
/* Compares in constant time. */
int token_equal(const char *a, const char *b);

#endif
