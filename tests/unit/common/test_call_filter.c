/* What a program cannot do any more once it has given it up, each in a process of its own. */
#include "tests/unit/common/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/call_filter.h"

/* What try says in a process with that filter: 0, or the number of what went otherwise. */
static int in_child(int (*shut)(void), int (*attempt)(void))
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(shut() < 0 ? 99 : attempt());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static int no_programs(void)
{
    return call_filter_serve(false);
}

#define REFUSED(call) (errno = 0, (long)(call) == -1 && errno == EPERM)

static int reckons(void)
{
    char *more = malloc(8 << 20);
    int ends[2] = {-1, -1};
    if (!more)
        return 1;
    more[0] = 'x';
    free(more);
    if (write(1, "", 0) != 0)
        return 2;
    if (!REFUSED(open("/dev/null", O_RDONLY)) || !REFUSED(socket(AF_UNIX, SOCK_STREAM, 0)))
        return 3;
    if (!REFUSED(pipe(ends)) || !REFUSED(syscall(SYS_kill, getpid(), 0)) || !REFUSED(dup(0)))
        return 4;
    if (!REFUSED(fork()) || !REFUSED(execl("/bin/true", "true", NULL)))
        return 5;
    void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED || !REFUSED(mprotect(code, 4096, PROT_READ | PROT_EXEC)))
        return 6;
    return mmap(NULL, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? 0 : 7;
}

static void *nothing(void *arg)
{
    return arg;
}

static int only_reckon(void)
{
    return call_filter_only_reckon(false);
}

static int reckon_in_threads(void)
{
    return call_filter_only_reckon(true);
}

static int a_thread(void)
{
    pthread_t thread;
    return pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0 ? 0
                                                                                                : 1;
}

static int serves(void)
{
    pthread_t thread;
    int status = 0;
    if (pthread_create(&thread, NULL, nothing, NULL) != 0 || pthread_join(thread, NULL) != 0)
        return 1;
    if (open("/dev/null", O_RDONLY) < 0 || socket(AF_UNIX, SOCK_STREAM, 0) < 0)
        return 2;
    pid_t pid = fork();
    if (pid == 0)
        _exit(REFUSED(execl("/bin/true", "true", NULL)) ? 0 : 1);
    if (waitpid(pid, &status, 0) != pid || status != 0)
        return 3;
    if (!REFUSED(unshare(CLONE_NEWUSER)) || !REFUSED(mount("none", "/", "tmpfs", 0, NULL)))
        return 4;
    if (!REFUSED(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0)) ||
        !REFUSED(syscall(SYS_bpf, 0, NULL, 0)))
        return 5;
    return REFUSED(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL)) ? 0 : 6;
}

static void who_only_reckons_reaches_nothing(void **state)
{
    (void)state;
    assert_int_equal(in_child(only_reckon, reckons), 0);
    assert_int_equal(in_child(only_reckon, a_thread), 1);
    assert_int_equal(in_child(reckon_in_threads, reckons), 0);
    assert_int_equal(in_child(reckon_in_threads, a_thread), 0);
}

/* As the units have it: @system-service does not know seccomp(2). */
static int without_the_call(void)
{
    struct call_filter f;
    call_filter_begin(&f);
    call_filter_refuse(&f, SYS_seccomp, EPERM);
    call_filter_answer(&f, 0);
    return call_filter_shut(&f);
}

static int reckon_without_the_call(void)
{
    return without_the_call() < 0 || call_filter_only_reckon(false) < 0 ? -1 : 0;
}

static int serve_without_the_call(void)
{
    return without_the_call() < 0 || call_filter_serve(false) < 0 ? -1 : 0;
}

static void within_a_unit_it_works_as_well(void **state)
{
    (void)state;
    assert_int_equal(in_child(reckon_without_the_call, reckons), 0);
    assert_int_equal(in_child(serve_without_the_call, serves), 0);
}

static void who_serves_becomes_no_other_program(void **state)
{
    (void)state;
    assert_int_equal(in_child(no_programs, serves), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_only_reckons_reaches_nothing),
        cmocka_unit_test(within_a_unit_it_works_as_well),
        cmocka_unit_test(who_serves_becomes_no_other_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
