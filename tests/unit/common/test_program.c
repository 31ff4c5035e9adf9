/* The options that all programs have, and a program's own. */
#include "tests/unit/common/unit.h"

#include <stdio.h>

#include "common/exit_codes.h"
#include "common/program.h"

struct got {
    const char *config, *value;
    bool flag;
    int operands;
};

/* words: separated by blanks. */
static int begin(const char *words, bool takes_operands, struct got *got)
{
    static char text[200], *argv[20];
    int argc = 1;
    *got = (struct got){0};
    argv[0] = (char[]){"elexgate-test"};
    snprintf(text, sizeof text, "%s", words);
    for (char *rest, *w = strtok_r(text, " ", &rest); w; w = strtok_r(NULL, " ", &rest))
        argv[argc++] = w;
    argv[argc] = NULL;
    const struct program_option options[] = {
        {"--flag", .flag = &got->flag}, {"--value", .value = &got->value}, {0}};
    const struct program p = {"elexgate-test", "usage: this\n", &got->config, options,
        takes_operands ? &got->operands : NULL};
    return program_begin(&p, argc, argv);
}

static void what_is_taken(void **state)
{
    struct got got;
    (void)state;
    assert_int_equal(begin("", false, &got), -1);
    assert_null(got.config);
    assert_int_equal(begin("--config a.ini --flag --value=x=y", false, &got), -1);
    assert_string_equal(got.config, "a.ini");
    assert_string_equal(got.value, "x=y");
    assert_true(got.flag);
    assert_int_equal(begin("-c b.ini --value --flag", false, &got), -1);
    assert_string_equal(got.config, "b.ini");
    assert_string_equal(got.value, "--flag"); /* a value, whatever it looks like */
    assert_false(got.flag);
    assert_int_equal(begin("--flag run --other", true, &got), -1);
    assert_int_equal(got.operands, 2); /* what follows the first word is the command's */
}

static void what_ends_it(void **state)
{
    struct got got;
    (void)state;
    assert_int_equal(begin("--help", false, &got), EXIT_GOOD);
    assert_int_equal(begin("-V", true, &got), EXIT_GOOD);
    for (const char *const *w = (const char *const[]){"--flagg", "--fla", "--flag=1", "--value",
             "-x", "-", "--config", "word", "--flag word", NULL};
         *w; w++)
        if (begin(*w, false, &got) != EXIT_USAGE)
            fail_msg("%s", *w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken), cmocka_unit_test(what_ends_it)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
