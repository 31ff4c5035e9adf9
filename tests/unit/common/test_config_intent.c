#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "common/config_intent.h"
#include "unit.h"

static const char running_text[] = "# the practice\n"
                                   "[listen elexis]\n"
                                   "port = 3312\n"
                                   "allow = 192.168.1.0/24, 10.0.0.5\n"
                                   "deny = 192.168.1.66\n"
                                   "\n"
                                   "[database]\n"
                                   "socket = /run/db.sock\n"
                                   "[retention]\n"
                                   "keep = 14 ; two weeks\n"
                                   "# the end\n";

static struct config *parse_n(const char *text, size_t len)
{
    struct config *c = NULL;
    return config_parse(text, len, "f.ini", &c, NULL) < 0 ? NULL : c;
}

static struct config *parse(const char *text)
{
    struct config *c = parse_n(text, strlen(text));
    assert_non_null(c);
    return c;
}

static void count(void *ctx, const struct option *o, const char *name, const char *old_value,
    const char *new_value)
{
    (void)o, (void)name, (void)old_value, (void)new_value;
    ++*(unsigned *)ctx;
}

/* Whatever a prefix of the file says, it is taken only if it means the same. */
static void every_prefix(void **state)
{
    struct config *running = parse(running_text);
    unsigned refused = 0, taken = 0;

    (void)state;
    for (size_t n = 0; n <= strlen(running_text); n++) {
        struct config *next = parse_n(running_text, n);
        struct err e = {0};
        unsigned differences = 0;
        if (!next)
            continue;
        config_diff(running, next, count, &differences);
        int r = config_intent_check(running, next, &e);
        if (r != (differences ? -ENODATA : 0))
            fail_msg("%zu bytes, %u differences: %d %s", n, differences, r, e.text);
        if (r < 0)
            assert_says(&e, "elexgate reload --force");
        refused += r < 0;
        taken += r == 0;
        config_free(next);
    }
    assert_true(refused > 50 && taken > 5);
    config_free(running);
}

static void check(const char *from, const char *to, const char *words)
{
    struct config *a = parse(from), *b = parse(to);
    struct err e = {0};

    assert_int_equal(config_intent_check(a, b, &e), words ? -ENODATA : 0);
    if (words)
        assert_says(&e, words);
    config_free(a);
    config_free(b);
}

static void losses(void **state)
{
    (void)state;
    check(running_text, "",
        "lacks 4 of the 5 options that it had when it was read last, [database] socket");
    check("[listen elexis]\ndeny = 1.2.3.4\nport = 3313\n", "[listen elexis]\nport = 3313\n",
        "lacks 1 of the 2 options that it had when it was read last, [listen elexis] deny first");
    check("[listen elexis]\ndeny = 1.2.3.4\nallow = 10.0.0.0/8\nport = 3313\n",
        "[listen elexis]\nport = 3314\n", "lacks 2 of the 3");
    check("[listen elexis]\ndeny = 1.2.3.4\nport = 3313\n", "[listen elexis]\nport = 3314\n", NULL);
    check("[data x]\npath = /a\n[log]\nlevel = debug\n", "[log]\nlevel = debug\n", "[data x] path");
    /* an option that is set to nothing is the same nothing afterwards */
    check("[listen elexis]\ndeny =\nport = 3313\n[log]\nlevel = debug\n",
        "[listen elexis]\ndeny =\nport = 3313\n", "[log] level");
    /* another value, a further option, the default itself left out: all as people write them */
    check("[log]\nlevel = debug\n", "[log]\nlevel = error\n", NULL);
    check("[log]\nlevel = debug\n", "[log]\nlevel = debug\n[retention]\nkeep = 3\n", NULL);
    check("[log]\nlevel = info\n", "# nothing\n[retention]\nkeep = 3\n", NULL);
    check("[log]\nlevel = debug\n[retention]\nkeep = 14\n",
        "[log]\nlevel = error\n[retention]\nkeep = 1", "ends in the middle of a line");
}

/* What our own editor wrote is whole: an option that is not in it was taken out. */
static void vouched(void **state)
{
    static const char text[] = "[log]\nlevel = debug\n";
    char *dir = unit_make_dir(), *path = unit_write(dir, "f.ini", text, strlen(text), 0644);
    struct config *a = parse(running_text), *b = NULL;
    struct err e = {0};

    (void)state;
    assert_int_equal(config_load(path, &b, &e), 0);
    assert_int_equal(config_intent_check(a, b, &e), -ENODATA);
    config_free(b);
    assert_int_equal(config_intent_vouch(path, text, strlen(text), 0644, &e), 0);
    assert_int_equal(config_load(path, &b, &e), 0);
    assert_int_equal(config_intent_check(a, b, &e), 0);
    config_free(b);
    free(path);
    /* not for what somebody else makes of it afterwards */
    path = unit_write(dir, "f.ini", text, strlen(text) - 2, 0644);
    if (config_load(path, &b, &e) == 0) {
        assert_int_equal(config_intent_check(a, b, &e), -ENODATA);
        config_free(b);
    }
    free(path);
    /* and an empty one is refused at a start as well */
    path = unit_write(dir, "f.ini", "\n \n", 3, 0644);
    assert_int_equal(config_load(path, &b, &e), -ENODATA);
    assert_says(&e, "is empty and had 20 bytes");
    free(path);
    config_free(a);
    unit_remove_dir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_prefix), cmocka_unit_test(losses), cmocka_unit_test(vouched)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
