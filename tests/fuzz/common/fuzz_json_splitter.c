/*
 * The splitter gives the same objects and the same verdict in one piece, byte at a time and in
 * pieces of 7, and never keeps more than its limit.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/json_lines.h"

#define LIMIT 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int collect(void *ctx, json_t *object)
{
    CHECK(json_array_append((json_t *)ctx, object) == 0);
    return 0;
}

static int feed_in_pieces(const char *data, size_t size, size_t piece, json_t *objects)
{
    struct json_splitter s = {.max = LIMIT};
    struct err e = {0};
    int r = 0;

    for (size_t i = 0; i < size && r == 0; i += piece) {
        size_t n = size - i < piece ? size - i : piece;
        r = json_splitter_feed(&s, data + i, n, collect, objects, &e);
        CHECK(s.len <= LIMIT && s.cap <= LIMIT + 512);
    }
    CHECK(r == 0 || (r == -e.code && e.text[0]));
    json_splitter_clear(&s);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *whole = json_array(), *pieces = json_array();
    int r = feed_in_pieces((const char *)data, size, size ? size : 1, whole);
    static const size_t steps[] = {1, 7};

    for (size_t i = 0; i < 2; i++) {
        json_array_clear(pieces);
        CHECK(feed_in_pieces((const char *)data, size, steps[i], pieces) == r);
        CHECK(json_equal(whole, pieces));
    }
    json_decref(whole);
    json_decref(pieces);
    return 0;
}
