/*
 * Addresses whose programs hold stale data: Elexis keeps what it has read, so a workstation that
 * was connected during a restore would write old things over restored ones if it merely
 * reconnected. Such an address is refused for a while, counted from the restore: long enough for
 * its Elexis to give up and for its user to read why, and with an end that can be told. Main thread
 * only.
 */
#ifndef ELEXGATE_PROXY_STALE_H
#define ELEXGATE_PROXY_STALE_H

#include <stdint.h>
#include "proxy/wire/cidr.h"

struct stale { /* zero-initialise */
    struct stale_address {
        struct address addr;
        uint64_t until_ms; /* monotonic */
    } * items;
    unsigned n;
};

/* For ms from now on these n addresses too; one that is refused already is so at least as long. */
void stale_add(
    struct stale *s, const struct address *list, unsigned n, uint64_t ms, uint64_t now_ms);
/* For how long a client from there is still refused, ms; 0: not at all. */
uint64_t stale_left(struct stale *s, const struct address *a, uint64_t now_ms);
/* An admin knows that its Elexis was started anew. false: it was not refused. */
bool stale_admit(struct stale *s, const struct address *a);
uint64_t stale_longest(const struct stale *s, uint64_t now_ms); /* the last one's ms */
void stale_drop_expired(struct stale *s, uint64_t now_ms);
void stale_clear(struct stale *s); /* frees */

#endif
