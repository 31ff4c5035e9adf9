#include "proxy/record_pool.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include "common/memory.h"

/* A TLS record of 16 KiB, its header, tag and padding, and OpenSSL's alignment. */
#define BUFFER_MIN  16384u
#define BUFFER_SIZE 18432u
/* A thread works on one session at a time, which has one buffer in use for each direction. */
#define KEEP 4u

static _Thread_local void *kept[KEEP];
static _Thread_local unsigned n_kept;

static void *pool_malloc(size_t n, const char *file, int line)
{
    (void)file, (void)line;
    if (n <= BUFFER_MIN || n > BUFFER_SIZE)
        return malloc(n);
    return n_kept > 0 ? kept[--n_kept] : malloc(BUFFER_SIZE);
}

/* What has room for a buffer is one, wherever it came from: no list of addresses is needed. */
static void pool_free(void *p, const char *file, int line)
{
    (void)file, (void)line;
    if (p && n_kept < KEEP) {
        size_t room = malloc_usable_size(p);
        if (room >= BUFFER_SIZE && room <= BUFFER_SIZE + 64) {
            kept[n_kept++] = p;
            return;
        }
    }
    free(p);
}

static void *pool_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file, (void)line;
    return realloc(p, n);
}

void record_pool_install(void)
{
#if ADDRESS_SANITIZED
    /* A pool would hide what the sanitizer looks for. */
    (void)pool_malloc, (void)pool_free, (void)pool_realloc;
#else
    (void)CRYPTO_set_mem_functions(pool_malloc, pool_realloc, pool_free);
#endif
}
