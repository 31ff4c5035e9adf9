#include "common/buffer.h"

#include <errno.h>
#include <string.h>

#define FIRST_SIZE 256

void buffer_init(struct buffer *b, size_t max)
{
    *b = (struct buffer){.max = max};
}

void buffer_free(struct buffer *b)
{
    free(b->data);
    buffer_init(b, b->max);
}

/* Makes room for n bytes behind the end: by moving to the front where half the memory or more is
 * consumed bytes, so that the moving stays cheaper than the filling, else by growing. */
static bool make_room(struct buffer *b, size_t n)
{
    size_t len = buffer_len(b);

    if (n > b->max - len)
        return false;
    if (n <= b->cap - b->end)
        return true;
    if (len + n <= b->cap && (b->start >= b->cap / 2 || b->cap == b->max)) {
        memmove(b->data, b->data + b->start, len);
    } else {
        size_t cap = b->cap ? b->cap : FIRST_SIZE;
        while (cap < len + n && cap <= b->max / 2)
            cap *= 2;
        if (cap < len + n || cap > b->max)
            cap = b->max;
        /* Not realloc: that would also copy the consumed bytes. */
        uint8_t *data = xmalloc(cap);
        if (len)
            memcpy(data, b->data + b->start, len);
        free(b->data);
        b->data = data;
        b->cap = cap;
    }
    b->start = 0;
    b->end = len;
    return true;
}

int buffer_append(struct buffer *b, const void *data, size_t n)
{
    if (!make_room(b, n))
        return -ENOBUFS;
    if (n) {
        memcpy(b->data + b->end, data, n);
        b->end += n;
    }
    return 0;
}

void buffer_consume(struct buffer *b, size_t n)
{
    ASSERT(n <= buffer_len(b));
    b->start += n;
    if (b->start == b->end)
        buffer_free(b);
}
