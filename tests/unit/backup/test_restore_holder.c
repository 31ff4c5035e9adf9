/* Who has the files of a data directory open: nothing is exchanged under a server that lives. */
#include "tests/unit/common/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "backup/job/restore/holder.h"

static char *dir;
static pid_t child;

static int setup(void **state)
{
    (void)state;
    dir = unit_make_dir();
    child = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    unit_remove_dir(dir);
    return 0;
}

/* As a server does: a lock of the whole file, for as long as it lives. */
static void held_by_another(const char *name, short type)
{
    char *path = unit_write(dir, name, "", 0, 0600);
    int ready[2];
    char c;
    assert_int_equal(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        int fd = open(path, O_RDWR);
        struct flock l = {.l_type = type, .l_whence = SEEK_SET};
        if (fd < 0 || fcntl(fd, F_SETLK, &l) < 0 || write(ready[1], "x", 1) != 1)
            _exit(1);
        close(ready[1]);
        pause();
        _exit(0);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    close(ready[0]);
    free(path);
}

static void test_nobody(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(holder_of(dir), 0);
    for (size_t i = 0; holder_files[i]; i++)
        free(unit_write(dir, holder_files[i], "x", 1, 0600));
    assert_int_equal(holder_of(dir), 0);
    assert_int_equal(holder_that_stays(dir, 1000), 0);
    assert_int_equal(holder_end(dir, &e), 1);
}

static void test_either_file_by_either_lock(void **state)
{
    (void)state;
    static const short types[] = {F_WRLCK, F_RDLCK};
    for (size_t i = 0; holder_files[i]; i++)
        for (size_t k = 0; k < 2; k++) {
            struct err e = {0};
            int status;
            held_by_another(holder_files[i], types[k]);
            assert_int_equal(holder_of(dir), child);
            assert_int_equal(holder_that_stays(dir, 50), child);
            assert_int_equal(holder_end(dir, &e), 0);
            assert_int_equal(waitpid(child, &status, 0), child);
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
            child = 0;
            assert_int_equal(holder_of(dir), 0);
        }
}

/* One that ends within the time does not stay. */
static void test_one_that_goes(void **state)
{
    (void)state;
    held_by_another("ibdata1", F_WRLCK);
    assert_int_equal(holder_of(dir), child);
    pid_t ends_it = fork();
    if (ends_it == 0) {
        usleep(200000);
        _exit(kill(child, SIGKILL) < 0);
    }
    assert_int_equal(holder_that_stays(dir, 60000), 0);
    assert_int_equal(waitpid(ends_it, NULL, 0), ends_it);
}

/* A link leads elsewhere: what lies there is somebody else's. */
static void test_a_link_is_not_followed(void **state)
{
    (void)state;
    char *link_ = xasprintf("%s/aria_log_control", dir);
    held_by_another("elsewhere", F_WRLCK);
    assert_int_equal(symlink("elsewhere", link_), 0);
    assert_int_equal(holder_of(dir), 0);
    free(link_);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(test_either_file_by_either_lock, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_that_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_link_is_not_followed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
