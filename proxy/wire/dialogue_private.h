/*
 * What dialogue.c, dialogue_client.c and dialogue_server.c share. For nobody else.
 */
#ifndef ELEXGATE_PROXY_WIRE_DIALOGUE_PRIVATE_H
#define ELEXGATE_PROXY_WIRE_DIALOGUE_PRIVATE_H

#include "proxy/wire/dialogue.h"

/* One byte of the ring: which form the answer has, and what is known of its command. */
enum reply {
    REPLY_UNKNOWN,  /* the command byte has not come yet */
    REPLY_NONE,     /* no answer; leaves the ring when the command has come in whole */
    REPLY_ONE,      /* one packet */
    REPLY_DATABASE, /* one packet; OK: the database is now the collected one */
    REPLY_RESET,    /* one packet; OK: no prepared statement is left */
    REPLY_AUTH,     /* the login's packets, until OK or ERR */
    REPLY_QUERY,    /* OK, LOCAL INFILE or a result set, each perhaps with more behind it */
    REPLY_PREPARE,  /* statement id and definitions */
    REPLY_LIST,     /* rows or definitions until EOF */
    REPLY_KIND = 0x0f,
    REPLY_CURSOR = 0x10, /* a cursor may be opened: then no rows follow the definitions */
    REPLY_NAMES = 0x20,  /* d->collect belongs to this one */
    REPLY_READS = 0x40,  /* a statement that reads and leaves transactions as they are; PREPARE: of
                            one */
    REPLY_WRITES = 0x80, /* counted in write_outstanding */
};

enum answer { /* where the current answer stands: which packet comes next */
    ANSWER_FIRST,
    ANSWER_COLUMNS,
    ANSWER_COLUMNS_END,
    ANSWER_ROWS,
    ANSWER_PARAMETERS, /* of a PREPARE, then its columns */
    ANSWER_PARAMETERS_END,
};

static inline uint8_t *ring_at(struct dialogue *d, uint16_t place)
{
    uint8_t *ring = d->ring ? d->ring : d->ring_inline;
    return &ring[(unsigned)(d->ring_head + place) & (unsigned)(d->ring_cap - 1)];
}
static inline uint8_t *ring_front(struct dialogue *d) /* the answer that the server sends next */
{
    return ring_at(d, 0);
}
static inline uint8_t *ring_back(struct dialogue *d) /* the command that the client sent last */
{
    return ring_at(d, (uint16_t)(d->ring_len - 1));
}
/* A command begins. Not at DIALOGUE_PIPELINE_MAX. */
void ring_push(struct dialogue *d);

/* No longer understood, says so once. why: static text. */
unsigned dialogue_lose(struct dialogue *d, const char *why);

#endif
