#include <errno.h>

#include "common/json_lines.h"
#include "common/json_get.h"
#include "unit.h"

static int collect(void *ctx, json_t *object)
{
    return json_array_append(ctx, object);
}

static void one_and_several(void **state)
{
    const char text[] = "{\"a\":1}\n{\"b\":2}\r\n{\"c\":3}\n{\"d\"";
    struct json_splitter s = {0};
    struct err e = {0};
    json_t *got = json_array();

    (void)state;
    assert_int_equal(json_splitter_feed(&s, text, sizeof text - 1, collect, got, &e), 0);
    assert_int_equal(json_array_size(got), 3);
    assert_int_equal(s.len, 4); /* the part of a line waits */
    assert_int_equal(json_splitter_feed(&s, ":4}\n", 4, collect, got, &e), 0);
    assert_int_equal(json_array_size(got), 4);
    assert_int_equal(json_get_int(json_array_get(got, 3), "d"), 4);
    assert_null(s.buf); /* nothing kept between lines */
    json_decref(got);
    json_splitter_clear(&s);
}

static void byte_at_a_time(void **state)
{
    const char text[] = "{\"cmd\":\"status\",\"n\":[1,2,{\"x\":\"\xC3\xA4\"}]}\n{\"cmd\":\"b\"}\n";
    struct json_splitter s = {0};
    struct err e = {0};
    json_t *got = json_array();

    (void)state;
    for (size_t i = 0; i < sizeof text - 1; i++)
        assert_int_equal(json_splitter_feed(&s, text + i, 1, collect, got, &e), 0);
    assert_int_equal(json_array_size(got), 2);
    assert_string_equal(json_get_str(json_array_get(got, 0), "cmd"), "status");
    json_decref(got);
    json_splitter_clear(&s);
}

static void not_an_object(void **state)
{
    static const char *const bad[] = {"\n", "[1]\n", "1\n", "null\n", "{\"a\":1} x\n", "{a:1}\n",
        "{\"a\":1,\"a\":2}\n", "{\"a\":\"\xFF\"}\n", "{\"a\":\"\\u0000\"}\n", "{\"a\":1\n",
        "{}{}\n"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct json_splitter s = {0};
        struct err e = {0};
        json_t *got = json_array();
        if (json_splitter_feed(&s, bad[i], strlen(bad[i]), collect, got, &e) != -EBADMSG)
            fail_msg("%s was accepted", bad[i]);
        assert_true(e.text[0] != '\0');
        assert_int_equal(json_array_size(got), 0);
        json_splitter_clear(&s);
        json_decref(got);
    }
}

/* JSON's own depth limit, not the stack's. */
static void very_deep(void **state)
{
    size_t n = 100000;
    char *text = xmalloc(n + 1);
    struct json_splitter s = {0};
    struct err e = {0};

    (void)state;
    memset(text, '[', n);
    text[n] = '\n';
    assert_int_equal(json_splitter_feed(&s, text, n + 1, collect, NULL, &e), -EBADMSG);
    json_splitter_clear(&s);
    free(text);
}

static void a_line_that_is_too_long(void **state)
{
    struct json_splitter s = {.max = 20};
    struct err e = {0};
    json_t *got = json_array();

    (void)state;
    /* 20 bytes are allowed, with the newline as the 21st. */
    assert_int_equal(json_splitter_feed(&s, "{\"abcdefgh\":1234567}\n", 21, collect, got, &e), 0);
    assert_int_equal(json_array_size(got), 1);
    assert_int_equal(
        json_splitter_feed(&s, "{\"abcdefgh\":12345678}\n", 22, collect, got, &e), -EMSGSIZE);
    assert_says(&e, "longer than 20 bytes");
    /* Without a newline it is noticed all the same, before more is kept. */
    json_splitter_clear(&s);
    for (int i = 0; i < 20; i++)
        assert_int_equal(json_splitter_feed(&s, " ", 1, collect, got, &e), 0);
    assert_int_equal(json_splitter_feed(&s, " ", 1, collect, got, &e), -EMSGSIZE);
    assert_true(s.cap <= 20);
    json_splitter_clear(&s);
    json_decref(got);
}

static void the_default_limit(void **state)
{
    size_t n = JSON_LINE_MAX + 1;
    char *text = xmalloc(n);
    struct json_splitter s = {0};

    (void)state;
    memset(text, ' ', n);
    assert_int_equal(json_splitter_feed(&s, text, n - 1, collect, NULL, NULL), 0);
    assert_int_equal(json_splitter_feed(&s, text, 1, collect, NULL, NULL), -EMSGSIZE);
    json_splitter_clear(&s);
    free(text);
}

static int stop_at_second(void *ctx, json_t *object)
{
    (void)object;
    return ++*(int *)ctx == 2 ? -ECANCELED : 0;
}

static void the_callback_can_stop(void **state)
{
    struct json_splitter s = {0};
    int seen = 0;

    (void)state;
    assert_int_equal(
        json_splitter_feed(&s, "{}\n{}\n{}\n", 9, stop_at_second, &seen, NULL), -ECANCELED);
    assert_int_equal(seen, 2);
    json_splitter_clear(&s);
}

static void lines_and_errors(void **state)
{
    json_t *o = json_pack("{s:s, s:i}", "a", "x\ny", "b", 1);
    size_t len = 0;
    char *line = json_line(o, &len);

    (void)state;
    assert_string_equal(line, "{\"a\":\"x\\ny\",\"b\":1}\n");
    assert_int_equal(len, strlen(line));
    free(line);
    json_decref(o);

    o = json_error(-ENOSPC, "%s is full", "disk");
    line = json_line(o, NULL);
    assert_string_equal(line,
        "{\"ok\":false,\"code\":\"ENOSPC\",\"error\":\"disk is full\",\"error_phrase\":[\"%s is full\",\"disk\"]}\n");
    assert_int_equal(json_answer_errno(o), ENOSPC);
    free(line);
    json_decref(o);

    o = json_error(EINVAL, "name \xFF\xFE is bad"); /* a peer's bytes */
    assert_string_equal(json_get_str(o, "error"), "name ?? is bad");
    json_decref(o);

    json_t *none = json_text(NULL);
    assert_true(json_is_null(none));
    json_decref(none);
    none = json_text("M\xFCller");
    assert_string_equal(json_string_value(none), "M?ller");
    json_decref(none);
    line = json_line(NULL, &len); /* what json_pack makes of such bytes */
    assert_int_equal(len, strlen(line));
    assert_non_null(strstr(line, "\"code\":\"EILSEQ\""));
    free(line);

    o = json_pack("{s:s}", "code", "EWHATEVER");
    assert_int_equal(json_answer_errno(o), EIO);
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_and_several),
        cmocka_unit_test(byte_at_a_time),
        cmocka_unit_test(not_an_object),
        cmocka_unit_test(very_deep),
        cmocka_unit_test(a_line_that_is_too_long),
        cmocka_unit_test(the_default_limit),
        cmocka_unit_test(the_callback_can_stop),
        cmocka_unit_test(lines_and_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
