/*
 * A growing byte buffer that says its maximum when it is made. Zero bytes of memory while empty.
 */
#ifndef ELEXGATE_COMMON_BUFFER_H
#define ELEXGATE_COMMON_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/error.h"

struct buffer {
    uint8_t *data; /* NULL while empty */
    size_t start;  /* consumed bytes in front */
    size_t end;    /* one past the last byte */
    size_t cap, max;
};

static inline size_t buffer_len(const struct buffer *b)
{
    return b->end - b->start;
}
static inline const uint8_t *buffer_ptr(const struct buffer *b)
{
    return b->data ? b->data + b->start : NULL; /* NULL + 0 is undefined */
}
void buffer_init(struct buffer *b, size_t max);
/* -ENOBUFS when it would grow past max; the buffer is then unchanged. */
int buffer_append(struct buffer *b, const void *data, size_t n) MUSTCHECK;
/* Drops n bytes in front; frees the memory when nothing is left. */
void buffer_consume(struct buffer *b, size_t n);
void buffer_free(struct buffer *b); /* empty, memory returned, max kept */

#endif
