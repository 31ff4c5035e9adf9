/*
 * A recorded dialogue: what both sides sent after the login, in the order in which a forwarder
 * between them saw it. Written by tests/system/lib/recorder.py; the corpus of fuzz_dialogue_server.
 *
 *     8 bytes  capabilities that both sides have, little endian
 *     2 bytes  status flags of the login's OK packet
 *     then pieces: 1 byte 0 = client, 1 = server; 2 bytes length; the bytes
 */
#ifndef ELEXGATE_TESTS_FUZZ_PROXY_RECORDING_H
#define ELEXGATE_TESTS_FUZZ_PROXY_RECORDING_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proxy/wire/dialogue.h"

struct recording {
    uint64_t caps;
    uint16_t status;
    struct cursor rest;
};

struct recording_piece {
    bool from_server;
    const uint8_t *p;
    size_t n;
};

static inline struct recording recording_open(const uint8_t *data, size_t n)
{
    struct recording r = {.rest = cursor_make(data, n)};
    r.caps = cursor_u64(&r.rest);
    r.status = cursor_u16(&r.rest);
    return r;
}

/* The last piece may be cut off. */
static inline bool recording_next(struct recording *r, struct recording_piece *out)
{
    out->from_server = cursor_u8(&r->rest) & 1;
    out->n = cursor_u16(&r->rest);
    if (r->rest.bad)
        return false;
    if (out->n > cursor_left(&r->rest))
        out->n = cursor_left(&r->rest);
    out->p = cursor_bytes(&r->rest, out->n);
    return true;
}

/* Feeds one piece, cut into random smaller ones where *seed is not 0 (1: single bytes). Returns the
 * events of all, or-ed. What a full pipeline did not take is dropped. */
static inline unsigned recording_feed(
    struct dialogue *d, const struct recording_piece *piece, unsigned *seed)
{
    unsigned events = 0;
    for (size_t at = 0; at < piece->n;) {
        size_t n = piece->n - at, taken = 0;
        if (*seed == 1) {
            n = 1;
        } else if (*seed) {
            *seed = *seed * 1103515245u + 12345u;
            size_t cut = 1 + (*seed >> 8) % (*seed & 0x80 ? 9 : 300);
            n = cut < n ? cut : n;
        }
        if (piece->from_server) {
            events |= dialogue_server(d, piece->p + at, n);
            taken = n;
        } else {
            events |= dialogue_client(d, piece->p + at, n, &taken);
        }
        at += n;
        if (taken < n)
            break;
    }
    return events;
}

#define RECORDING_SAME(field)                                                                      \
    if (a->field != b->field)                                                                      \
    return #field
/* NULL if two dialogues that were fed the same in different pieces agree, else what differs. */
static inline const char *recording_difference(const struct dialogue *a, const struct dialogue *b)
{
    RECORDING_SAME(outstanding);
    RECORDING_SAME(write_outstanding);
    RECORDING_SAME(transaction);
    RECORDING_SAME(transaction_wrote);
    RECORDING_SAME(lost);
    RECORDING_SAME(lost_why);
    RECORDING_SAME(multi_statements);
    RECORDING_SAME(last_kind);
    RECORDING_SAME(reads);
    RECORDING_SAME(writes);
    RECORDING_SAME(server_error);
    RECORDING_SAME(infile);
    RECORDING_SAME(reply_state);
    RECORDING_SAME(ring_len);
    RECORDING_SAME(statements.used);
    RECORDING_SAME(client.seq);
    RECORDING_SAME(server.seq);
    RECORDING_SAME(client.left);
    RECORDING_SAME(server.left);
    RECORDING_SAME(client.head_len);
    RECORDING_SAME(server.head_len);
    if (strcmp(a->unasked_error, b->unasked_error) != 0)
        return "unasked_error";
    uint8_t seq_a = 0, seq_b = 0;
    if (dialogue_can_end(a, &seq_a) != dialogue_can_end(b, &seq_b) || seq_a != seq_b)
        return "can_end";
    if (dialogue_between(a) != dialogue_between(b))
        return "between";
    return NULL;
}
#undef RECORDING_SAME

/* What the header promises in every state. */
static inline const char *recording_broken_promise(const struct dialogue *d)
{
    uint8_t seq;
    if (d->write_outstanding > d->outstanding)
        return "more writes than commands outstanding";
    if (!d->lost && d->outstanding != d->ring_len)
        return "outstanding is not the ring's length";
    if (d->outstanding > DIALOGUE_PIPELINE_MAX)
        return "more outstanding than the pipeline takes";
    if (d->lost && (!d->lost_why || !d->write_outstanding))
        return "lost, but not careful";
    if (dialogue_between(d) && !dialogue_can_end(d, &seq))
        return "between packets, but not the server's";
    return NULL;
}

#endif
