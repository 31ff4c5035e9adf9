/* Open addressing, linear probing, and removal by moving back, so that no tombstones pile up: a
 * client that prepares and closes all day keeps a table of 16 slots. */
#include "proxy/wire/statements.h"

#include <stddef.h>
#include <stdlib.h>
#include "common/error.h"

#define SLOTS_MIN 16u
#define ID_LAST                                                                                    \
    UINT32_MAX /* in COM_STMT_EXECUTE "the last prepared"; never a statement's own id              \
                */

static uint32_t home(const struct statements *s, uint32_t id)
{
    return (id * 2654435761u) >> 7 & (s->cap - 1);
}

/* The slot that holds the id, or the free one where it belongs. There always is a free one. */
static uint32_t find_slot(const struct statements *s, uint32_t id)
{
    uint32_t i = home(s, id);
    while (s->slots[i] != 0 && s->slots[i] != id + 1)
        i = (i + 1) & (s->cap - 1);
    return i;
}

static void grow(struct statements *s)
{
    struct statements bigger = {.cap = s->cap ? s->cap * 2 : SLOTS_MIN, .used = s->used};
    bigger.slots = xcalloc(bigger.cap, sizeof *bigger.slots);
    for (uint32_t i = 0; i < s->cap; i++)
        if (s->slots[i] != 0)
            bigger.slots[find_slot(&bigger, s->slots[i] - 1)] = s->slots[i];
    free(s->slots);
    *s = bigger;
}

void statements_add_reader(struct statements *s, uint32_t id)
{
    if (id == ID_LAST || statements_reads(s, id) || s->used >= STATEMENTS_MAX)
        return;
    if ((s->used + 1) * 4 > s->cap * 3)
        grow(s);
    s->slots[find_slot(s, id)] = id + 1;
    s->used++;
}

bool statements_reads(const struct statements *s, uint32_t id)
{
    return s->used > 0 && id != ID_LAST && s->slots[find_slot(s, id)] != 0;
}

void statements_remove(struct statements *s, uint32_t id)
{
    if (!statements_reads(s, id))
        return;
    uint32_t mask = s->cap - 1, hole = find_slot(s, id);
    s->slots[hole] = 0;
    s->used--;
    /* Whoever stands behind the hole and would be looked for from before it moves into it. */
    for (uint32_t i = (hole + 1) & mask; s->slots[i] != 0; i = (i + 1) & mask) {
        uint32_t from = home(s, s->slots[i] - 1);
        if (((i - from) & mask) >= ((i - hole) & mask)) {
            s->slots[hole] = s->slots[i];
            s->slots[i] = 0;
            hole = i;
        }
    }
}

void statements_clear(struct statements *s)
{
    free(s->slots);
    *s = (struct statements){0};
}
