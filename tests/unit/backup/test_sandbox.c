/* What a program in a sandbox can reach, in both kinds: a script tries, and what it prints is
 * judged. */
#include "tests/unit/common/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backup/job/trial/owned.h"
#include "backup/job/trial/sandbox.h"

struct box {
    char *dir, *home, *secret, *theirs;
    int home_fd, listener;
    uid_t uid;
    gid_t gid;
};

/* As root the user of a trial, else ourselves: nobody here has a name for it but the machine. */
static void who(struct box *b)
{
    const struct passwd *pw = geteuid() == 0 ? getpwnam("elexgate-trial") : NULL;
    b->uid = pw ? pw->pw_uid : geteuid() == 0 ? 65534 : geteuid();
    b->gid = pw ? pw->pw_gid : geteuid() == 0 ? 65534 : getegid();
}

static int set_up(void **state)
{
    struct box *b = calloc(1, sizeof *b);
    struct err e = {0};
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    b->dir = unit_make_dir();
    assert_int_equal(chmod(b->dir, 0711), 0);
    b->home = xasprintf("%s/home", b->dir);
    b->theirs = xasprintf("%s/home/theirs", b->dir);
    b->secret = unit_write(b->dir, "secret", "geheim", 6, 0644);
    who(b);
    assert_int_equal(mkdir(b->home, 0700), 0);
    b->home_fd = owned_open(b->home, &e);
    assert_true(b->home_fd >= 0);
    int fd = owned_make_at(b->home_fd, "theirs", &e);
    assert_true(fd >= 0);
    assert_int_equal(owned_give(fd, b->uid, b->gid, &e), 0);
    close(fd);
    assert_int_equal(owned_let_pass(b->home_fd, b->gid, &e), 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s/sock", b->theirs);
    b->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(b->listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(chmod(a.sun_path, 0666), 0);
    assert_int_equal(listen(b->listener, 1), 0);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct box *b = *state;
    close(b->home_fd);
    close(b->listener);
    unit_remove_dir(b->dir);
    free(b->home);
    free(b->theirs);
    free(b->secret);
    free(b);
    return 0;
}

/* What the script prints; its exit status in *status. */
static char *run_script(struct box *b, enum sandbox_kind kind, bool scripts, const char *program,
    const char *script, int *status)
{
    static char said[8192];
    const char *const writable[] = {"theirs", NULL};
    struct err e = {0};
    struct process c = {0};
    struct sandbox box = {.kind = kind,
        .uid = b->uid,
        .gid = b->gid,
        .home = b->home_fd,
        .home_path = b->home,
        .writable = writable,
        .scripts = scripts,
        .file_size = 1 << 20,
        .cpu_s = 20};
    int out = memfd_create("out", MFD_CLOEXEC);
    const char *argv[] = {program, scripts ? "-c" : "-e", script, b->secret, NULL};
    struct process_options o = {.argv = argv, .out = out, .err = out};
    enum sandbox_kind got;
    if (sandbox_start(&box, &o, &c, &got, &e) != 0)
        fail_msg("%s", e.text);
    assert_int_equal(got, kind);
    assert_int_equal(process_wait(&c, 30000, NULL, NULL), 0);
    *status = c.status;
    ssize_t n = pread(out, said, sizeof said - 1, 0);
    said[n > 0 ? n : 0] = '\0';
    close(out);
    return said;
}

#define WORKS(command, word)   command " && echo yes-" word "\n"
#define REFUSED(command, word) "(" command ") >/dev/null 2>&1 && echo NO-" word "\n"

static void files(void **state, enum sandbox_kind kind)
{
    struct box *b = *state;
    int status;
    char *said = run_script(b, kind, true, "sh",
        WORKS("echo x > made", "write") WORKS("echo x > /dev/null", "null") WORKS(
            "mkdir sub && mv made sub/", "move") WORKS("cat /etc/localtime >/dev/null", "zone")
            REFUSED("echo x >> /etc/localtime", "its-zone") REFUSED("cat \"$0\"", "secret")
                REFUSED("cat /etc/passwd", "passwd") REFUSED("echo x > ../out", "home")
                    REFUSED("echo x > /tmp/out", "tmp") REFUSED("echo x > /usr/out", "usr")
                        REFUSED("ls /root", "root") REFUSED("ls /proc/1/root/", "proc") REFUSED(
                            "mount -t tmpfs x /tmp", "mount") REFUSED("unshare -Ur true", "unshare")
                            REFUSED("chroot / true", "chroot") REFUSED("mknod d c 1 5", "device")
                                REFUSED("dd if=/dev/zero of=big bs=64k count=40", "size") "true\n",
        &status);
    assert_null(strstr(said, "NO-"));
    for (const char *const *word = (const char *const[]){"write", "null", "move", "zone", NULL};
         *word; word++)
        assert_non_null(strstr(said, *word));
    struct stat st;
    _cleanup_free_ char *made = xasprintf("%s/sub/made", b->theirs);
    assert_int_equal(stat(made, &st), 0);
    assert_int_equal(st.st_uid, b->uid);
}

/* perl tries the calls by their effects: what a database server never does. */
static void calls(void **state, enum sandbox_kind kind)
{
    struct box *b = *state;
    int status;
    char *said = run_script(b, kind, false, "perl",
        "use Socket; $|=1;print socket(my $i, AF_INET, SOCK_STREAM, 0) ? 'NO-inet ' : 'yes-inet ';print socket(my $u, AF_UNIX, SOCK_STREAM, 0) ? 'yes-unix ' : 'NO-unix ';print connect($u, pack_sockaddr_un('sock')) ? 'NO-connect ' : 'yes-connect ';print defined(fork) ? 'NO-fork ' : 'yes-fork ';print open(my $f, '<', $ARGV[0]) ? 'NO-secret ' : 'yes-secret ';",
        &status);
    if (strstr(said, "NO-") || !strstr(said, "yes-secret"))
        fail_msg("%s", said);
}

static void nothing_is_reached_in_namespaces(void **state)
{
    files(state, SANDBOX_NAMESPACES);
}

static void nothing_is_reached_with_landlock(void **state)
{
    files(state, SANDBOX_LANDLOCK);
}

static void calls_in_namespaces(void **state)
{
    calls(state, SANDBOX_NAMESPACES);
}

static void calls_with_landlock(void **state)
{
    calls(state, SANDBOX_LANDLOCK);
}

/* It is in a pid namespace of its own, and what it has started ends with it. */
static void it_ends_with_its_parent(void **state)
{
    struct box *b = *state;
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    pid_t middle = fork();
    if (middle == 0) {
        const char *const writable[] = {"theirs", NULL};
        struct err e = {0};
        struct process c = {0};
        struct sandbox box = {.uid = b->uid,
            .gid = b->gid,
            .home = b->home_fd,
            .home_path = b->home,
            .writable = writable,
            .scripts = true};
        const char *argv[] = {"sh", "-c", "echo up; sleep 100 & wait", NULL};
        close(ends[0]);
        struct process_options o = {.argv = argv, .out = ends[1]};
        if (sandbox_start(&box, &o, &c, NULL, &e) != 0)
            _exit(1);
        close(ends[1]);
        pause();
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    kill(middle, SIGKILL);
    waitpid(middle, NULL, 0);
    ssize_t n;
    while ((n = read(ends[0], &byte, 1)) > 0)
        ; /* the pipe's end: nobody is left who has it */
    assert_int_equal(n, 0);
    close(ends[0]);
}

static void a_program_that_is_not_there(void **state)
{
    struct box *b = *state;
    const char *const writable[] = {"theirs", NULL};
    struct err e = {0};
    struct process c = {0};
    struct sandbox box = {.uid = b->uid,
        .gid = b->gid,
        .home = b->home_fd,
        .home_path = b->home,
        .writable = writable};
    const char *argv[] = {"/nowhere/program", NULL};
    struct process_options o = {.argv = argv};
    assert_int_equal(sandbox_start(&box, &o, &c, NULL, &e), -ENOENT);
    assert_says(&e, "/nowhere/program");
    assert_int_equal(c.pid, 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left of it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_reached_in_namespaces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_reached_with_landlock, set_up, tear_down),
        cmocka_unit_test_setup_teardown(calls_in_namespaces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(calls_with_landlock, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_ends_with_its_parent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_program_that_is_not_there, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
