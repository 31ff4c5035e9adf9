#include "common/utf8.h"
#include "unit.h"

static void decodes(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        uint32_t c;
    } good[] = {{"a", 1, 'a'}, {"\xC3\xA4", 2, 0xE4}, {"\xE2\x82\xAC", 3, 0x20AC},
        {"\xF0\x9F\x98\x80", 4, 0x1F600}, {"\xF4\x8F\xBF\xBF", 4, 0x10FFFF}, {"\xC2\x80", 2, 0x80},
        {"\xE0\xA0\x80", 3, 0x800}, {"\xF0\x90\x80\x80", 4, 0x10000}};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint32_t c = 0;
        assert_int_equal(utf8_decode(good[i].bytes, strlen(good[i].bytes), &c), good[i].len);
        assert_int_equal(c, good[i].c);
        /* One byte less is no character. */
        for (size_t n = 1; n < good[i].len; n++)
            assert_int_equal(utf8_decode(good[i].bytes, n, &c), 0);
    }
}

static void refuses(void **state)
{
    static const char *const bad[] = {"\x80", "\xC3(", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF",
        "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
        "\xF8\x88\x80\x80\x80", "\xFF", "\xFE", "\xE2\x82(", "\xF0\x9F\x98("};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint32_t c;
        if (utf8_decode(bad[i], strlen(bad[i]), &c) != 0)
            fail_msg("sequence %zu was accepted", i);
    }
}

static void check_finds_the_place(void **state)
{
    (void)state;
    assert_int_equal(utf8_check("", 0), 0);
    assert_int_equal(utf8_check("Praxis Dr. M\xC3\xBCller", 18), 18);
    assert_int_equal(utf8_check("M\xFCller", 6), 1);
    assert_int_equal(utf8_check("abc\xC3", 4), 3);
    assert_int_equal(utf8_check("a\0b", 3), 3);
}

static void cut_between_characters(void **state)
{
    static const char text[] = "a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80z"; /* 1 2 3 4 1 bytes */
    static const size_t ends[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
    char buf[32];

    (void)state;
    for (size_t max = 0; max < sizeof ends / sizeof ends[0]; max++) {
        assert_int_equal(utf8_cut(text, strlen(text), max), ends[max]);
        assert_int_equal(strlen(utf8_copy(buf, max + 1, text)), ends[max]);
        assert_memory_equal(buf, text, ends[max]);
    }
    assert_int_equal(utf8_cut("\x80\x80\x80\x80\x80\x80", 6, 5), 5); /* no characters at all */
    assert_string_equal(utf8_copy(buf, sizeof buf, "M\xFCller \xC3"), "M?ller ?");
    strcpy(buf, "\xE4\xF6\xFC");
    assert_string_equal(utf8_copy(buf, sizeof buf, buf), "???");
}

/* Each size of the buffer and each short part of a message: what is there is the beginning of the
 * whole, in whole characters, and as much as fits. */
static void words_are_cut_between_characters(void **state)
{
    static const char text[] = "K\xC3\xB6rper \xE2\x82\xAC\xF0\x9F\x98\x80";
    char buf[64], whole[64];

    (void)state;
    size_t n = utf8_format(whole, sizeof whole, "%s: %s!", text, text);
    assert_int_equal(n, 2 * strlen(text) + 3);
    for (size_t size = 1; size <= n + 1; size++) {
        size_t len = utf8_format(buf, size, "%s: %s!", text, text);
        assert_int_equal(len, utf8_cut(whole, n, size - 1));
        assert_int_equal(strlen(buf), len);
        assert_memory_equal(buf, whole, len);
    }
    for (size_t max = 0; max <= strlen(text); max++) {
        utf8_format(buf, sizeof buf, "<%s>", utf8_copy((char[32]){""}, max + 1, text));
        size_t len = utf8_cut(text, strlen(text), max);
        assert_int_equal(strlen(buf), len + 2);
        assert_memory_equal(buf + 1, text, len);
        assert_string_equal(buf + 1 + len, ">");
    }
    assert_int_equal(utf8_format(buf, 1, "%s", text), 0);
    strcpy(buf, "\xC3\xA4");
    utf8_format(buf, sizeof buf, "%s and %s \xFC", buf, UTF8_SHORT(NULL, 8));
    assert_string_equal(buf, "\xC3\xA4 and  ?");
}

static void controls(void **state)
{
    static const uint32_t bad[] = {
        0, 7, 10, 27, 0x1F, 0x7F, 0x80, 0x9B, 0x9F, 0x2028, 0x2029, 0x202E, 0x2066, 0x200F, 0xFEFF};
    static const uint32_t fine[] = {' ', 'a', '~', 0xA0, 0xE4, 0x20AC, 0x1F600, 0x200D};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_true(utf8_is_control(bad[i]));
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
        assert_false(utf8_is_control(fine[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes),
        cmocka_unit_test(refuses),
        cmocka_unit_test(check_finds_the_place),
        cmocka_unit_test(cut_between_characters),
        cmocka_unit_test(words_are_cut_between_characters),
        cmocka_unit_test(controls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
