#include "proxy/stale.h"

#include <string.h>

static struct stale_address *find(struct stale *s, const struct address *a)
{
    for (unsigned i = 0; i < s->n; i++)
        if (!memcmp(&s->items[i].addr, a, sizeof *a))
            return &s->items[i];
    return NULL;
}

void stale_set(
    struct stale *s, const struct address *list, unsigned n, uint64_t silence_ms, uint64_t now_ms)
{
    stale_clear(s);
    s->items = xcalloc(n ? n : 1, sizeof *s->items);
    s->silence_ms = silence_ms;
    for (unsigned i = 0; i < n; i++)
        if (!find(s, &list[i])) /* an address with several sessions comes several times */
            s->items[s->n++] = (struct stale_address){
                .addr = list[i], .until_ms = now_ms + silence_ms};
}

bool stale_refuses(struct stale *s, const struct address *a, uint64_t now_ms)
{
    struct stale_address *found = find(s, a);
    if (!found)
        return false;
    if (now_ms >= found->until_ms) {
        *found = s->items[--s->n];
        return false;
    }
    found->until_ms = now_ms + s->silence_ms;
    return true;
}

void stale_clear(struct stale *s)
{
    free(s->items);
    *s = (struct stale){0};
}
