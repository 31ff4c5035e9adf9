#include "certs/secure_heap.h"

#include <openssl/crypto.h>

#define HEAP_BYTES  (256 * 1024) /* some dozens of RSA keys */
#define LEAST_BYTES 32

void secure_heap_begin(void)
{
    (void)CRYPTO_secure_malloc_init(HEAP_BYTES, LEAST_BYTES);
}
