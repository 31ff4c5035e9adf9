/* A password on its way through a program that is not to know it. */
#include "people/sealed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/clock.h"
#include "tests/unit/common/unit.h"

static char folder[] = "/tmp/sealed-XXXXXX";
static char public[64], secret[64];

static int begin(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(public, sizeof public, "%s/password.pub", folder);
    snprintf(secret, sizeof secret, "%s/password.key", folder);
    return sealed_make(public, secret, NULL);
}

static int end(void **state)
{
    (void)state;
    unlink(public);
    unlink(secret);
    return rmdir(folder);
}

static char *closed(const char *text)
{
    char *out = NULL;
    assert_int_equal(sealed_close(public, text, "an act", &out, NULL), 0);
    return out;
}

static void opens(const char *text, const char *expected)
{
    _cleanup_free_ char *sealed = closed(text);
    struct sealed out, other;
    assert_null(*text ? strstr(sealed, text) : NULL);
    assert_int_equal(sealed_open(secret, sealed, &out, NULL), 0);
    assert_string_equal(out.text, expected);
    assert_string_equal(out.act, "an act");
    assert_true(out.at_ms > 0 && out.at_ms <= clock_mono_ms());
    _cleanup_free_ char *again = closed(text);
    assert_int_equal(sealed_open(secret, again, &other, NULL), 0);
    assert_memory_not_equal(out.nonce, other.nonce, sizeof out.nonce);
}

static void what_is_closed_opens(void **state)
{
    char longest[SEALED_SIZE + 40], cut[SEALED_SIZE];
    (void)state;
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    memcpy(cut, longest, sizeof cut - 1);
    cut[sizeof cut - 1] = '\0';
    opens("", "");
    opens("ein langes Passwort für Tests", "ein langes Passwort für Tests");
    opens(cut, cut);
    opens(longest, cut);
    _cleanup_free_ char *one = closed("a"), *other = closed("a much longer one");
    assert_int_equal(strlen(one), strlen(other));
    _cleanup_free_ char *again = closed("a");
    assert_string_not_equal(one, again);
}

static void nothing_else_does(void **state)
{
    struct sealed out;
    struct err e = {0};
    (void)state;
    _cleanup_free_ char *sealed = closed("a password");
    static const char *const wrong[] = {"", "AAAA", "=", "a password", "\xff"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(sealed_open(secret, wrong[i], &out, NULL), -EBADMSG);
    _cleanup_free_ char *longer = xasprintf("%s%s", sealed, sealed);
    assert_int_equal(sealed_open(secret, longer, &out, NULL), -EBADMSG);
    sealed[20] = sealed[20] == 'A' ? 'B' : 'A';
    assert_int_equal(sealed_open(secret, sealed, &out, NULL), -EBADMSG);
    /* with the key of another start */
    _cleanup_free_ char *old = closed("a password");
    assert_int_equal(sealed_make(public, secret, NULL), 0);
    assert_int_equal(sealed_open(secret, old, &out, NULL), -EBADMSG);
    /* with one that others can read */
    assert_int_equal(chmod(secret, 0644), 0);
    assert_int_equal(sealed_open(secret, old, &out, &e), -EACCES);
    assert_non_null(strstr(e.text, secret));
}

static void a_key_that_is_none(void **state)
{
    char *out = NULL;
    (void)state;
    assert_int_equal(unlink(public), 0);
    assert_int_equal(sealed_close(public, "a password", "", &out, NULL), -EHOSTDOWN);
    assert_int_equal(symlink(secret, public), 0); /* thirty-two bytes, and not for this */
    assert_int_equal(sealed_close(public, "a password", "", &out, NULL), -EHOSTDOWN);
    assert_int_equal(unlink(public), 0);
    FILE *f = fopen(public, "w");
    assert_non_null(f);
    fputs("short", f);
    fclose(f);
    assert_int_equal(sealed_close(public, "a password", "", &out, NULL), -EHOSTDOWN);
    assert_null(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_closed_opens),
        cmocka_unit_test(nothing_else_does),
        cmocka_unit_test(a_key_that_is_none),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
