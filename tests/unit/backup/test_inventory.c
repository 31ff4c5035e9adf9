/* What a restore from SQL would lose, and whether that is asked about. */
#include "backup/job/restore/inventory.h"

#include <string.h>
#include "common/json_get.h"
#include "tests/unit/common/unit.h"

#define OF(...)                                                                                    \
    (struct inventory)                                                                             \
    {                                                                                              \
        .exists = true, .items = (struct inventory_item[]){__VA_ARGS__},                           \
        .n = sizeof((struct inventory_item[]){__VA_ARGS__}) / sizeof(struct inventory_item)        \
    }
#define TABLE(name, rows)                                                                          \
    {                                                                                              \
        "table", (char[]){name}, rows                                                              \
    }
#define VIEW(name)                                                                                 \
    {                                                                                              \
        "view", (char[]){name}, -1                                                                 \
    }

static void check(struct inventory before, struct inventory after, const char *loss, bool grave)
{
    json_t *told = inventory_loss(&before, &after), *want = json_loads(loss, 0, NULL), *v;
    const char *key;
    assert_non_null(want);
    json_object_foreach (want, key, v)
        if (!json_equal(json_object_get(told, key), v)) {
            char *text = json_dumps(told, JSON_COMPACT);
            fail_msg("%s: %s", key, text);
        }
    assert_int_equal(inventory_loss_is_grave(told), grave);
    json_decref(told);
    json_decref(want);
}

static void test_what_is_lost(void **state)
{
    (void)state;
    check(OF(TABLE("a", 20), VIEW("v")), OF(TABLE("a", 25), VIEW("v")),
        "{\"vanish\":[],\"empty\":[],\"fewer\":[],\"tables\":1,\"rows\":20,\"then\":25}", false);
    /* a table with rows goes, one without and a view are only told */
    check(OF(TABLE("a", 1), TABLE("b", 5), TABLE("c", 5)), OF(TABLE("b", 5), TABLE("c", 5)),
        "{\"vanish\":[{\"kind\":\"table\",\"name\":\"a\",\"rows\":1}],\"tables\":3}", true);
    check(OF(TABLE("a", 0), VIEW("v"), TABLE("b", 5), TABLE("c", 5)),
        OF(TABLE("b", 5), TABLE("c", 5)), "{\"empty\":[],\"tables\":3}", false);
    /* one that cannot be read may have had rows */
    check(OF(TABLE("a", -1), TABLE("b", 5), TABLE("c", 5)), OF(TABLE("b", 5), TABLE("c", 5)),
        "{\"rows\":10,\"then\":10}", true);
    /* more than half of the tables, be they empty: and not just half */
    check(OF(TABLE("a", 0), TABLE("b", 0), TABLE("c", 0)), OF(TABLE("c", 0)), "{}", true);
    check(OF(TABLE("a", 0), TABLE("b", 0)), OF(TABLE("b", 0)), "{}", false);
    check(OF(TABLE("a", 1)), OF(TABLE("a", 0)),
        "{\"empty\":[{\"name\":\"a\",\"rows\":1}],\"vanish\":[]}", true);
}

static void test_most_rows(void **state)
{
    (void)state;
    /* less than half, and at least ten */
    check(OF(TABLE("a", 20)), OF(TABLE("a", 9)),
        "{\"fewer\":[{\"name\":\"a\",\"rows\":20,\"then\":9}]}", true);
    check(OF(TABLE("a", 20)), OF(TABLE("a", 10)), "{\"fewer\":[]}", false);
    check(OF(TABLE("a", 11)), OF(TABLE("a", 1)), "{\"then\":1}", true);
    check(OF(TABLE("a", 10)), OF(TABLE("a", 1)), "{\"fewer\":[]}", false);
    /* of all together, where no single table lost so many */
    check(OF(TABLE("a", 9), TABLE("b", 9)), OF(TABLE("a", 4), TABLE("b", 4)),
        "{\"fewer\":[],\"rows\":18,\"then\":8}", true);
    check(OF(TABLE("a", 20), TABLE("n", -1)), OF(TABLE("a", 20), TABLE("n", -1)),
        "{\"rows\":20,\"then\":20}", false);
}

static void test_a_database_and_a_sequence(void **state)
{
    (void)state;
    json_t *loss = json_pack("{s:[{s:s}], s:i}", "vanish", "kind", "database", "tables", 9);
    assert_true(inventory_loss_is_grave(loss));
    json_decref(loss);
    struct inventory v = OF({"sequence", (char[]){"s"}, -1}, VIEW("v"));
    assert_ptr_equal(inventory_find(&v, "table", "s"), &v.items[0]);
    assert_null(inventory_find(&v, "table", "v"));
    assert_null(inventory_find(&v, "view", "s"));
    assert_null(inventory_find(&v, "table", "S"));
}

static void test_names_in_another_case(void **state)
{
    (void)state;
    struct inventory live = OF(TABLE("kontakt", 1), TABLE("Fall", 1), VIEW("X"), TABLE("Labor", 1)),
                     file = OF(TABLE("KONTAKT", 1), TABLE("Fall", 1), TABLE("FALL", 1), VIEW("x"),
                         VIEW("labor"));
    json_t *pairs = inventory_other_case(&live, &file);
    char *text = json_dumps(pairs, JSON_COMPACT);
    assert_string_equal(text, "[[\"KONTAKT\",\"kontakt\"]]");
    free(text);
    json_decref(pairs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_lost),
        cmocka_unit_test(test_most_rows),
        cmocka_unit_test(test_a_database_and_a_sequence),
        cmocka_unit_test(test_names_in_another_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
