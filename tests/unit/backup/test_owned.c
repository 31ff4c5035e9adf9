/* Trees that change hands: what a hostile owner may have planted is refused, and nothing outside is
 * touched. */
#include "tests/unit/common/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "backup/job/trial/owned.h"

#define THEM 65533

struct place {
    char *dir, *victim;
    int fd;
};

static int set_up(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    struct err e = {0};
    p->dir = unit_make_dir();
    p->victim = unit_write(p->dir, "victim", "x", 1, 0600);
    int home = owned_open(p->dir, &e);
    p->fd = owned_make_at(home, "tree", &e);
    assert_true(home >= 0 && p->fd >= 0);
    close(home);
    assert_int_equal(mkdirat(p->fd, "mysql", 0700), 0);
    int f = openat(p->fd, "mysql/user.frm", O_WRONLY | O_CREAT, 0660);
    assert_true(f >= 0);
    close(f);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;
    close(p->fd);
    unit_remove_dir(p->dir);
    free(p->victim);
    free(p);
    return 0;
}

static void untouched(struct place *p)
{
    struct stat st;
    assert_int_equal(stat(p->victim, &st), 0);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void a_tree_goes_and_comes_back(void **state)
{
    struct place *p = *state;
    struct err e = {0};
    struct stat st;
    if (geteuid() != 0)
        skip();
    assert_int_equal(fchmodat(p->fd, "mysql/user.frm", 06775, 0), 0);
    assert_int_equal(owned_give(p->fd, THEM, THEM, &e), 0);
    assert_int_equal(fstatat(p->fd, "mysql/user.frm", &st, 0), 0);
    assert_int_equal(st.st_uid, THEM);
    assert_int_equal(st.st_mode & 07777, 0664);
    assert_int_equal(fstatat(p->fd, "mysql", &st, 0), 0);
    assert_int_equal(st.st_gid, THEM);
    assert_int_equal(owned_take_back(p->fd, &e), 0);
    assert_int_equal(fstat(p->fd, &st), 0);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(fstatat(p->fd, "mysql/user.frm", &st, 0), 0);
    assert_int_equal(st.st_uid, 0);
}

static void plant_link(struct place *p)
{
    assert_int_equal(symlinkat(p->victim, p->fd, "mysql/planted"), 0);
}
static void plant_folder_link(struct place *p)
{
    assert_int_equal(symlinkat(p->dir, p->fd, "planted"), 0);
}
static void plant_second_name(struct place *p)
{
    assert_int_equal(linkat(AT_FDCWD, p->victim, p->fd, "mysql/planted", 0), 0);
}
static void plant_device(struct place *p)
{
    assert_int_equal(mknodat(p->fd, "mysql/planted", S_IFCHR | 0666, makedev(1, 3)), 0);
}
static void plant_block_device(struct place *p)
{
    assert_int_equal(mknodat(p->fd, "mysql/planted", S_IFBLK | 0666, makedev(7, 0)), 0);
}
static void plant_fifo(struct place *p)
{
    assert_int_equal(mkfifoat(p->fd, "mysql/planted", 0666), 0);
}
static void plant_socket(struct place *p)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s/tree/mysql/planted", p->dir);
    assert_int_equal(bind(s, (struct sockaddr *)&a, sizeof a), 0);
    close(s);
}
static void plant_depth(struct place *p)
{
    int at = dup(p->fd);
    for (int i = 0; i < 70; i++) {
        assert_int_equal(mkdirat(at, "planted", 0700), 0);
        int next = openat(at, "planted", O_RDONLY | O_DIRECTORY);
        close(at);
        at = next;
    }
    close(at);
}

static void what_is_planted_is_refused(void **state)
{
    static void (*const plants[])(struct place *) = {plant_link, plant_folder_link,
        plant_second_name, plant_device, plant_block_device, plant_fifo, plant_socket, plant_depth};
    (void)state;
    if (geteuid() != 0)
        skip();
    for (size_t i = 0; i < sizeof plants / sizeof plants[0]; i++)
        for (int back = 0; back < 2; back++) {
            bool remains = back && (plants[i] == plant_fifo || plants[i] == plant_socket);
            void *s = NULL;
            struct err e = {0};
            assert_int_equal(set_up(&s), 0);
            struct place *p = s;
            plants[i](p);
            int r = back ? owned_take_back(p->fd, &e) : owned_give(p->fd, THEM, THEM, &e);
            if (remains) { /* of a server that has ended: goes */
                assert_int_equal(r, 0);
                assert_int_equal(faccessat(p->fd, "mysql/planted", F_OK, AT_SYMLINK_NOFOLLOW), -1);
            } else {
                assert_true(r < 0);
                assert_says(&e, "planted");
            }
            untouched(p);
            tear_down(&s);
        }
}

static void folders_of_others_are_none_of_ours(void **state)
{
    struct place *p = *state;
    struct err e = {0};
    _cleanup_free_ char *tree = xasprintf("%s/tree", p->dir);
    _cleanup_free_ char *link = xasprintf("%s/link", p->dir);
    assert_int_equal(symlink(tree, link), 0);
    assert_int_equal(owned_open(link, &e), -ENOTDIR);
    assert_int_equal(owned_open(p->victim, &e), -ENOTDIR);
    assert_int_equal(fchmod(p->fd, 0770), 0);
    assert_int_equal(owned_open(tree, &e), -EPERM);
    assert_int_equal(fchmod(p->fd, 0755), 0);
    int fd = owned_open(tree, &e);
    assert_true(fd >= 0);
    close(fd);
    if (geteuid() == 0) {
        assert_int_equal(fchown(p->fd, THEM, 0), 0);
        assert_int_equal(owned_open(tree, &e), -EPERM);
        assert_says(&e, "another user");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_tree_goes_and_comes_back, set_up, tear_down),
        cmocka_unit_test(what_is_planted_is_refused),
        cmocka_unit_test_setup_teardown(folders_of_others_are_none_of_ours, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
