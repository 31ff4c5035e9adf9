#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/output.h"
#include "common/utf8.h"

static void safe(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {{NULL, ""}, {"", ""}, {"M\xC3\xBCller", "M\xC3\xBCller"}, {"a\x1b[2Jb", "a?[2Jb"},
        {"a\nb\tc", "a?b?c"}, {"caf\xE9", "caf?"}, {"\xC2\x9B", "?"}, {"\xE2\x80\xAE", "?"},
        {"\xC3", "?"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        _cleanup_free_ char *s = output_safe(cases[i].in);
        assert_string_equal(s, cases[i].out);
    }
}

static void members(void **state)
{
    json_t *o = json_pack("{s:s, s:i, s:b, s:f, s:n, s:[]}", "text", "a\nb", "n", -7, "yes", 1, "x",
        0.5, "null", "list");
    static const struct {
        const char *key, *text;
    } cases[] = {{"text", "a?b"}, {"n", "-7"}, {"yes", "yes"}, {"x", "0.5"}, {"null", ""},
        {"list", ""}, {"missing", ""}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        _cleanup_free_ char *s = output_member(o, cases[i].key);
        assert_string_equal(s, cases[i].text);
    }
    assert_int_equal(output_number(o, "n", 1), -7);
    assert_int_equal(output_number(o, "text", 1), 1);
    assert_int_equal(output_number(NULL, "n", 1), 1);
    json_decref(o);
}

/* What table_print writes; malloc'ed. */
static char *printed(const struct table *t, size_t width)
{
    char name[] = "/tmp/elexgate-table-XXXXXX";
    int fd = mkstemp(name), saved = dup(STDOUT_FILENO);

    assert_true(fd >= 0);
    unlink(name);
    fflush(stdout);
    dup2(fd, STDOUT_FILENO);
    table_print(t, width);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    off_t n = lseek(fd, 0, SEEK_END);
    char *text = xmalloc((size_t)n + 1);
    assert_int_equal(pread(fd, text, (size_t)n, 0), n);
    text[n] = '\0';
    close(fd);
    return text;
}

static struct table *people(void)
{
    struct table *t = table_create((const char *const[]){">ID", "NAME", "FROM", NULL});

    table_add(t, (const char *const[]){"7", "M\xC3\xBCller", "10.0.0.1"});
    table_add(t, (const char *const[]){"123", "A very long name indeed", "10.0.0.200"});
    return t;
}

static void as_wide_as_needed(void **state)
{
    struct table *t = people();
    _cleanup_free_ char *text = printed(t, 0);

    (void)state;
    assert_string_equal(text, " ID  NAME                     FROM\n"
                              "  7  M\xC3\xBCller                   10.0.0.1\n"
                              "123  A very long name indeed  10.0.0.200\n");
    table_free(t);
    table_free(NULL);
}

static void fits_every_width(void **state)
{
    struct table *t = people();

    (void)state;
    for (size_t width = 16; width < 50; width++) {
        _cleanup_free_ char *text = printed(t, width);
        size_t lines = 0;
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++) {
            assert_true(output_columns(line) <= width);
            assert_int_equal(utf8_check(line, strlen(line)), strlen(line));
        }
        assert_int_equal(lines, 3);
    }
    _cleanup_free_ char *text = printed(t, 30);
    assert_string_equal(text, " ID  NAME           FROM\n"
                              "  7  M\xC3\xBCller         10.0.0.1\n"
                              "123  A very long \xE2\x80\xA6  10.0.0.200\n");
    /* Narrower than the narrowest columns: nothing is lost but the width. */
    _cleanup_free_ char *tiny = printed(t, 3);
    assert_non_null(strstr(tiny, "123"));
    table_free(t);
}

static void columns(void **state)
{
    (void)state;
    assert_int_equal(output_columns(""), 0);
    assert_int_equal(output_columns("M\xC3\xBCller"), 6);
    assert_int_equal(output_columns("\xFF\xFE"), 2);
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        skip();
    assert_int_equal(output_columns("\xE6\xBC\xA2"), 2); /* a wide character */
    assert_int_equal(output_columns("u\xCC\x88"), 1);    /* a combining one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(safe),
        cmocka_unit_test(members),
        cmocka_unit_test(as_wide_as_needed),
        cmocka_unit_test(fits_every_width),
        cmocka_unit_test(columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
