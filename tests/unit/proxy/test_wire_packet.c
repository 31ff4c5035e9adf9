#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "proxy/wire/packet.h"

static void numbers_are_little_endian(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1, 2, 0, 3, 0, 1, 4, 0, 0, 1, 5, 0, 0, 0, 0, 0, 0, 1};
    struct cursor c = cursor_make(bytes, sizeof bytes);
    assert_int_equal(cursor_u8(&c), 1);
    assert_int_equal(cursor_u16(&c), 2);
    assert_int_equal(cursor_u24(&c), 0x010003);
    assert_int_equal(cursor_u32(&c), 0x01000004);
    assert_true(cursor_u64(&c) == UINT64_C(0x0100000000000005));
    assert_int_equal(cursor_left(&c), 0);
    assert_false(c.bad);
}

static void lenenc_forms(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[9];
        size_t n;
        uint64_t value;
        bool bad;
    } cases[] = {
        {{0}, 1, 0, false},
        {{0xfa}, 1, 250, false},
        {{0xfb}, 1, 0, true},
        {{0xfc, 0xfb, 0}, 3, 251, false},
        {{0xfc, 0xfb}, 2, 0, true},
        {{0xfd, 0, 0, 1}, 4, 65536, false},
        {{0xfd, 0, 0}, 3, 0, true},
        {{0xfe, 0, 0, 0, 1, 0, 0, 0, 0}, 9, 16777216, false},
        {{0xfe, 0, 0, 0, 1, 0, 0, 0}, 8, 0, true},
        {{0xff}, 1, 0, true},
        {{0}, 0, 0, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cursor c = cursor_make(cases[i].bytes, cases[i].n);
        assert_true(cursor_lenenc(&c) == cases[i].value);
        assert_int_equal(c.bad, cases[i].bad);
    }
}

static void bad_stays_bad(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {7, 8, 0};
    struct cursor c = cursor_make(bytes, sizeof bytes);
    size_t len = 99;
    assert_null(cursor_bytes(&c, 4));
    assert_true(c.bad);
    assert_int_equal(cursor_u8(&c), 0);
    assert_null(cursor_string(&c, &len));
    assert_int_equal(len, 0);
    assert_int_equal(cursor_left(&c), 0);
}

static void strings_need_their_nul(void **state)
{
    (void)state;
    size_t len;
    struct cursor c = cursor_make("ab\0cd", 5);
    assert_string_equal(cursor_string(&c, &len), "ab");
    assert_int_equal(len, 2);
    assert_null(cursor_string(&c, &len));
    assert_true(c.bad);

    struct cursor empty = cursor_make("", 0);
    assert_null(cursor_string(&empty, &len));
}

static void errors_read_back(void **state)
{
    (void)state;
    uint8_t out[ERROR_PACKET_MAX];
    uint16_t code;
    char text[ERROR_PACKET_MAX];
    size_t n = error_packet(out, 3, 3159, "HY000", "Verschlüsselung nötig");
    assert_int_equal(packet_length(out), n - PACKET_HEADER);
    assert_int_equal(out[3], 3);
    assert_memory_equal(out + 7, "#HY000Versch", 12);
    assert_true(error_payload(out + PACKET_HEADER, n - PACKET_HEADER, &code, text, sizeof text));
    assert_int_equal(code, 3159);
    assert_string_equal(text, "Verschlüsselung nötig");

    n = error_packet(out, 0, 1040, NULL, "Too many");
    assert_int_equal(n, PACKET_HEADER + 3 + 8);
    assert_memory_equal(out + 7, "Too many", 8);
    assert_true(error_payload(out + PACKET_HEADER, n - PACKET_HEADER, &code, text, sizeof text));
    assert_string_equal(text, "Too many");
}

static void long_errors_are_cut_between_characters(void **state)
{
    (void)state;
    char message[1200];
    uint8_t out[ERROR_PACKET_MAX];
    for (size_t ahead = 0; ahead < 4; ahead++) { /* the cut falls on every byte of a character */
        memset(message, 'x', ahead);
        for (size_t i = ahead; i + 4 < sizeof message; i += 3)
            memcpy(message + i, "€", 4);
        size_t n = error_packet(out, 0, 1, "HY000", message);
        size_t text = n - PACKET_HEADER - 9;
        assert_in_range(text, 509, 511);
        assert_int_equal((text - ahead) % 3, 0);
        assert_memory_equal(out + PACKET_HEADER + 9, message, text);
    }
    memset(message, 0x80, sizeof message - 1); /* no UTF-8: cut at the limit */
    message[sizeof message - 1] = '\0';
    assert_int_equal(error_packet(out, 0, 1, "HY000", message), PACKET_HEADER + 9 + 511);
}

static void malformed_errors(void **state)
{
    (void)state;
    uint16_t code = 7;
    char text[8] = "before";
    assert_false(error_payload((const uint8_t *)"", 0, &code, text, sizeof text));
    assert_false(error_payload((const uint8_t *)"\xff\x01", 2, &code, text, sizeof text));
    assert_false(error_payload((const uint8_t *)"\x00\x01\x02", 3, &code, text, sizeof text));
    assert_int_equal(code, 7);
    assert_string_equal(text, "before");
    assert_true(error_payload((const uint8_t *)"\xff\x01\x02", 3, &code, text, sizeof text));
    assert_string_equal(text, "");
    assert_true(error_payload((const uint8_t *)"\xff\x01\x02#HY00", 8, &code, text, sizeof text));
    assert_string_equal(text, "#HY00"); /* too short for a state: text */
    assert_true(
        error_payload((const uint8_t *)"\xff\x01\x02 1234567890", 14, &code, text, sizeof text));
    assert_string_equal(text, " 123456");
    assert_true(error_payload((const uint8_t *)"\xff\x01\x02 1234", 8, &code, text, 1));
    assert_string_equal(text, "");
    memset(text, 'x', sizeof text - 1);
    assert_true(error_payload((const uint8_t *)"\xff\x01\x02 1234", 8, &code, text, 0));
    assert_int_equal(text[0], 'x'); /* no room: not touched */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_little_endian),
        cmocka_unit_test(lenenc_forms),
        cmocka_unit_test(bad_stays_bad),
        cmocka_unit_test(strings_need_their_nul),
        cmocka_unit_test(errors_read_back),
        cmocka_unit_test(long_errors_are_cut_between_characters),
        cmocka_unit_test(malformed_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
