/*
 * OpenSSL's record buffers, kept for the next record.
 *
 * With SSL_MODE_RELEASE_BUFFERS a quiet session holds no record buffer, but every query takes and
 * gives back two of about 17 KiB, which is a walk through malloc's large bins each time (1.2 % of a
 * select). Here each thread keeps a few of them, still warm in its cache.
 */
#ifndef ELEXGATE_PROXY_RECORD_POOL_H
#define ELEXGATE_PROXY_RECORD_POOL_H

/* Before the first call of anything in OpenSSL (CRYPTO_set_mem_functions(3)); later it does
 * nothing. */
void record_pool_install(void);

#endif
