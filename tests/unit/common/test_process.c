/* Child processes: how they end, what they get, and that nothing of them stays. */
#include "tests/unit/common/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/process.h"

static struct process start(const char *script, int out, const char *const *environment)
{
    struct err e = {0};
    struct process c = {0};
    const char *argv[] = {"sh", "-c", script, NULL};
    struct process_options o = {.argv = argv, .environment = environment, .out = out};
    assert_int_equal(process_start(&o, &c, &e), 0);
    return c;
}

static void the_end_is_told(void **state)
{
    struct err how = {0};
    (void)state;
    struct process c = start("exit 0", 0, NULL);
    assert_int_equal(process_wait(&c, 10000, NULL, NULL), 0);
    assert_true(process_good(&c));
    c = start("exit 3", 0, NULL);
    assert_int_equal(process_wait(&c, 10000, NULL, NULL), 0);
    assert_false(process_good(&c));
    assert_string_equal((process_how(&c, &how), how.text), "ended with 3");
    c = start("kill -9 $$", 0, NULL);
    assert_int_equal(process_wait(&c, 10000, NULL, NULL), 0);
    assert_false(process_good(&c));
    assert_non_null(strstr((process_how(&c, &how), how.text), "signal 9"));
}

static void a_program_that_is_not_there(void **state)
{
    struct err e = {0};
    struct process c = {0};
    const char *argv[] = {"/nowhere/program", NULL};
    struct process_options o = {.argv = argv};
    (void)state;
    assert_int_equal(process_start(&o, &c, &e), -ENOENT);
    assert_says(&e, "/nowhere/program");
    assert_int_equal(c.pid, 0);
}

/* Also of files that a library has opened for us without O_CLOEXEC. */
static void it_gets_no_file_but_those_given(void **state)
{
    struct err e = {0};
    struct process c = {0};
    int theirs = memfd_create("a library's", 0), given = memfd_create("given", MFD_CLOEXEC);
    _cleanup_free_ char *script = xasprintf(
        "[ ! -e /proc/$$/fd/%d ] && [ -e /proc/$$/fd/%d ]", theirs, given);
    const char *argv[] = {"sh", "-c", script, NULL};
    struct process_options o = {.argv = argv, .keep = given};
    (void)state;
    assert_int_equal(process_start(&o, &c, &e), 0);
    assert_int_equal(process_wait(&c, 10000, NULL, NULL), 0);
    assert_true(process_good(&c));
    close(theirs);
    close(given);
}

static void environment_and_output(void **state)
{
    const char *const environment[] = {"ELEXGATE_RUN=r 1", "HOME=/given", NULL};
    char text[64] = "";
    int fd = memfd_create("out", MFD_CLOEXEC);
    (void)state;
    struct process c = start("printf '%s|%s|' \"$ELEXGATE_RUN\" \"$HOME\"; cat", fd, environment);
    assert_int_equal(process_wait(&c, 10000, NULL, NULL), 0); /* cat: its input is empty */
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
    struct process c = start("sleep 60", 0, NULL);
    assert_int_equal(process_wait(&c, 20, NULL, NULL), 1);
    assert_int_equal(process_wait(&c, -1, never, NULL), 1);
    process_end(&c, 5000);
    assert_int_equal(c.pid, 0);
    process_end(&c, 5000); /* once more does nothing */
}

/* Its own child holds the pipe open; read returns 0 only when that is gone too. */
static void what_it_started_ends_with_it(void **state)
{
    int ends[2];
    char byte;
    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct process c = start("trap '' TERM; sleep 60 & echo; wait", ends[1], NULL);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    process_end(&c, 100);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    close(ends[0]);
}

static void running_it_tells_how_it_ended(void **state)
{
    struct err e = {0};
    const char *argv[] = {"sh", "-c", "echo 'ERROR 1045 (28000): geheim' >&2; exit 3", NULL};
    int fd = memfd_create("err", MFD_CLOEXEC);
    struct process_options o = {.argv = argv, .err = fd};
    (void)state;
    assert_int_equal(process_run(&o, 10000, NULL, NULL, &e), 1);
    assert_says(&e, "sh ended with 3: ");
    assert_says(&e, "1045"); /* what it said, as said.h lets through */
    assert_null(strstr(e.text, "geheim"));
    argv[2] = "exit 0";
    assert_int_equal(process_run(&o, 10000, NULL, NULL, &e), 0);
    argv[2] = "sleep 60";
    assert_int_equal(process_run(&o, 20, NULL, NULL, &e), -ETIMEDOUT);
    assert_says(&e, "sh did not end");
    assert_int_equal(process_run(&o, -1, never, NULL, &e), -ECANCELED);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left of them */
    close(fd);
}

static void a_stream_that_cannot_be_given(void **state)
{
    struct err e = {0};
    struct process p = {0};
    const char *argv[] = {"true", NULL};
    struct process_options o = {.argv = argv, .out = -1}; /* a memfd that could not be made */
    (void)state;
    assert_int_equal(process_start(&o, &p, &e), -EBADF);
    assert_says(&e, "cannot start true");
}

static int in_cage(const void *ctx, struct process_failure *f)
{
    (void)ctx;
    *f = (struct process_failure){EPERM, "the lock of the cage"};
    return -1;
}

static void a_cage_that_cannot_be_had(void **state)
{
    struct err e = {0};
    struct process p = {0};
    const char *argv[] = {"true", NULL};
    const struct process_cage cage = {.enter = in_cage};
    struct process_options o = {.argv = argv, .cage = &cage};
    (void)state;
    assert_int_equal(process_start(&o, &p, &e), 1);
    assert_says(&e, "the lock of the cage");
    assert_int_equal(p.pid, 0);
}

static void programs_are_found(void **state)
{
    (void)state;
    _cleanup_free_ char *self = process_self();
    assert_non_null(strstr(self, "test_common_process"));
    _cleanup_free_ char *near = process_beside("test_common_process", "/installed");
    assert_string_equal(near, self);
    _cleanup_free_ char *far = process_beside("nothing-here", "/installed");
    assert_string_equal(far, "/installed");
    _cleanup_free_ char *shell = process_find("sh"), *nothing = process_find("nothing-here"),
                        *itself = process_find(self);
    assert_non_null(shell);
    assert_int_equal(*shell, '/');
    assert_null(nothing);
    assert_string_equal(itself, self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_is_told),
        cmocka_unit_test(a_program_that_is_not_there),
        cmocka_unit_test(it_gets_no_file_but_those_given),
        cmocka_unit_test(environment_and_output),
        cmocka_unit_test(waiting_has_an_end),
        cmocka_unit_test(what_it_started_ends_with_it),
        cmocka_unit_test(running_it_tells_how_it_ended),
        cmocka_unit_test(a_stream_that_cannot_be_given),
        cmocka_unit_test(a_cage_that_cannot_be_had),
        cmocka_unit_test(programs_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
