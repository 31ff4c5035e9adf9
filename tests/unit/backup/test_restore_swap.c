/* Every stop of a swap, then either way from there: all of the old or all of the new, and nothing
 * lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "backup/job/restore/swap.h"
#include "common/file.h"

static char base[64];
static struct swap_folders f;

static void put(int dir, const char *name, const char *text)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void has(int dir, const char *name, const char *text)
{
    char buf[32] = "";
    int fd = openat(dir, name, O_RDONLY);
    if (!text) {
        assert_int_equal(fd, -1);
        return;
    }
    assert_true(fd >= 0);
    assert_int_equal(read(fd, buf, sizeof buf), strlen(text));
    assert_string_equal(buf, text);
    close(fd);
}

static int folder(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", base, name);
    assert_int_equal(mkdir(path, 0700), 0);
    return open(path, O_RDONLY | O_DIRECTORY);
}

static int setup(void **state)
{
    (void)state;
    snprintf(base, sizeof base, "/tmp/elexgate-swap-XXXXXX");
    assert_non_null(mkdtemp(base));
    f.live = folder("live");
    f.fresh = folder("fresh");
    f.old = folder("old");
    /* in both, only old, only new, and one that stays */
    put(f.live, "ibdata1", "old");
    put(f.fresh, "ibdata1", "new");
    put(f.live, "gone", "old");
    put(f.fresh, "added", "new");
    put(f.live, "lost+found", "stays");
    assert_int_equal(mkdirat(f.live, "mysql", 0700), 0);
    assert_int_equal(mkdirat(f.fresh, "mysql", 0700), 0);
    put(f.live, "mysql/user", "old");
    put(f.fresh, "mysql/user", "new");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close(f.live);
    close(f.fresh);
    close(f.old);
    int tmp = open("/tmp", O_RDONLY | O_DIRECTORY);
    int r = file_remove_tree(tmp, base + strlen("/tmp/"), NULL);
    close(tmp);
    return r;
}

static void is_old(void)
{
    has(f.live, "ibdata1", "old");
    has(f.live, "gone", "old");
    has(f.live, "added", NULL);
    has(f.live, "mysql/user", "old");
    has(f.fresh, "ibdata1", "new");
    has(f.fresh, "added", "new");
    has(f.fresh, "mysql/user", "new");
    has(f.old, "ibdata1", NULL);
    has(f.live, "lost+found", "stays");
}

static void is_new(void)
{
    has(f.live, "ibdata1", "new");
    has(f.live, "gone", NULL);
    has(f.live, "added", "new");
    has(f.live, "mysql/user", "new");
    has(f.old, "ibdata1", "old");
    has(f.old, "gone", "old");
    has(f.old, "mysql/user", "old");
    has(f.fresh, "ibdata1", NULL);
    has(f.live, "lost+found", "stays");
}

static struct swap planned(void)
{
    static const char *const leave[] = {"lost+found", NULL};
    struct swap s, again;
    struct err e = {0};
    assert_int_equal(swap_plan(&f, leave, &s, &e), 0);
    assert_int_equal(s.n, 4);
    json_t *j = swap_to_json(&s);
    assert_int_equal(swap_from_json(j, &again, &e), 0);
    json_decref(j);
    swap_clear(&s);
    return again;
}

/* The linker sends the code's calls here (--wrap): a stranger takes the name between the look and
 * the move, as a server that starts just then would. */
static struct {
    int at; /* before the at-th move; 0 = never */
    int moves, dir;
    char name[32];
} stranger;
static bool without_flags; /* a file system that knows neither EXCHANGE nor NOREPLACE */
static unsigned synced;    /* bits: live, fresh, old */

int __real_renameat2(int from, const char *a, int to, const char *b, unsigned flags);
int __wrap_renameat2(int from, const char *a, int to, const char *b, unsigned flags);
int __wrap_renameat2(int from, const char *a, int to, const char *b, unsigned flags)
{
    if (without_flags && flags) {
        errno = EINVAL;
        return -1;
    }
    if (flags != RENAME_EXCHANGE && ++stranger.moves == stranger.at) {
        int fd = openat(to, b, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, "stranger", 8), 8);
        close(fd);
        stranger.dir = to;
        snprintf(stranger.name, sizeof stranger.name, "%s", b);
    }
    return __real_renameat2(from, a, to, b, flags);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    synced |= fd == f.live ? 1 : fd == f.fresh ? 2 : fd == f.old ? 4 : 8;
    return __real_fsync(fd);
}

static void there_and_back(void **state)
{
    (void)state;
    struct swap s = planned();
    struct err e = {0};
    is_old();
    for (int i = 0; i < 3; i++) {
        synced = 0;
        assert_int_equal(swap_settle(&f, &s, true, NULL, NULL, &e), 0);
        assert_int_equal(synced, 1 | 2 | 4); /* or a power cut brings back half of it */
        assert_int_equal(
            swap_settle(&f, &s, true, NULL, NULL, &e), 0); /* repeating changes nothing */
        is_new();
        assert_int_equal(swap_settle(&f, &s, false, NULL, NULL, &e), 0);
        is_old();
    }
    swap_clear(&s);
}

static void die_at(void *ctx)
{
    int *left = ctx;
    if (--*left == 0)
        _exit(7);
}

/* A child is ended after its n-th rename, for every n and both ways; then it goes on or back. */
static void killed_at_every_step(void **state)
{
    (void)state;
    struct swap s = planned();
    struct err e = {0};
    unsigned stops = 0;
    for (int from_new = 0; from_new < 2; from_new++)
        for (int onward = 0; onward < 2; onward++)
            for (int n = 1;; n++) {
                assert_int_equal(swap_settle(&f, &s, from_new, NULL, NULL, &e), 0);
                pid_t pid = fork();
                if (pid == 0) {
                    int left = n;
                    _exit(swap_settle(&f, &s, !from_new, die_at, &left, &e) == 0 ? 0 : 1);
                }
                int status;
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_true(WIFEXITED(status));
                assert_int_not_equal(WEXITSTATUS(status), 1);
                bool to_new = onward ? !from_new : from_new;
                assert_int_equal(swap_settle(&f, &s, to_new, NULL, NULL, &e), 0);
                if (to_new)
                    is_new();
                else
                    is_old();
                if (WEXITSTATUS(status) == 0)
                    break; /* fewer than n renames */
                stops++;
            }
    assert_true(stops >= 20);
    swap_clear(&s);
}

static void on_a_file_system_without_the_flags(void **state)
{
    without_flags = true;
    there_and_back(state);
    killed_at_every_step(state);
    without_flags = false;
}

static void a_stranger_in_the_way_is_never_overwritten(void **state)
{
    (void)state;
    struct swap s = planned();
    struct err e = {0};
    /* made beside it first: a file made after the unlinking could get its inode number */
    put(f.live, "x", "stranger");
    assert_int_equal(renameat(f.live, "x", f.live, "ibdata1"), 0);
    assert_int_equal(swap_settle(&f, &s, true, NULL, NULL, &e), -EEXIST);
    assert_non_null(strstr(e.text, "\"ibdata1\""));
    has(f.live, "ibdata1", "stranger");
    has(f.fresh, "ibdata1", "new");
    swap_clear(&s);
}

static void a_stranger_that_comes_in_between_is_never_overwritten(void **state)
{
    (void)state;
    struct swap s = planned();
    struct err e = {0};
    bool came = true;
    for (int at = 1; came; at++) {
        assert_int_equal(swap_settle(&f, &s, false, NULL, NULL, &e), 0);
        stranger.at = at;
        stranger.moves = 0;
        int r = swap_settle(&f, &s, true, NULL, NULL, &e);
        stranger.at = 0;
        came = stranger.moves >= at;
        assert_int_equal(r, came ? -EEXIST : 0);
        if (!came)
            break;
        has(stranger.dir, stranger.name, "stranger");
        assert_int_equal(unlinkat(stranger.dir, stranger.name, 0), 0);
        assert_int_equal(swap_settle(&f, &s, true, NULL, NULL, &e), 0);
        is_new();
    }
    assert_true(stranger.moves >= 3);
    swap_clear(&s);
}

/* The server removes these when the list is made already. */
static void what_a_server_leaves_until_its_end_is_left_out(void **state)
{
    (void)state;
    static const char *const patterns[] = {"lost+found", "*.pid", "ibdata1", NULL};
    static const char *const names[] = {"praxis.pid", ".pid"};
    struct swap s;
    struct err e = {0};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int fd = openat(f.live, names[i], O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        close(fd);
    }
    assert_int_equal(mkdirat(f.live, "pid", 0700), 0); /* a database */
    assert_int_equal(swap_plan(&f, patterns, &s, &e), 0);
    assert_int_equal(s.n, 4); /* without ibdata1, with pid */
    for (size_t i = 0; i < s.n; i++)
        assert_false(strstr(s.entries[i].name, ".pid") || !strcmp(s.entries[i].name, "ibdata1"));
    swap_clear(&s);
    assert_int_equal(unlinkat(f.live, "pid", AT_REMOVEDIR), 0);
}

static void a_damaged_journal_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"[{}]", "[{\"name\":\"../x\",\"old\":1,\"new\":2}]",
        "[{\"name\":\"\",\"old\":1,\"new\":2}]", "[{\"name\":\"..\",\"old\":1,\"new\":2}]", "[3]"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct swap s = {0};
        struct err e = {0};
        json_t *j = json_loads(bad[i], 0, NULL);
        assert_int_equal(swap_from_json(j, &s, &e), -EINVAL);
        assert_int_equal(s.n, 0);
        json_decref(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(there_and_back, setup, teardown),
        cmocka_unit_test_setup_teardown(killed_at_every_step, setup, teardown),
        cmocka_unit_test_setup_teardown(on_a_file_system_without_the_flags, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_stranger_in_the_way_is_never_overwritten, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_stranger_that_comes_in_between_is_never_overwritten, setup, teardown),
        cmocka_unit_test_setup_teardown(
            what_a_server_leaves_until_its_end_is_left_out, setup, teardown),
        cmocka_unit_test(a_damaged_journal_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
