/* The copy of the live data that SQL is read into: what changed while it was made is taken again,
 * what came or went is noticed, and nothing is taken for unchanged that was written to. */
#include "tests/unit/common/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "backup/job/restore/mirror.h"

#define BIG ((8u << 20) + 4711)

static char *dir;
static struct mirror_options o;
static char order[512];
static uint64_t told;
static int go_on_for; /* questions; -1 = for ever */

static bool by_hand; /* the kernel does not copy between these two */

ssize_t __wrap_copy_file_range(
    int in, off64_t *in_at, int out, off64_t *out_at, size_t n, unsigned flags);
ssize_t __real_copy_file_range(
    int in, off64_t *in_at, int out, off64_t *out_at, size_t n, unsigned flags);

ssize_t __wrap_copy_file_range(
    int in, off64_t *in_at, int out, off64_t *out_at, size_t n, unsigned flags)
{
    errno = EXDEV;
    return by_hand ? -1 : __real_copy_file_range(in, in_at, out, out_at, n, flags);
}

int __wrap_openat64(int dirfd, const char *name, int flags, mode_t mode);
int __real_openat64(int dirfd, const char *name, int flags, mode_t mode);

int __wrap___openat64_2(int dirfd, const char *name, int flags); /* openat() under FORTIFY */

static const char *swapped; /* another file is put in this one's place before it is opened */

int __wrap_openat64(int dirfd, const char *name, int flags, mode_t mode)
{
    if (swapped && strcmp(name, swapped) == 0 && !(flags & O_CREAT)) {
        swapped = NULL;
        assert_int_equal(renameat(dirfd, "another", dirfd, name), 0);
    }
    return __real_openat64(dirfd, name, flags, mode);
}

int __wrap___openat64_2(int dirfd, const char *name, int flags)
{
    return __wrap_openat64(dirfd, name, flags, 0);
}

static char *at(const char *folder, const char *name)
{
    return xasprintf("%s/%s/%s", dir, folder, name);
}

static void put(const char *name, const char *text, size_t n, mode_t mode)
{
    char *path = at("from", name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, n), n);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    free(path);
}

static void make(const char *name)
{
    char *path = at("from", name);
    assert_int_equal(mkdir(path, 0750), 0);
    free(path);
}

/* text NULL: it is not there. */
static void has(const char *name, const char *text, mode_t mode)
{
    struct stat st;
    char buf[64] = "", *path = at("into", name);
    int fd = open(path, O_RDONLY);
    if (!text) {
        assert_int_equal(fd, -1);
        free(path);
        return;
    }
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    assert_int_equal(st.st_mode & 07777, mode);
    assert_int_equal(read(fd, buf, sizeof buf - 1), strlen(text));
    assert_string_equal(buf, text);
    close(fd);
    free(path);
}

/* What is written from now on shows in the files' times. */
static void later(void)
{
    usleep(120000);
}

static bool skips(void *ctx, const char *path)
{
    (void)ctx;
    return strncmp(path, "tmp", 3) == 0;
}

static bool may(void *ctx)
{
    (void)ctx;
    return go_on_for < 0 || go_on_for-- > 0;
}

static void tell(void *ctx, uint64_t bytes, const char *path)
{
    (void)ctx;
    told = bytes;
    if (strlen(order) + strlen(path) + 2 < sizeof order)
        strcat(strcat(order, path), " ");
}

static int setup(void **state)
{
    (void)state;
    static const char *const first[] = {"control", "none", NULL}, *const last[] = {"alog", NULL};
    dir = unit_make_dir();
    char *from = at("from", ""), *into = at("into", "");
    from[strlen(from) - 1] = into[strlen(into) - 1] = '\0';
    assert_true(mkdir(from, 0700) == 0 && mkdir(into, 0700) == 0);
    o = (struct mirror_options){.from = from,
        .into = into,
        .first = first,
        .last = last,
        .skip = skips,
        .go_on = may,
        .progress = tell};
    go_on_for = -1;
    by_hand = false;
    *order = '\0';
    put("alog", "log", 3, 0640);
    put("control", "ctl", 3, 0600);
    make("db");
    put("db/a", "one", 3, 0660);
    put("db/b", "", 0, 0660);
    make("tmp");
    put("tmp/x", "no", 2, 0600);
    put("zz", "end", 3, 0600);
    later();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free((char *)(uintptr_t)o.from);
    free((char *)(uintptr_t)o.into);
    unit_remove_dir(dir);
    return 0;
}

static struct mirror *passed(void)
{
    struct err e = {0};
    struct mirror *m = mirror_create(&o);
    assert_int_equal(mirror_pass(m, &e), 0);
    return m;
}

/* When the copy was last written to. */
static struct timespec changed(const char *name)
{
    struct stat st;
    char *path = at("into", name);
    assert_int_equal(stat(path, &st), 0);
    free(path);
    return st.st_ctim;
}

static bool is_later(struct timespec a, struct timespec b)
{
    return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

static void test_all_in_its_order(void **state)
{
    (void)state;
    struct err e = {0};
    char *pipe_ = at("from", "pipe"), *big = xcalloc(1, BIG), *path = at("into", "zz");
    assert_int_equal(mkfifo(pipe_, 0600), 0);
    memset(big, 'x', BIG);
    put("zz", big, BIG, 0600);
    later();
    struct mirror *m = passed();
    has("alog", "log", 0640);
    has("control", "ctl", 0600);
    has("db/a", "one", 0660);
    has("db/b", "", 0660);
    has("tmp", NULL, 0);
    has("pipe", NULL, 0);
    struct stat st;
    assert_true(stat(path, &st) == 0 && st.st_size == BIG);
    char *copied = xcalloc(1, BIG);
    int fd = open(path, O_RDONLY);
    for (ssize_t n, done = 0; (n = read(fd, copied + done, (size_t)(BIG - done))) > 0;)
        done += n;
    close(fd);
    assert_memory_equal(copied, big, BIG);
    free(copied);
    if (*order) { /* a file system that shares blocks copies nothing */
        assert_ptr_equal(strstr(order, "control "), order);
        assert_string_equal(strstr(order, "alog "), "alog ");
        assert_int_equal(told, 3 + 3 + 3 + BIG);
    }
    assert_int_equal(mirror_compare(m, NULL, &e), 0);
    mirror_drop(m);
    free(pipe_);
    free(big);
    free(path);
}

static void test_where_the_kernel_does_not_copy(void **state)
{
    by_hand = true;
    test_all_in_its_order(state);
}

static void test_only_what_changed_is_taken_again(void **state)
{
    (void)state;
    struct err e = {0};
    struct mirror *m = passed();
    char *gone = at("from", "db/b");
    struct timespec before = changed("zz");
    put("db/a", "two", 3, 0600);
    make("new");
    put("new/c", "c", 1, 0600);
    assert_int_equal(unlink(gone), 0);
    later();
    assert_int_equal(mirror_compare(m, NULL, &e), 1);
    assert_int_equal(mirror_pass(m, &e), 0);
    has("db/a", "two", 0600);
    has("new/c", "c", 0600);
    has("db/b", NULL, 0);
    assert_false(is_later(changed("zz"), before));
    assert_int_equal(mirror_compare(m, NULL, &e), 0);
    /* a folder goes with what lay in it */
    char *file = at("from", "new/c"), *folder = at("from", "new");
    assert_true(unlink(file) == 0 && rmdir(folder) == 0);
    assert_int_equal(mirror_compare(m, NULL, &e), 1);
    assert_int_equal(mirror_pass(m, &e), 0);
    has("new", NULL, 0);
    assert_int_equal(mirror_compare(m, NULL, &e), 0);
    mirror_drop(m);
    free(gone);
    free(file);
    free(folder);
}

/* Each alone: another text of the same length with its old time, a longer one, another file of that
 * name, one more, one less. */
static void test_each_change_is_noticed(void **state)
{
    (void)state;
    for (int kind = 0; kind < 5; kind++) {
        struct err e = {0};
        struct mirror *m = passed();
        struct stat st;
        char *path = at("from", "db/a"), *aside = at("from", "db/a2");
        assert_int_equal(mirror_compare(m, NULL, &e), 0);
        assert_int_equal(stat(path, &st), 0);
        later();
        struct timespec times[2] = {st.st_atim, st.st_mtim};
        if (kind == 0) {
            put("db/a", "ONE", 3, 0660);
            assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
        } else if (kind == 1)
            put("db/a", "longer", 6, 0660);
        else if (kind == 2) {
            put("db/a2", "one", 3, 0660);
            assert_int_equal(rename(aside, path), 0);
        } else if (kind == 3)
            put("db/a2", "", 0, 0660);
        else
            assert_int_equal(unlink(path), 0);
        assert_int_equal(mirror_compare(m, NULL, &e), 1);
        assert_int_equal(mirror_compare(m, "db", &e), 1);
        assert_int_equal(mirror_compare(m, "zz", &e), 0);
        mirror_drop(m);
        (void)unlink(aside);
        put("db/a", "one", 3, 0660);
        later();
        char *copy = at("into", "db/a");
        (void)unlink(copy);
        free(copy);
        free(path);
        free(aside);
    }
}

/* What was written to just before it was copied: a later write might bear the same time, so it is
 * taken again. */
static void test_what_was_just_written_is_not_sure(void **state)
{
    (void)state;
    struct err e = {0};
    struct mirror *m = passed();
    char *path = at("from", "zz");
    /* a time that is still to come stands for a clock of files that stands still */
    struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = time(NULL) + 100000}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    later();
    assert_int_equal(mirror_pass(m, &e), 0);
    struct timespec zz = changed("zz"), control = changed("control");
    later();
    assert_int_equal(mirror_pass(m, &e), 0);
    assert_true(is_later(changed("zz"), zz));
    assert_false(is_later(changed("control"), control));
    mirror_drop(m);
    free(path);
}

static void test_what_is_opened_is_what_was_looked_at(void **state)
{
    (void)state;
    struct err e = {0};
    struct mirror *m = passed();
    put("zz", "grown", 5, 0600);
    put("another", "of somebody else", 16, 0600);
    swapped = "zz";
    assert_int_equal(mirror_pass(m, &e), 0);
    assert_null(swapped);
    char *path = at("into", "zz");
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(mirror_compare(m, NULL, &e), 1); /* so it is taken again */
    mirror_drop(m);
    free(path);
}

static void test_it_ends_when_it_is_told(void **state)
{
    (void)state;
    struct err e = {0};
    struct mirror *m = mirror_create(&o);
    go_on_for = 1;
    int code = mirror_pass(m, &e);
    assert_true(code == 1 || (code == 0 && !*order)); /* shared blocks are not asked about */
    go_on_for = -1;
    assert_int_equal(mirror_pass(m, &e), 0);
    has("zz", "end", 0600);
    mirror_drop(m);
}

static void test_a_folder_that_is_not_there(void **state)
{
    (void)state;
    struct err e = {0};
    struct mirror_options none = o;
    none.from = "/nonexistent/folder";
    struct mirror *m = mirror_create(&none);
    assert_true(mirror_pass(m, &e) < 0);
    mirror_drop(m);
    mirror_drop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_in_its_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_where_the_kernel_does_not_copy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_what_changed_is_taken_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_change_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_was_just_written_is_not_sure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_opened_is_what_was_looked_at, setup, teardown),
        cmocka_unit_test_setup_teardown(test_it_ends_when_it_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_folder_that_is_not_there, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
