#include "proxy/wire/dialogue.h"

#include <string.h>
#include "proxy/wire/dialogue_private.h"

void dialogue_init(struct dialogue *d, uint64_t caps, uint16_t status)
{
    *d = (struct dialogue){
        .caps = caps,
        .transaction = status & STATUS_IN_TRANS ? TRANSACTION_OPEN : TRANSACTION_NONE,
        .autocommit = status & STATUS_AUTOCOMMIT,
        .multi_statements = caps & CAP_MULTI_STATEMENTS,
        .ring_cap = sizeof d->ring_inline,
    };
}

void dialogue_clear(struct dialogue *d)
{
    login_names_free(&d->names);
    statements_clear(&d->statements);
    if (d->collect)
        buffer_free(d->collect);
    free(d->collect);
    free(d->ring);
    *d = (struct dialogue){.ring_cap = sizeof d->ring_inline};
}

void ring_push(struct dialogue *d)
{
    /* packet_begins has asked. */
    ASSERT(d->ring_len < DIALOGUE_PIPELINE_MAX);
    if (d->ring_len == d->ring_cap) {
        uint8_t *bigger = xmalloc(d->ring_cap * 2u);
        for (uint16_t i = 0; i < d->ring_len; i++)
            bigger[i] = *ring_at(d, i);
        free(d->ring);
        d->ring = bigger;
        d->ring_cap = (uint16_t)(d->ring_cap * 2u);
        d->ring_head = 0;
    }
    d->ring_len++;
    *ring_back(d) = REPLY_UNKNOWN;
    d->outstanding++;
    d->receiving = true;
}

unsigned dialogue_lose(struct dialogue *d, const char *why)
{
    d->lost = true;
    d->lost_why = why;
    /* The careful answer for all who only look at the numbers. */
    d->outstanding = 1;
    d->write_outstanding = 1;
    d->last_kind = DIALOGUE_KIND_WRITE;
    d->transaction = TRANSACTION_UNKNOWN;
    d->transaction_wrote = true;
    d->ring_len = 0;
    d->receiving = false;
    d->reply_state = ANSWER_FIRST;
    return DIALOGUE_LOST;
}

size_t dialogue_server_rest(const struct dialogue *d, const uint8_t *p, size_t n)
{
    struct dialogue_side s = d->server;
    size_t at = 0;
    while (at < n && (s.head_len > 0 || s.continued)) {
        if (s.head_len < PACKET_HEADER) {
            s.head[s.head_len++] = p[at++];
            if (s.head_len < PACKET_HEADER)
                continue;
            s.left = packet_length(s.head);
        }
        size_t here = n - at < s.left ? n - at : s.left;
        at += here;
        s.left -= (uint32_t)here;
        if (s.left > 0)
            break;
        s.continued = packet_length(s.head) == PACKET_MAX;
        s.head_len = 0;
    }
    return at;
}

bool dialogue_can_end(const struct dialogue *d, uint8_t *seq)
{
    if (d->server.head_len != 0 || d->server.continued)
        return false;
    /* An idle client reads it as the answer to the command that it sends next, with number 0. */
    if (d->outstanding == 0 && !d->streaming)
        *seq = 1;
    else
        *seq = (uint8_t)((d->server_spoke_last || d->streaming ? d->server.seq : d->client.seq) +
                         1);
    return true;
}
