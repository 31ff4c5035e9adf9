/*
 * Which prepared statements of a session only read. Only those are remembered: an unknown id counts
 * as a write. Memory is bounded: past STATEMENTS_MAX no more are remembered.
 */
#ifndef ELEXGATE_PROXY_WIRE_STATEMENTS_H
#define ELEXGATE_PROXY_WIRE_STATEMENTS_H

#include <stdbool.h>
#include <stdint.h>

#define STATEMENTS_MAX 16384u

struct statements {
    uint32_t *slots; /* open addressing; NULL while empty; id + 1, since ids may be 0 */
    uint32_t cap, used;
};

void statements_add_reader(struct statements *s, uint32_t id);
bool statements_reads(const struct statements *s, uint32_t id);
void statements_remove(struct statements *s, uint32_t id);
void statements_clear(struct statements *s); /* frees */

#endif
