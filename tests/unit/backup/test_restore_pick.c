/* Which archives of a run are meant. */
#include "tests/unit/common/unit.h"

#include <errno.h>
#include <stdio.h>
#include "backup/job/restore/pick.h"
#include "common/exit_codes.h"

static struct store_item items[] = {
    {.type = "documents", .run = "r", .complete = true, .manifest.method = MANIFEST_FILES},
    {.type = "elexisdb", .run = "r", .complete = true, .manifest.method = MANIFEST_PHYSICAL},
    {.type = "elexisdb-sql", .run = "r", .complete = true, .manifest.method = MANIFEST_DUMP},
};

/* first to last: of these; types: NULL-terminated. */
static int picked(size_t first, size_t last, const char *const *types)
{
    struct store_list l = {.items = items + first, .count = last - first + 1};
    int mask = 0;
    for (size_t i = 0; i < l.count; i++)
        mask |= restore_picked(&l, i, types) << (first + i);
    return mask;
}

static void test_of_two_copies_the_files(void **state)
{
    (void)state;
    const char *const all[] = {NULL}, *const dump[] = {"elexisdb-sql", NULL},
                      *const two[] = {"documents", "elexisdb", NULL};
    assert_int_equal(picked(0, 2, all), 3);
    assert_int_equal(picked(2, 2, all), 4); /* it is all there is */
    assert_int_equal(picked(0, 2, dump), 4);
    assert_int_equal(picked(0, 2, two), 3);
}

static int dump_of(size_t first, size_t last, const char *const *types,
    const struct store_item **dump, struct err *e)
{
    struct store_list l = {.items = items + first, .count = last - first + 1};
    return restore_picked_dump(&l, types, dump, e);
}

static void test_a_dump_by_itself(void **state)
{
    (void)state;
    struct err e = {0};
    const struct store_item *dump = items;
    const char *const all[] = {NULL}, *const sql[] = {"elexisdb-sql", NULL},
                      *const both[] = {"documents", "elexisdb-sql", NULL};
    assert_int_equal(dump_of(0, 2, all, &dump, &e), 0);
    assert_null(dump);
    assert_int_equal(dump_of(0, 2, sql, &dump, &e), 0);
    assert_ptr_equal(dump, &items[2]);
    assert_int_equal(dump_of(0, 2, both, &dump, &e), EXIT_REFUSED);
    assert_says(&e, "elexisdb-sql");
    /* what is not whole is none, and is said where it is asked for */
    items[2].complete = false;
    (void)err_set(&items[2].problem, EBADMSG, "%s", "no end");
    assert_int_equal(dump_of(0, 2, sql, &dump, &e), 0);
    assert_null(dump);
    assert_int_equal(restore_picked_whole(&items[2], "latest", &e), EXIT_INCONSISTENT);
    assert_says(&e, "no end");
    assert_null(strstr(e.text, "--foreign"));
    assert_int_equal(restore_picked_whole(&items[2], "/backup/x.tar.gz", &e), EXIT_INCONSISTENT);
    assert_says(&e, "--foreign");
    items[2].complete = true;
    assert_int_equal(restore_picked_whole(&items[2], "latest", &e), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of_two_copies_the_files),
        cmocka_unit_test(test_a_dump_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
