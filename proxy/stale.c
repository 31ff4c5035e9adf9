#include "proxy/stale.h"

#include <string.h>

static struct stale_address *find(struct stale *s, const struct address *a)
{
    for (unsigned i = 0; i < s->n; i++)
        if (!memcmp(&s->items[i].addr, a, sizeof *a))
            return &s->items[i];
    return NULL;
}

/* Whose silence is over would come in anyway. */
static void drop_expired(struct stale *s, uint64_t now_ms)
{
    for (unsigned i = 0; i < s->n;)
        if (now_ms >= s->items[i].until_ms)
            s->items[i] = s->items[--s->n];
        else
            i++;
    if (s->n == 0)
        stale_clear(s);
}

void stale_add(
    struct stale *s, const struct address *list, unsigned n, uint64_t silence_ms, uint64_t now_ms)
{
    drop_expired(s, now_ms);
    if (n == 0)
        return;
    s->items = xrealloc(s->items, (s->n + n) * sizeof *s->items);
    if (s->silence_ms < silence_ms)
        s->silence_ms = silence_ms;
    for (unsigned i = 0; i < n; i++) {
        struct stale_address *there = find(s, &list[i]); /* comes once for each of its sessions */
        if (!there) {
            there = &s->items[s->n++];
            *there = (struct stale_address){.addr = list[i]};
        }
        if (there->until_ms < now_ms + silence_ms)
            there->until_ms = now_ms + silence_ms;
    }
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
