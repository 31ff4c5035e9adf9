#include "proxy/stale.h"

#include <string.h>

static struct stale_address *find_address(struct stale *s, const struct address *a)
{
    for (unsigned i = 0; i < s->n; i++)
        if (!memcmp(&s->items[i].addr, a, sizeof *a))
            return &s->items[i];
    return NULL;
}

/* Whose time is over would come in anyway. */
void stale_drop_expired(struct stale *s, uint64_t now_ms)
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
    struct stale *s, const struct address *list, unsigned n, uint64_t ms, uint64_t now_ms)
{
    stale_drop_expired(s, now_ms);
    if (n == 0)
        return;
    s->items = xrealloc(s->items, (s->n + n) * sizeof *s->items);
    for (unsigned i = 0; i < n; i++) {
        struct stale_address *there = find_address(
            s, &list[i]); /* comes once for each of its sessions */
        if (!there) {
            there = &s->items[s->n++];
            *there = (struct stale_address){.addr = list[i]};
        }
        if (there->until_ms < now_ms + ms)
            there->until_ms = now_ms + ms;
    }
}

uint64_t stale_left(struct stale *s, const struct address *a, uint64_t now_ms)
{
    const struct stale_address *found = find_address(s, a);
    uint64_t left = found && found->until_ms > now_ms ? found->until_ms - now_ms : 0;
    if (found && left == 0)
        stale_drop_expired(s, now_ms);
    return left;
}

uint64_t stale_longest(const struct stale *s, uint64_t now_ms)
{
    uint64_t longest = 0;
    for (unsigned i = 0; i < s->n; i++)
        if (s->items[i].until_ms > now_ms + longest)
            longest = s->items[i].until_ms - now_ms;
    return longest;
}

bool stale_admit(struct stale *s, const struct address *a)
{
    struct stale_address *found = find_address(s, a);
    if (!found)
        return false;
    *found = s->items[--s->n];
    if (s->n == 0)
        stale_clear(s);
    return true;
}

void stale_clear(struct stale *s)
{
    free(s->items);
    *s = (struct stale){0};
}
