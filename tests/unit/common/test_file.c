#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/file.h"
#include "unit.h"

static int make(void **state)
{
    *state = unit_make_dir();
    return 0;
}

static int clean(void **state)
{
    unit_remove_dir(*state);
    return 0;
}

static char *in(void **state, const char *name)
{
    return xasprintf("%s/%s", (const char *)*state, name);
}

/* How many entries a folder has: nothing may be left behind. */
static unsigned entries(const char *dir)
{
    DIR *d = opendir(dir);
    unsigned n = 0;

    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

static void assert_holds(const char *path, const char *text)
{
    char *got = NULL;
    size_t len = 0;
    struct err e = {0};

    if (file_read(path, 100000, &got, &len, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(len, strlen(text));
    assert_string_equal(got, text);
    free(got);
}

static void reads_up_to_its_limit(void **state)
{
    char *path = unit_write(*state, "a", "0123456789", 10, 0600), *got = NULL;
    size_t len = 77;
    struct err e = {0};

    assert_int_equal(file_read(path, 10, &got, &len, &e), 0);
    assert_int_equal(len, 10);
    assert_string_equal(got, "0123456789");
    free(got);
    got = NULL;
    len = 77;
    assert_int_equal(file_read(path, 9, &got, &len, &e), -EFBIG);
    assert_null(got);
    assert_int_equal(len, 77);
    assert_says(&e, "longer than 9 bytes");
    assert_int_equal(file_read("/proc/self/status", 100000, &got, &len, &e), 0); /* st_size is 0 */
    assert_true(len > 100);
    free(got);
    got = NULL;
    assert_int_equal(file_read("/nonexistent", 9, &got, &len, &e), -ENOENT);
    assert_int_equal(file_read(*state, 9, &got, &len, &e), -EISDIR);
    char *fifo = in(state, "fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(file_read(fifo, 9, &got, &len, &e), 0); /* no writer: empty, does not hang */
    assert_int_equal(len, 0);
    free(got);
    free(fifo);
    free(path);
}

static void publishes_whole(void **state)
{
    char *path = in(state, "out");
    struct err e = {0};
    struct stat st;

    assert_int_equal(file_publish(path, "one", 3, 0600, &e), 0);
    assert_holds(path, "one");
    assert_int_equal(file_publish(path, "second", 6, 0640, &e), 0);
    assert_holds(path, "second");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640); /* whatever the umask */
    assert_int_equal(file_publish(path, "", 0, 0600, &e), 0);
    assert_holds(path, "");
    assert_int_equal(entries(*state), 1);
    free(path);
}

/* Runs in a child, because a limit cannot be taken back: a disk that is full after 4096 bytes. */
static void publish_to_a_full_disk(void **state)
{
    char *path = in(state, "out");
    struct err e = {0};
    static const char big[100000];

    assert_int_equal(file_publish(path, "old", 3, 0600, &e), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit = {4096, 4096};
        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
            _exit(1);
        int r = file_publish(path, big, sizeof big, 0600, &e);
        _exit(r == -EFBIG && strstr(e.text, path) && strstr(e.text, "cannot write") ? 0 : 2);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_holds(path, "old"); /* the old one is untouched and nothing lies about */
    assert_int_equal(entries(*state), 1);
    free(path);
}

/* As a user without rights; root may write everywhere. */
static void publish_to_an_unwritable_folder(void **state)
{
    char *path = in(state, "out"), *sub = in(state, "none/out");
    struct err e = {0};

    assert_int_equal(file_publish(path, "old", 3, 0600, &e), 0);
    assert_int_equal(chmod(*state, 0500), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (geteuid() == 0 && (chown(*state, 65534, 65534) < 0 || setuid(65534) < 0))
            _exit(1);
        int r = file_publish(path, "new", 3, 0600, &e);
        _exit(r == -EACCES && strstr(e.text, "cannot make a file in") ? 0 : 2);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(chmod(*state, 0700), 0);
    assert_int_equal(status, 0);
    assert_holds(path, "old");
    assert_int_equal(file_publish(sub, "x", 1, 0600, &e), -ENOENT);
    assert_int_equal(mkdir(sub, 0700), -1);
    free(path);
    free(sub);
}

static void publish_over_a_folder(void **state)
{
    char *path = in(state, "dir");
    struct err e = {0};

    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(file_publish(path, "x", 1, 0600, &e), -EISDIR);
    assert_says(&e, "cannot rename");
    assert_int_equal(entries(*state), 1);
    free(path);
}

static void makes_and_renames(void **state)
{
    char *deep = in(state, "a/b//c/"), *file = in(state, "a/b/c/f"), *to = in(state, "a/g"),
         *through = in(state, "a/g/x");
    struct err e = {0};

    assert_int_equal(file_mkdirs(deep, 0750, &e), 0);
    assert_int_equal(file_mkdirs(deep, 0750, &e), 0); /* there already */
    assert_int_equal(file_publish(file, "x", 1, 0600, &e), 0);
    assert_int_equal(file_rename_durable(file, to, &e), 0);
    assert_holds(to, "x");
    assert_int_equal(file_rename_durable(file, to, &e), -ENOENT);
    assert_holds(to, "x");
    assert_int_equal(file_mkdirs(to, 0750, &e), -ENOTDIR);
    assert_int_equal(file_mkdirs(through, 0750, &e), -ENOTDIR);
    free(deep);
    free(file);
    free(to);
    free(through);
}

static void removes_a_tree(void **state)
{
    const char *dir = *state;
    struct err e = {0};
    char *deep = in(state, "tree/x/y/z"), *outside = in(state, "outside"),
         *link = in(state, "tree/x/link"), *dangling = in(state, "tree/dangling");
    int fd = open(dir, O_RDONLY | O_DIRECTORY);

    assert_int_equal(file_mkdirs(deep, 0700, &e), 0);
    assert_int_equal(file_mkdirs(outside, 0700, &e), 0);
    free(unit_write(outside, "kept", "k", 1, 0600));
    free(unit_write(deep, "f", "f", 1, 0400));
    assert_int_equal(symlink(outside, link), 0);
    assert_int_equal(symlink("nowhere", dangling), 0);
    assert_int_equal(file_remove_tree(fd, "tree", &e), 0);
    assert_int_equal(file_remove_tree(fd, "tree", &e), 0); /* a missing one is success */
    assert_int_equal(entries(dir), 1);
    assert_int_equal(entries(outside), 1); /* not through the link */
    /* A link in place of the tree: the link goes. */
    assert_int_equal(symlinkat("outside", fd, "tree"), 0);
    assert_int_equal(file_remove_tree(fd, "tree", &e), 0);
    assert_int_equal(entries(outside), 1);
    static const char *const bad[] = {"", ".", "..", "a/b", "/etc", "../x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(file_remove_tree(fd, bad[i], &e), -EINVAL);
    close(fd);
    free(deep);
    free(outside);
    free(link);
    free(dangling);
}

/* Mounts of its own, in a namespace that goes with the child: another file system, and a bind mount
 * of the same one, which has the same device number. */
static int in_mount_namespace(const char *dir, const char *target, const char *kept)
{
    struct err e = {0};

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return 77;
    if (mount(kept, target, NULL, MS_BIND, NULL) < 0)
        return 77;
    int fd = open(dir, O_RDONLY | O_DIRECTORY); /* only now: it belongs to the namespace */
    int r = file_remove_tree(fd, "tree", &e);
    if (r != -EXDEV || !strstr(e.text, "mount point"))
        return 2;
    umount(target);
    if (mount("none", target, "tmpfs", 0, NULL) < 0)
        return 77;
    r = file_remove_tree(fd, "tree", &e);
    return r == -EXDEV ? 0 : 3;
}

static void removing_stops_at_mount_points(void **state)
{
    char *target = in(state, "tree/mnt"), *kept = in(state, "kept");
    struct err e = {0};
    int status = -1;

    assert_int_equal(file_mkdirs(target, 0700, &e), 0);
    assert_int_equal(file_mkdirs(kept, 0700, &e), 0);
    free(unit_write(kept, "f", "f", 1, 0600));
    pid_t pid = fork();
    if (pid == 0)
        _exit(in_mount_namespace(*state, target, kept));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(entries(kept), 1);
    free(target);
    free(kept);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip(); /* may not mount here */
    assert_int_equal(status, 0);
}

static void private_files(void **state)
{
    struct err e = {0};

    for (unsigned mode = 0; mode < 01000; mode++) {
        char *path = unit_write(*state, "f", "x", 1, mode);
        int r = file_check_private(path, &e);
        assert_int_equal(r, mode & 077 ? -EACCES : 0);
        if (r)
            assert_says(&e, "chmod 600");
        unlink(path);
        free(path);
    }
    assert_int_equal(file_check_private(*state, &e), -EINVAL);
    assert_int_equal(file_check_private("/nonexistent", &e), -ENOENT);
}

static void write_all_tells_a_closed_reader(void **state)
{
    int p[2];
    struct err e = {0};

    (void)state;
    assert_int_equal(pipe(p), 0);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(fd_write_all(p[1], "abc", 3, &e), 0);
    close(p[0]);
    assert_int_equal(fd_write_all(p[1], "abc", 3, &e), -EPIPE);
    close(p[1]);
}

/* A process that takes the lock and then waits to be killed; returns once it holds it. */
static pid_t start_holder(const char *path)
{
    int p[2];
    char c = 0;

    assert_int_equal(pipe(p), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = -1;
        struct err e = {0};
        c = file_lock(path, &fd, NULL, &e) == 0 ? 'y' : 'n';
        if (write(p[1], &c, 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(p[0], &c, 1), 1);
    assert_int_equal(c, 'y');
    close(p[0]);
    close(p[1]);
    return pid;
}

static void end_holder(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void locks_across_processes(void **state)
{
    char *path = in(state, "lock");
    pid_t held_by = 0;
    assert_int_equal(file_lock_held(path, &held_by), 0); /* there is no file yet */
    struct err e = {0};
    pid_t by = 0;
    int fd = -1;

    pid_t holder = start_holder(path);
    assert_int_equal(file_lock(path, &fd, &by, &e), 1);
    assert_int_equal(file_lock_held(path, &held_by), 1);
    assert_int_equal(held_by, by);
    assert_int_equal(by, holder);
    assert_int_equal(fd, -1);
    assert_int_equal(file_lock(path, &fd, NULL, &e), 1);
    end_holder(holder);
    /* The holder was killed: its lock went with it. */
    assert_int_equal(file_lock_held(path, &held_by), 0);
    assert_int_equal(file_lock(path, &fd, &by, &e), 0);
    assert_true(fd >= 0);
    /* Also against a second descriptor of the same process. */
    int second = -1;
    assert_int_equal(file_lock(path, &second, &by, &e), 1);
    close(fd);
    assert_int_equal(file_lock(path, &second, NULL, &e), 0);
    close(second);
    free(path);
}

/* Whatever number stands in the file. */
static void a_signal_reaches_the_owner_and_nobody_else(void **state)
{
    char *path = in(state, "lock"), text[32];
    struct err e = {0};
    int fd = -1, status = 0;
    assert_int_equal(file_lock_signal(path, SIGTERM, &e), -ESRCH);
    pid_t bystander = fork();
    if (bystander == 0)
        for (;;)
            pause();
    snprintf(text, sizeof text, "%ld\n", (long)bystander);
    assert_int_equal(file_publish(path, text, strlen(text), 0644, &e), 0);
    assert_int_equal(file_lock_signal(path, SIGTERM, &e), -ESRCH);
    pid_t holder = start_holder(path);
    assert_int_equal(file_lock_signal(path, SIGTERM, &e), 0);
    assert_int_equal(waitpid(holder, &status, 0), holder);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    assert_int_equal(file_lock_signal(path, SIGTERM, &e), -ESRCH);
    assert_int_equal(waitpid(bystander, &status, WNOHANG), 0);
    end_holder(bystander);
    assert_int_equal(file_lock(path, &fd, NULL, &e), 0);
    close(fd);
    free(path);
}

static void a_removed_lock_file_locks_nobody_in(void **state)
{
    char *path = in(state, "lock");
    struct err e = {0};
    int a = -1, b = -1;

    assert_int_equal(file_lock(path, &a, NULL, &e), 0);
    unlink(path);
    assert_int_equal(file_lock(path, &b, NULL, &e), 0); /* a new file */
    close(a);
    close(b);
    unlink(path);
    assert_int_equal(symlink("/nonexistent/x", path), 0);
    assert_int_equal(file_lock(path, &a, NULL, &e), -ELOOP);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_up_to_its_limit, make, clean),
        cmocka_unit_test_setup_teardown(publishes_whole, make, clean),
        cmocka_unit_test_setup_teardown(publish_to_a_full_disk, make, clean),
        cmocka_unit_test_setup_teardown(publish_to_an_unwritable_folder, make, clean),
        cmocka_unit_test_setup_teardown(publish_over_a_folder, make, clean),
        cmocka_unit_test_setup_teardown(makes_and_renames, make, clean),
        cmocka_unit_test_setup_teardown(removes_a_tree, make, clean),
        cmocka_unit_test_setup_teardown(removing_stops_at_mount_points, make, clean),
        cmocka_unit_test_setup_teardown(private_files, make, clean),
        cmocka_unit_test(write_all_tells_a_closed_reader),
        cmocka_unit_test_setup_teardown(locks_across_processes, make, clean),
        cmocka_unit_test_setup_teardown(a_signal_reaches_the_owner_and_nobody_else, make, clean),
        cmocka_unit_test_setup_teardown(a_removed_lock_file_locks_nobody_in, make, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
