/*
 * How many sessions each client address has. Any thread: the main thread counts up, workers count
 * down, so that the end of a session wakes nobody.
 */
#ifndef ELEXGATE_PROXY_PEERS_H
#define ELEXGATE_PROXY_PEERS_H

#include "proxy/wire/cidr.h"

struct peers; /* addresses with at least one session */

struct peers *peers_new(void);
void peers_free(struct peers *p);
unsigned peers_count(struct peers *p, const struct address *a);
void peers_add(struct peers *p, const struct address *a);
void peers_remove(struct peers *p, const struct address *a);

#endif
