/* Bytes as hexadecimal digits. */
#ifndef ELEXGATE_COMMON_HEX_H
#define ELEXGATE_COMMON_HEX_H

#include <stddef.h>

#include <stdbool.h>

#define SHA256_HEX_LEN 65 /* with the NUL */

/* 2 * n digits and a NUL into out, which is returned. */
char *hex_text(const void *bytes, size_t n, char *out);
/* Fingerprints are written in upper case. */
char *hex_upper(const void *bytes, size_t n, char *out);
/* As many digits as that, lower case, and nothing else; NULL is not. */
bool hex_valid(const char *text, size_t digits);
/* SHA-256 of the data, as text; digest_ssl.c, for programs that link OpenSSL. */
char *hex_sha256(const void *data, size_t n, char out[static SHA256_HEX_LEN]);

#endif
