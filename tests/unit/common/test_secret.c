#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config.h"
#include "unit.h"

static int make(void **state)
{
    unsetenv("CREDENTIALS_DIRECTORY");
    *state = unit_make_dir();
    return 0;
}

static int clean(void **state)
{
    unit_remove_dir(*state);
    return 0;
}

/* The file's text gives this secret (NULL: is refused with code, in these words). */
static void check(const char *dir, const char *text, size_t len, unsigned mode, const char *secret,
    int code, const char *words)
{
    char *path = unit_write(dir, "secret", text, len, mode), *s = NULL;
    struct err e = {0};
    int r = secret_read(path, &s, &e);

    assert_int_equal(r, -code);
    if (secret)
        assert_string_equal(s, secret);
    else {
        assert_null(s);
        assert_says(&e, words);
        assert_says(&e, path);
    }
    secret_free(s);
    unlink(path);
    free(path);
}

static void reads_one_line(void **state)
{
    char longest[1024 + 3];

    check(*state, "geheim", 6, 0600, "geheim", 0, NULL);
    check(*state, "geheim\n", 7, 0400, "geheim", 0, NULL);
    check(*state, "geheim\r\n", 8, 0600, "geheim", 0, NULL);
    check(*state, " with blanks \n", 14, 0600, " with blanks ", 0, NULL);
    memset(longest, 'x', sizeof longest);
    longest[1024] = '\n';
    longest[1025] = '\0';
    char *expected = strndup(longest, 1024);
    check(*state, longest, 1025, 0600, expected, 0, NULL);
    free(expected);
}

static void refuses(void **state)
{
    char big[5000];

    memset(big, 'x', sizeof big);
    check(*state, "", 0, 0600, NULL, EINVAL, "is empty");
    check(*state, "\n", 1, 0600, NULL, EINVAL, "is empty");
    check(*state, "a\nb\n", 4, 0600, NULL, EINVAL, "one line");
    check(*state, "a\0b", 3, 0600, NULL, EINVAL, "one line");
    check(*state, big, 1025, 0600, NULL, EFBIG, "longer than 1024");
    check(*state, big, sizeof big, 0600, NULL, EFBIG, "longer than 1024");
}

static void refuses_what_others_can_read(void **state)
{
    check(*state, "geheim", 6, 0640, NULL, EACCES, "chmod 600");
    check(*state, "geheim", 6, 0604, NULL, EACCES, "chmod 600");
    check(*state, "geheim", 6, 0620, NULL, EACCES, "chmod 600");
    struct err e = {0};
    char *s = NULL;
    assert_int_equal(secret_read(*state, &s, &e), -EINVAL);
    assert_says(&e, "not a regular file");
    assert_int_equal(secret_read("/nonexistent/secret", &s, &e), -ENOENT);
    assert_null(s);
}

static void credentials_of_the_unit_are_trusted(void **state)
{
    setenv("CREDENTIALS_DIRECTORY", *state, 1);
    check(*state, "geheim", 6, 0440, "geheim", 0, NULL);
    /* Not by a way out of the folder. */
    char *dir = *state;
    char *sub = xasprintf("%s/cred", dir);
    assert_int_equal(mkdir(sub, 0700), 0);
    setenv("CREDENTIALS_DIRECTORY", sub, 1);
    char *path = unit_write(dir, "outside", "geheim", 6, 0644);
    char *way_out = xasprintf("%s/../outside", sub);
    struct err e = {0};
    char *s = NULL;
    assert_int_equal(secret_read(way_out, &s, &e), -EACCES);
    unsetenv("CREDENTIALS_DIRECTORY");
    free(path);
    free(way_out);
    free(sub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_one_line, make, clean),
        cmocka_unit_test_setup_teardown(refuses, make, clean),
        cmocka_unit_test_setup_teardown(refuses_what_others_can_read, make, clean),
        cmocka_unit_test_setup_teardown(credentials_of_the_unit_are_trusted, make, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
