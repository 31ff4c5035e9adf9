/*
 * Private keys in locked memory.
 */
#ifndef ELEXGATE_CERTS_SECURE_HEAP_H
#define ELEXGATE_CERTS_SECURE_HEAP_H

/* At the start of a program that loads private keys, before the first one: OpenSSL keeps their
 * numbers in memory of its own, locked (mlock) and with guard pages around it
 * (CRYPTO_secure_malloc_init(3)). Where no memory may be locked everything works as without. */
void secure_heap_begin(void);

#endif
