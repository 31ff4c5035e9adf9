/* The template renderer: what its header promises. test_console_template.py compares it with
 * another implementation. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "console/view/template.h"
#include "common/json_get.h"

static const char *partial(void *ctx, const char *name, size_t *len)
{
    const char *text = json_get_str((json_t *)ctx, name);
    *len = text ? strlen(text) : 0;
    return text;
}

static int render(const char *text, const char *model, json_t *partials, char **out, struct err *e)
{
    size_t len = 0;
    json_t *m = json_loads(model, 0, NULL);
    assert_non_null(m);
    int r = template_render(
        "t", text, strlen(text), m, partials ? partial : NULL, partials, out, &len, e);
    json_decref(m);
    if (r == 0)
        assert_int_equal(len, strlen(*out));
    return r;
}

static void expect(const char *text, const char *model, const char *wanted)
{
    struct err e = {0};
    char *out = NULL;
    if (render(text, model, NULL, &out, &e) < 0)
        fail_msg("%s: %s", text, e.text);
    assert_string_equal(out, wanted);
    free(out);
}

static void refuse(const char *text, const char *model, int code, const char *words)
{
    struct err e = {0};
    char *out = NULL;
    assert_int_equal(render(text, model, NULL, &out, &e), -code);
    assert_null(out);
    assert_non_null(strstr(e.text, words));
}

static void values(void **state)
{
    (void)state;
    expect("", "{}", "");
    expect("no tag", "{}", "no tag");
    expect("a {{x}} b", "{\"x\":\"y\"}", "a y b");
    expect("{{ x }}{{x}}", "{\"x\":1}", "11");
    expect("{{x}}", "{\"x\":2.5}", "2.5");
    expect("[{{x}}][{{y}}]", "{\"x\":null}", "[][]");
    expect("{{x}}{{y}}", "{\"x\":true,\"y\":false}", "truefalse");
    expect("{{x.y.z}}|{{x.q.z}}", "{\"x\":{\"y\":{\"z\":\"deep\"}}}", "deep|");
    expect("{{x}}", "{\"x\":\"{{y}}\",\"y\":\"never\"}", "{{y}}");
}

static void escaping(void **state)
{
    (void)state;
    expect("<i a=\"{{x}}\">", "{\"x\":\"&<>\\\"'\"}", "<i a=\"&amp;&lt;&gt;&quot;&#39;\">");
    expect("{{{x}}}", "{\"x\":\"<b>\"}", "<b>");
    expect("{{x}}", "{\"x\":\"\\u00fc \\u20ac\"}", "ü €");
}

static void sections(void **state)
{
    (void)state;
    expect("{{#x}}yes{{/x}}{{^x}}no{{/x}}", "{\"x\":true}", "yes");
    static const char *const empty[] = {
        "{}", "{\"x\":false}", "{\"x\":null}", "{\"x\":[]}", "{\"x\":\"\"}", "{\"x\":0}"};
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++)
        expect("{{#x}}yes{{/x}}{{^x}}no{{/x}}", empty[i], "no");
    expect("{{#x}}{{.}},{{/x}}", "{\"x\":[1,\"b\",3]}", "1,b,3,");
    expect("{{#x}}{{a}}{{b}} {{/x}}", "{\"b\":\"o\",\"x\":[{\"a\":1},{\"a\":2,\"b\":\"i\"}]}",
        "1o 2i ");
    expect("{{#x}}{{#x}}{{y}}{{/x}}{{/x}}", "{\"x\":{\"x\":{\"y\":\"in\"}}}", "in");
    expect("{{#a.b}}{{c}}{{/a.b}}", "{\"a\":{\"b\":{\"c\":\"d\"}}}", "d");
    expect("{{#x}}{{y}}{{/x}}", "{\"x\":{\"y\":null},\"y\":\"outer\"}", "");
    expect("{{! a }} comment {{! {{x}} }}", "{\"x\":1}", " comment  }}");
}

static void lines_of_their_own(void **state)
{
    (void)state;
    expect("a\n{{#x}}\nb\n{{/x}}\nc\n", "{\"x\":true}", "a\nb\nc\n");
    expect("a\n  {{#x}}  \nb\n\t{{/x}}\nc", "{\"x\":[1,2]}", "a\nb\nb\nc");
    expect("a\r\n{{! c }}\r\nb", "{}", "a\r\nb");
    expect("{{#x}}\n{{/x}}", "{\"x\":true}", "");
    expect("a {{#x}}\nb\n{{/x}} c", "{\"x\":true}", "a \nb\n c");
    expect("{{x}}\n{{x}}\n", "{\"x\":1}", "1\n1\n");
    expect("{{#x}} {{/x}}\n", "{\"x\":true}", " \n");
}

static void partials(void **state)
{
    json_t *p = json_pack("{ssssss}", "p", "<{{x}}{{>q}}>", "q", "({{x}})", "self", "a{{>self}}");
    struct err e = {0};
    char *out = NULL;
    (void)state;
    assert_int_equal(render("{{#l}}{{>p}}{{/l}}", "{\"l\":[{\"x\":1},{\"x\":2}]}", p, &out, &e), 0);
    assert_string_equal(out, "<1(1)><2(2)>");
    free(out);
    out = NULL;
    assert_int_equal(render("{{>none}}", "{}", p, &out, &e), -ENOENT);
    assert_non_null(strstr(e.text, "none"));
    assert_int_equal(render("{{>self}}", "{}", p, &out, &e), -ELOOP);
    assert_null(out);
    json_decref(p);
}

static void wrong_templates(void **state)
{
    (void)state;
    refuse("a\nb {{x", "{}", EINVAL, "line 2: a tag is not closed");
    refuse("{{{x}}", "{}", EINVAL, "not closed");
    refuse("{{#x}}", "{}", EINVAL, "a section is not ended");
    refuse("{{/x}}", "{}", EINVAL, "not open");
    refuse("{{#x}}{{#y}}{{/x}}{{/y}}", "{}", EINVAL, "not open");
    refuse("{{}}", "{}", EINVAL, "name");
    refuse("{{a b}}", "{}", EINVAL, "name");
    refuse("{{=<% %>=}}", "{}", EINVAL, "name");
    refuse("{{&x}}", "{}", EINVAL, "name");
    refuse("{{x.}}", "{}", EINVAL, "name");
}

/* A pair of sections around itself, n deep. */
static char *nest(size_t n)
{
    char *all = xstrdup("x");
    for (size_t i = 0; i < n; i++) {
        char *more = xasprintf("{{#a}}%s{{/a}}", all);
        free(all);
        all = more;
    }
    return all;
}

static void bounds(void **state)
{
    (void)state;
    char *deep = nest(TEMPLATE_DEPTH_MAX + 5), *out = NULL, *list = nest(9);
    struct err e = {0};
    assert_int_equal(render(deep, "{\"a\":{}}", NULL, &out, &e), -ELOOP);
    /* 10^9 turns in a template of 100 bytes */
    assert_int_equal(render(list, "{\"a\":[1,1,1,1,1,1,1,1,1,1]}", NULL, &out, &e), -ELOOP);
    assert_null(out);
    free(deep);
    free(list);
    char *big = xmalloc(300001);
    memset(big, 'x', 300000);
    big[300000] = '\0';
    char *text = xasprintf("{{#a}}%s{{/a}}", big);
    json_t *model = json_pack("{s[iiiiiiiiii]}", "a", 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
    json_array_extend(json_object_get(model, "a"), json_object_get(model, "a"));
    json_array_extend(json_object_get(model, "a"), json_object_get(model, "a"));
    size_t len;
    assert_int_equal(
        template_render("t", text, strlen(text), model, NULL, NULL, &out, &len, &e), -EFBIG);
    json_decref(model);
    free(text);
    free(big);
}

/* Cut off anywhere, a template is an error or gives what stands before the cut; never more. */
static void truncated(void **state)
{
    static const char text[] = "a{{x}}{{#l}}\n {{y}} {{/l}}\n{{^n}}b{{/n}}{{{x}}}{{!c}}";
    json_t *model = json_loads("{\"x\":\"<\",\"l\":[{\"y\":1},{\"y\":2}]}", 0, NULL);
    (void)state;
    for (size_t n = 0; n < sizeof text; n++) {
        struct err e = {0};
        char *out = NULL, *copy = xmalloc(n + 1); /* of just that size, for the sanitizer */
        size_t len;
        memcpy(copy, text, n);
        char *exact = n ? realloc(copy, n) : copy;
        int r = template_render("t", exact, n, model, NULL, NULL, &out, &len, &e);
        assert_true(r == 0 ? out != NULL : out == NULL && e.text[0]);
        free(out);
        free(exact);
    }
    json_decref(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(values), cmocka_unit_test(escaping),
        cmocka_unit_test(sections), cmocka_unit_test(lines_of_their_own),
        cmocka_unit_test(partials), cmocka_unit_test(wrong_templates), cmocka_unit_test(bounds),
        cmocka_unit_test(truncated)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
