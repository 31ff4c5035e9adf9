/* Members of a JSON object: there, of another type, not there, and no object at all. */
#include "tests/unit/common/unit.h"

#include "common/json_get.h"

static void members(void **state)
{
    json_t *o = json_pack("{s:s, s:i, s:b, s:n}", "text", "words", "number", 7, "yes", 1, "null");
    (void)state;
    assert_string_equal(json_get_str(o, "text"), "words");
    assert_string_equal(json_get_text(o, "text"), "words");
    assert_int_equal(json_get_int(o, "number"), 7);
    assert_true(json_get_true(o, "yes"));
    for (const char *const *key = (const char *const[]){"null", "missing", NULL}; *key; key++) {
        assert_null(json_get_str(o, *key));
        assert_string_equal(json_get_text(o, *key), "");
        assert_int_equal(json_get_int(o, *key), 0);
        assert_false(json_get_true(o, *key));
    }
    assert_null(json_get_str(o, "number"));
    assert_int_equal(json_get_int(o, "text"), 0);
    assert_false(json_get_true(o, "number"));
    assert_string_equal(json_get_text(NULL, "text"), "");
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(members)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
