#include <errno.h>
#include <stdio.h>

#include "unit.h"

static void records_code_and_words(void **state)
{
    struct err e = {0};

    (void)state;
    assert_int_equal(err_set(&e, EINVAL, "port %d is wrong", 7), -EINVAL);
    assert_int_equal(e.code, EINVAL);
    assert_string_equal(e.text, "port 7 is wrong");
    assert_int_equal(err_sys(&e, ENOENT, "cannot open %s", "x"), -ENOENT);
    assert_string_equal(e.text, "cannot open x: No such file or directory");
}

static void null_drops_the_words(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, EIO, "x"), -EIO);
    assert_int_equal(err_sys(NULL, EIO, "x"), -EIO);
    assert_int_equal(err_prefix(NULL, -EIO, "x"), -EIO);
}

static void prefix_keeps_code_and_result(void **state)
{
    struct err e = {0};
    int r = err_set(&e, ENOSPC, "disk full");

    (void)state;
    assert_int_equal(err_prefix(&e, r, "backup %s", "a"), -ENOSPC);
    assert_int_equal(e.code, ENOSPC);
    assert_string_equal(e.text, "backup a: disk full");
    /* The arguments may point into the text that is replaced. */
    err_prefix(&e, r, "%.6s", e.text);
    assert_string_equal(e.text, "backup: backup a: disk full");
}

static void too_long_is_cut_between_characters(void **state)
{
    char long_text[2 * sizeof(((struct err *)0)->text) + 1];
    struct err e = {0};

    (void)state;
    for (int shift = 0; shift < 4; shift++) {
        memset(long_text, 'a', sizeof long_text);
        for (size_t i = (size_t)shift; i + 2 < sizeof long_text; i += 2)
            memcpy(long_text + i, "\xC3\xA4", 2); /* ä */
        long_text[sizeof long_text - 1] = '\0';
        err_set(&e, EIO, "%s", long_text);
        size_t n = strlen(e.text);
        assert_in_range(n, sizeof e.text - 3, sizeof e.text - 1);
        assert_int_not_equal((unsigned char)e.text[n - 1], 0xC3);
        err_prefix(&e, -EIO, "prefix");
        assert_memory_equal(e.text, "prefix: ", 8);
        assert_true(strlen(e.text) < sizeof e.text);
    }
}

static void allocations_of_nothing(void **state)
{
    void *p = xmalloc(0), *q = xcalloc(0, 8);

    (void)state;
    assert_non_null(p);
    assert_non_null(q);
    p = xrealloc(p, 0);
    assert_non_null(p);
    free(p);
    free(q);
    assert_null(xstrdup(NULL));
}

static void outcome_has_words_and_its_own_result(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(err_outcome(&e, 9, EBUSY, "%s is open", "it"), 9);
    assert_int_equal(e.code, EBUSY);
    assert_string_equal(e.text, "it is open");
    assert_int_equal(err_outcome(NULL, 9, EBUSY, "x"), 9);
}

static void text_grows(void **state)
{
    (void)state;
    _cleanup_free_ char *text = NULL;
    xappendf(&text, "%s", "");
    assert_string_equal(text, "");
    xappendf(&text, "%s=%d", "a", 1);
    xappendf(&text, ", %s", text); /* of itself */
    assert_string_equal(text, "a=1, a=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_code_and_words),
        cmocka_unit_test(null_drops_the_words),
        cmocka_unit_test(prefix_keeps_code_and_result),
        cmocka_unit_test(outcome_has_words_and_its_own_result),
        cmocka_unit_test(text_grows),
        cmocka_unit_test(too_long_is_cut_between_characters),
        cmocka_unit_test(allocations_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
