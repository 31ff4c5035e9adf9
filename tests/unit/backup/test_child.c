/* Child processes: how they end, what they get, and that nothing of them stays. */
#include "tests/unit/common/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backup/job/child.h"

static struct child start(const char *script, int out, const char *const *environment)
{
    struct err e = {0};
    struct child c = {0};
    const char *argv[] = {"sh", "-c", script, NULL};
    struct child_options o = {
        .argv = argv, .environment = environment, .out = out, .err = -1, .keep = -1};
    assert_int_equal(child_start(&o, &c, &e), 0);
    return c;
}

static void the_end_is_told(void **state)
{
    char how[80];
    (void)state;
    struct child c = start("exit 0", -1, NULL);
    assert_int_equal(child_wait(&c, 10000, NULL, NULL), 0);
    assert_true(child_good(&c));
    c = start("exit 3", -1, NULL);
    assert_int_equal(child_wait(&c, 10000, NULL, NULL), 0);
    assert_false(child_good(&c));
    assert_string_equal(child_how(&c, how, sizeof how), "ended with 3");
    c = start("kill -9 $$", -1, NULL);
    assert_int_equal(child_wait(&c, 10000, NULL, NULL), 0);
    assert_false(child_good(&c));
    assert_non_null(strstr(child_how(&c, how, sizeof how), "signal 9"));
}

static void a_program_that_is_not_there(void **state)
{
    struct err e = {0};
    struct child c = {0};
    const char *argv[] = {"/nowhere/program", NULL};
    struct child_options o = {.argv = argv, .out = -1, .err = -1, .keep = -1};
    (void)state;
    assert_int_equal(child_start(&o, &c, &e), -ENOENT);
    assert_says(&e, "/nowhere/program");
    assert_int_equal(c.pid, 0);
}

static void environment_and_output(void **state)
{
    const char *const environment[] = {"ELEXGATE_RUN=r 1", "HOME=/given", NULL};
    char text[64] = "";
    int fd = memfd_create("out", MFD_CLOEXEC);
    (void)state;
    struct child c = start("printf '%s|%s|' \"$ELEXGATE_RUN\" \"$HOME\"; cat", fd, environment);
    assert_int_equal(child_wait(&c, 10000, NULL, NULL), 0); /* cat: its input is empty */
    assert_true(pread(fd, text, sizeof text - 1, 0) > 0);
    assert_string_equal(text, "r 1|/given|");
    close(fd);
}

static bool never(void *ctx)
{
    (void)ctx;
    return false;
}

static void waiting_has_an_end(void **state)
{
    (void)state;
    struct child c = start("sleep 60", -1, NULL);
    assert_int_equal(child_wait(&c, 20, NULL, NULL), 1);
    assert_int_equal(child_wait(&c, -1, never, NULL), 1);
    child_end(&c, 5000);
    assert_int_equal(c.pid, 0);
    child_end(&c, 5000); /* once more does nothing */
}

/* Its own child holds the pipe open; read returns 0 only when that is gone too. */
static void what_it_started_ends_with_it(void **state)
{
    int ends[2];
    char byte;
    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct child c = start("trap '' TERM; sleep 60 & echo; wait", ends[1], NULL);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    child_end(&c, 100);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_is_told),
        cmocka_unit_test(a_program_that_is_not_there),
        cmocka_unit_test(environment_and_output),
        cmocka_unit_test(waiting_has_an_end),
        cmocka_unit_test(what_it_started_ends_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
