#include "proxy/idle_clock.h"

#include <stdbool.h>

static uint64_t ago(uint64_t now, uint64_t then)
{
    return now > then ? now - then : 0; /* another worker's clock may be a millisecond ahead */
}

struct idle_report idle_clock_report(
    struct idle_slot *const *slots, size_t n, uint64_t now_ms, uint64_t started_ms)
{
    struct idle_report r = {0};
    uint64_t write = started_ms, statement = started_ms;
    for (size_t i = 0; i < n; i++) {
        uint64_t w = SLOT_GET(slots[i]->last_write_ms), s = SLOT_GET(slots[i]->last_statement_ms);
        write = w > write ? w : write;
        statement = s > statement ? s : statement;
        r.sessions += SLOT_GET(slots[i]->sessions);
        r.in_flight += SLOT_GET(slots[i]->in_flight);
        r.write_in_flight += SLOT_GET(slots[i]->write_in_flight);
        r.transactions += SLOT_GET(slots[i]->transactions);
        r.unknown += SLOT_GET(slots[i]->unknown);
        r.pending += SLOT_GET(slots[i]->pending);
    }
    r.write_ms = r.write_in_flight ? 0 : ago(now_ms, write);
    r.statement_ms = r.in_flight ? 0 : ago(now_ms, statement);
    return r;
}
