/*
 * Addresses whose programs hold stale data: Elexis keeps what it has read, so a workstation that
 * was connected during a restore would write old things over restored ones if it merely
 * reconnected. Such an address is refused until nothing has come from it for a while, which is when
 * its Elexis was closed. Main thread only.
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
    uint64_t silence_ms; /* the longest asked for */
};

/* From now on these n addresses too; one that is refused already is so at least as long. */
void stale_add(
    struct stale *s, const struct address *list, unsigned n, uint64_t silence_ms, uint64_t now_ms);
/* A client comes from there: true if it is refused, and then its time starts anew. */
bool stale_refuses(struct stale *s, const struct address *a, uint64_t now_ms);
void stale_clear(struct stale *s); /* frees */

#endif
