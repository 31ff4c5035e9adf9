#include "people/password.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

_Static_assert(PASSWORD_HASH_LEN == crypto_pwhash_STRBYTES, "libsodium's length");

int password_hash(const char *password, char out[static PASSWORD_HASH_LEN], struct err *e)
{
    if (crypto_pwhash_str(out, password, strlen(password), crypto_pwhash_OPSLIMIT_INTERACTIVE,
            crypto_pwhash_MEMLIMIT_INTERACTIVE) < 0)
        return err_set(e, ENOMEM, "not enough memory to hash a password (64 MiB)");
    return 0;
}

bool password_fits(const char *hash, const char *password)
{
    return crypto_pwhash_str_needs_rehash(
               hash, crypto_pwhash_OPSLIMIT_INTERACTIVE, crypto_pwhash_MEMLIMIT_INTERACTIVE) == 0 &&
           crypto_pwhash_str_verify(hash, password, strlen(password)) == 0;
}
