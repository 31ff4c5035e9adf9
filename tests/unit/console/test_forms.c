/* Form and JSON bodies, cookies, languages. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "console/pages/forms.h"

static void expect(const char *body, const char *wanted)
{
    struct err e = {0};
    json_t *form = NULL, *want = json_loads(wanted, 0, NULL);
    assert_non_null(want);
    assert_int_equal(form_parse(body, strlen(body), &form, &e), 0);
    if (!json_equal(form, want))
        fail_msg("%s gives %s", body, json_dumps(form, 0));
    json_decref(form);
    json_decref(want);
}

static void refuse(const char *body, size_t len, int code)
{
    struct err e = {0};
    json_t *form = NULL;
    assert_int_equal(form_parse(body, len, &form, &e), -code);
    assert_null(form);
    assert_true(e.text[0]);
}

static void forms(void **state)
{
    (void)state;
    expect("", "{}");
    expect("a=1&b=2", "{\"a\":\"1\",\"b\":\"2\"}");
    expect("a=1&a=2&a=3", "{\"a\":[\"1\",\"2\",\"3\"]}");
    expect("a", "{\"a\":\"\"}");
    expect("&&a=&&", "{\"a\":\"\"}");
    expect("a=b=c", "{\"a\":\"b=c\"}");
    expect("a=x+y%20z%2B", "{\"a\":\"x y z+\"}");
    expect("%61=%C3%BC", "{\"a\":\"ü\"}");
    refuse("a=%", 3, EINVAL);
    refuse("a=%4", 4, EINVAL);
    refuse("a=%zz", 5, EINVAL);
    refuse("a=%00", 5, EINVAL);
    refuse("a=\0b", 4, EINVAL);
    refuse("a=%ff", 5, EINVAL);
    refuse("%ed%a0%80=1", 11, EINVAL); /* a surrogate */
}

static void many_fields(void **state)
{
    char body[(FORM_FIELDS_MAX + 1) * 4 + 1] = "";
    (void)state;
    for (int i = 0; i < FORM_FIELDS_MAX; i++)
        strcat(body, "a=1&");
    struct err e = {0};
    json_t *form = NULL;
    assert_int_equal(form_parse(body, strlen(body), &form, &e), 0);
    assert_int_equal(json_array_size(json_object_get(form, "a")), FORM_FIELDS_MAX);
    json_decref(form);
    strcat(body, "a=1&");
    refuse(body, strlen(body), E2BIG);
}

static void fields(void **state)
{
    struct err e = {0};
    json_t *form = NULL;
    static const char body[] = "name=++x+y+&on=on&off=no&l=1&l=2&one=3&empty=";
    (void)state;
    assert_int_equal(form_parse(body, strlen(body), &form, &e), 0);
    assert_string_equal(form_text(form, "name"), "x y");
    assert_string_equal(form_text(form, "empty"), "");
    assert_null(form_text(form, "missing"));
    assert_null(form_text(form, "l"));
    assert_true(form_flag(form, "on"));
    assert_false(form_flag(form, "off"));
    assert_false(form_flag(form, "missing"));
    json_t *list = form_texts(form, "l"), *one = form_texts(form, "one"),
           *none = form_texts(form, "empty");
    assert_int_equal(json_array_size(list), 2);
    assert_int_equal(json_array_size(one), 1);
    assert_int_equal(json_array_size(none), 0);
    json_decref(list);
    json_decref(one);
    json_decref(none);
    json_decref(form);
}

static int json(const char *body)
{
    struct err e = {0};
    json_t *form = NULL;
    int r = form_parse_json(body, strlen(body), &form, &e);
    assert_true(r == 0 ? json_is_object(form) : form == NULL && e.text[0]);
    json_decref(form);
    return r;
}

static void json_bodies(void **state)
{
    (void)state;
    assert_int_equal(json("{\"a\":[1,{\"b\":\"]]]]]]]]]]\"}]}"), 0);
    assert_int_equal(json(""), -EINVAL);
    assert_int_equal(json("[]"), -EINVAL);
    assert_int_equal(json("{} x"), -EINVAL);
    assert_int_equal(json("{\"a\":1,\"a\":2}"), -EINVAL);
    assert_int_equal(json("{\"a\":[[[[[[[[1]]]]]]]]}"), -EINVAL);
    assert_int_equal(json("{\"a\":\"\\\"[[[[[[[[\"}"), 0);
}

static void expect_cookie(const char *header, const char *wanted)
{
    char *value = cookie_find(header, "id");
    if (wanted)
        assert_string_equal(value, wanted);
    else
        assert_null(value);
    free(value);
}

static void cookies(void **state)
{
    (void)state;
    expect_cookie(NULL, NULL);
    expect_cookie("", NULL);
    expect_cookie("id=1", "1");
    expect_cookie("a=b; id=1; c=d", "1");
    expect_cookie("a=b;id=1", "1");
    expect_cookie("id=\"q\"", "q");
    expect_cookie("id=", "");
    expect_cookie("id", NULL);
    expect_cookie("xid=1", NULL);
    expect_cookie("ID=1", NULL);
    expect_cookie("a=id=1", NULL);
    expect_cookie("id=1; id=2", NULL); /* one of them is not ours */
}

static void languages(void **state)
{
    static const char *const cases[][2] = {{"", "de"}, {"de", "de"}, {"en", "en"},
        {"en-GB,de;q=0.5", "en"}, {"de-CH,de;q=0.9,en;q=0.8", "de"}, {"fr", "fr"}, {"es", "de"},
        {"rm,it-CH;q=0.7", "it"}, {"es,en;q=0.1", "en"}, {"en;q=0", "de"},
        {"en;q=0.3,de;q=0.35", "de"}, {"*", "de"}, {"end,deu", "de"}, {"EN-us", "en"},
        {"en;q=x", "de"}, {",,;;,en", "en"}};
    (void)state;
    assert_int_equal(language_choose(NULL), LANG_DE);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(lang_code(language_choose(cases[i][0])), cases[i][1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(forms), cmocka_unit_test(many_fields),
        cmocka_unit_test(fields), cmocka_unit_test(json_bodies), cmocka_unit_test(cookies),
        cmocka_unit_test(languages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
