#include <errno.h>

#include "common/buffer.h"
#include "unit.h"

static void grows_and_gives_back(void **state)
{
    struct buffer b;

    (void)state;
    buffer_init(&b, 1000);
    assert_null(b.data);
    assert_int_equal(buffer_append(&b, "hello ", 6), 0);
    assert_int_equal(buffer_append(&b, "world", 5), 0);
    assert_int_equal(buffer_len(&b), 11);
    assert_memory_equal(buffer_ptr(&b), "hello world", 11);
    buffer_consume(&b, 6);
    assert_memory_equal(buffer_ptr(&b), "world", 5);
    buffer_consume(&b, 5);
    assert_int_equal(buffer_len(&b), 0);
    assert_null(b.data); /* no memory while empty */
    assert_int_equal(b.max, 1000);
}

static void never_past_its_maximum(void **state)
{
    static const char big[2000];
    struct buffer b;

    (void)state;
    buffer_init(&b, 1000);
    assert_int_equal(buffer_append(&b, big, 1001), -ENOBUFS);
    assert_int_equal(buffer_append(&b, "x", 1), 0);
    assert_int_equal(buffer_append(&b, big, 1000), -ENOBUFS);
    assert_int_equal(buffer_len(&b), 1); /* unchanged */
    assert_int_equal(buffer_append(&b, big, 999), 0);
    assert_true(b.cap <= 1000);
    assert_int_equal(buffer_append(&b, big, SIZE_MAX), -ENOBUFS);
    /* What was consumed makes room again. */
    buffer_consume(&b, 500);
    assert_int_equal(buffer_append(&b, big, 500), 0);
    assert_int_equal(buffer_append(&b, "x", 1), -ENOBUFS);
    buffer_free(&b);
    assert_null(b.data);
    assert_int_equal(buffer_append(&b, "x", 1), 0); /* usable after buffer_free */
    buffer_free(&b);
}

/* A stream through the buffer comes out as it went in, whatever the pieces. */
static void stream_keeps_order(void **state)
{
    struct buffer b;
    uint8_t next_in = 0, next_out = 0;
    unsigned seed = 1;

    (void)state;
    buffer_init(&b, 5000);
    for (int i = 0; i < 20000; i++) {
        uint8_t piece[300];
        seed = seed * 1103515245u + 12345u;
        size_t n = (seed >> 16) % sizeof piece;
        if (seed & 0x10000000u) {
            for (size_t k = 0; k < n; k++)
                piece[k] = (uint8_t)(next_in + k);
            if (buffer_append(&b, piece, n) == 0)
                next_in = (uint8_t)(next_in + n);
        } else {
            if (n > buffer_len(&b))
                n = buffer_len(&b);
            for (size_t k = 0; k < n; k++)
                assert_int_equal(buffer_ptr(&b)[k], (uint8_t)(next_out + k));
            buffer_consume(&b, n);
            next_out = (uint8_t)(next_out + n);
        }
        assert_true(b.cap <= b.max);
    }
    buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_gives_back),
        cmocka_unit_test(never_past_its_maximum),
        cmocka_unit_test(stream_keeps_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
