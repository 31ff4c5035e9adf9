/* What the keeper remembers: written and read back, damaged, missing. */
#include "tests/unit/common/unit.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "backup/keeper/state.h"
#include "common/json_get.h"

static char *dir;
static char path[512];

static int setup(void **state)
{
    (void)state;
    dir = unit_make_dir();
    snprintf(path, sizeof path, "%s/keeper.json", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unit_remove_dir(dir);
    return 0;
}

static void a_first_start_knows_nothing(void **state)
{
    struct keeper_state s;
    (void)state;
    assert_int_equal(keeper_state_open(path, &s, NULL), 0);
    assert_int_equal(s.plan.pending.due_ms, 0);
    assert_int_equal(s.plan.backup_seen_ms, 0);
    assert_int_equal(json_array_size(s.runs), 0);
    keeper_state_clear(&s);
}

static void all_of_it_comes_back(void **state)
{
    struct err e = {0};
    struct keeper_state s, t;
    (void)state;
    assert_int_equal(keeper_state_open(path, &s, &e), 0);
    s.plan.backup_seen_ms = 1;
    s.plan.drill_seen_ms = 2;
    s.plan.drill_due = true;
    s.plan.prove_due = true;
    s.plan.chain_due_ms = 4711;
    plan_pending_set(&s.plan.pending, 3, 4);
    s.plan.pending.missed = s.plan.pending.by_hand = true;
    s.plan.pending.yielded = 5;
    s.plan.pending.failed = 1;
    json_array_append_new(s.plan.pending.types, json_string("bilder"));
    keeper_state_add_run(&s, json_pack("{s:s}", "run", "first"));
    keeper_state_add_run(&s, json_pack("{s:s}", "run", "second"));
    assert_int_equal(keeper_state_save(&s, &e), 0);
    assert_int_equal(keeper_state_open(path, &t, &e), 0);
    assert_int_equal(t.plan.backup_seen_ms, 1);
    assert_int_equal(t.plan.drill_seen_ms, 2);
    assert_true(t.plan.drill_due);
    assert_true(t.plan.prove_due);
    assert_int_equal(t.plan.chain_due_ms, 4711);
    assert_int_equal(t.plan.pending.due_ms, 3);
    assert_int_equal(t.plan.pending.asked_ms, 4);
    assert_true(t.plan.pending.missed && t.plan.pending.by_hand);
    assert_int_equal(t.plan.pending.yielded, 5);
    assert_int_equal(t.plan.pending.failed, 1);
    assert_true(json_equal(t.plan.pending.types, s.plan.pending.types));
    assert_true(json_equal(t.runs, s.runs));
    assert_string_equal(json_get_str(json_array_get(t.runs, 0), "run"), "second");
    plan_pending_drop(&t.plan.pending);
    assert_int_equal(keeper_state_save(&t, &e), 0);
    keeper_state_clear(&t);
    assert_int_equal(keeper_state_open(path, &t, &e), 0);
    assert_int_equal(t.plan.pending.due_ms, 0);
    keeper_state_clear(&s);
    keeper_state_clear(&t);
}

static void the_list_of_runs_has_an_end(void **state)
{
    struct keeper_state s;
    (void)state;
    assert_int_equal(keeper_state_open(path, &s, NULL), 0);
    for (int i = 0; i < KEEPER_RUNS_MAX + 7; i++)
        keeper_state_add_run(&s, json_pack("{s:i}", "n", i));
    assert_int_equal(json_array_size(s.runs), KEEPER_RUNS_MAX);
    assert_int_equal(json_get_int(json_array_get(s.runs, 0), "n"), KEEPER_RUNS_MAX + 6);
    keeper_state_clear(&s);
}

static void what_is_damaged_is_put_aside(void **state)
{
    static const char *const texts[] = {
        "", "{", "[]", "{}", "{\"version\":2}", "{\"version\":\"1\"}", "\xff\xfe"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct err e = {0};
        struct keeper_state s;
        char aside[600];
        free(unit_write(dir, "keeper.json", texts[i], strlen(texts[i]), 0600));
        assert_int_equal(keeper_state_open(path, &s, &e), 1);
        assert_says(&e, "put aside");
        assert_int_equal(json_array_size(s.runs), 0);
        assert_int_equal(access(path, F_OK), -1);
        snprintf(aside, sizeof aside, "%s.damaged", path);
        assert_int_equal(access(aside, F_OK), 0);
        assert_int_equal(keeper_state_save(&s, &e), 0);
        keeper_state_clear(&s);
    }
}

static void wrong_members_do_no_harm(void **state)
{
    static const char text[] =
        "{\"version\":1,\"backup_seen_ms\":\"x\",\"pending\":[],\"runs\":{}}";
    struct keeper_state s;
    (void)state;
    free(unit_write(dir, "keeper.json", text, strlen(text), 0600));
    assert_int_equal(keeper_state_open(path, &s, NULL), 0);
    assert_int_equal(s.plan.backup_seen_ms, 0);
    assert_int_equal(s.plan.pending.due_ms, 0);
    assert_int_equal(json_array_size(s.runs), 0);
    keeper_state_clear(&s);
}

static void a_folder_that_is_gone_is_told(void **state)
{
    struct err e = {0};
    struct keeper_state s;
    (void)state;
    assert_int_equal(keeper_state_open("/nowhere/at/all/keeper.json", &s, &e), 0);
    assert_true(keeper_state_save(&s, &e) < 0);
    assert_says(&e, "/nowhere/at/all");
    keeper_state_clear(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_first_start_knows_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(all_of_it_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(the_list_of_runs_has_an_end, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_damaged_is_put_aside, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_members_do_no_harm, setup, teardown),
        cmocka_unit_test(a_folder_that_is_gone_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
