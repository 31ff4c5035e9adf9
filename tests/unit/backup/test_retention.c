/* Which generations may go. */
#include "tests/unit/common/unit.h"

#include <stdio.h>
#include <time.h>

#include "backup/rules/retention.h"
#include "common/clock.h"

static int64_t ms_of(const char *text)
{
    int64_t ms;
    assert_int_equal(clock_parse(text, &ms), 0);
    return ms;
}

static struct generation gen(const char *type, const char *at)
{
    return (struct generation){
        .type = type, .started_ms = ms_of(at), .ours = true, .complete = true};
}

static size_t apply(struct generation *g, size_t n, struct retention_policy p)
{
    return retention_apply(g, n, "elexisdb", &p, &cron_zone_utc, true);
}

static void test_keeps_the_newest(void **state)
{
    (void)state;
    /* in no order */
    struct generation g[] = {gen("elexisdb", "2026-11-20T03:15:00Z"),
        gen("elexisdb", "2026-11-22T03:15:00Z"), gen("elexisdb", "2026-11-19T03:15:00Z"),
        gen("elexisdb", "2026-11-21T03:15:00Z")};
    assert_int_equal(apply(g, 4, (struct retention_policy){.keep = 2}), 2);
    assert_null(g[0].kept_by);
    assert_string_equal(g[1].kept_by, "newest");
    assert_null(g[2].kept_by);
    assert_string_equal(g[3].kept_by, "keep");
    /* 0 still keeps one */
    assert_int_equal(apply(g, 4, (struct retention_policy){0}), 3);
    assert_string_equal(g[1].kept_by, "newest");
    assert_int_equal(apply(g, 4, (struct retention_policy){.keep = 9}), 0);
    assert_int_equal(apply(g, 0, (struct retention_policy){.keep = 9}), 0);
}

/* Protection adds: who is protected stays, and takes nobody's place. */
static void test_protected(void **state)
{
    (void)state;
    struct generation g[] = {gen("elexisdb", "2026-11-22T03:15:00Z"),
        gen("elexisdb", "2026-11-21T03:15:00Z"), gen("elexisdb", "2026-11-20T03:15:00Z"),
        gen("elexisdb", "2020-01-01T00:00:00Z")};
    g[0].protected = g[3].protected = true;
    assert_int_equal(apply(g, 4, (struct retention_policy){.keep = 2}), 0);
    assert_string_equal(g[0].kept_by, "newest");
    assert_string_equal(g[1].kept_by, "keep");
    assert_string_equal(g[2].kept_by, "keep");
    assert_string_equal(g[3].kept_by, "protected");
    /* what is no good is not counted, and is not made good by it */
    g[3].complete = false;
    assert_int_equal(apply(g, 4, (struct retention_policy){.keep = 1}), 1);
    assert_string_equal(g[3].kept_by, "incomplete");
}

/* Seven in a row by hand, on a day, do not empty the week. */
static void test_many_of_one_day_push_no_other_out(void **state)
{
    (void)state;
    struct generation g[] = {gen("elexisdb", "2026-11-22T10:00:00Z"),
        gen("elexisdb", "2026-11-22T09:00:00Z"), gen("elexisdb", "2026-11-22T08:00:00Z"),
        gen("elexisdb", "2026-11-22T07:00:00Z"), gen("elexisdb", "2026-11-21T03:15:00Z"),
        gen("elexisdb", "2026-11-20T03:15:00Z"), gen("elexisdb", "2026-11-19T03:15:00Z")};
    assert_int_equal(apply(g, 7, (struct retention_policy){.keep = 3}), 2);
    assert_string_equal(g[4].kept_by, "keep");
    assert_string_equal(g[5].kept_by, "keep");
    assert_null(g[3].kept_by);
    assert_null(g[6].kept_by);
}

/* One table that cannot be read makes each backup a bad one. */
static void test_bad_ones_push_nothing_out(void **state)
{
    (void)state;
    struct generation g[12];
    for (int i = 0; i < 12; i++) {
        char at[32];
        snprintf(at, sizeof at, "2026-11-%02dT03:15:00Z", 1 + i);
        g[i] = gen("elexisdb", at);
        g[i].bad = i >= 3 && i < 11;
    }
    g[11].just_made = true;
    assert_int_equal(apply(g, 12, (struct retention_policy){.keep = 2, .daily = 3}), 1);
    assert_null(g[0].kept_by);
    assert_string_equal(g[1].kept_by, "daily");
    assert_string_equal(g[2].kept_by, "keep");
    assert_string_equal(g[5].kept_by, "keep"); /* while those around it stay */
    assert_int_equal(apply(g, 11, (struct retention_policy){.keep = 3}), 0);
}

/* The old system's defects: elexisdb matched elexisdb2 and elexisdb_old by prefix. */
static void test_exact_type(void **state)
{
    (void)state;
    struct generation g[] = {gen("elexisdb2", "2020-01-01T00:00:00Z"),
        gen("elexisdb_old", "2020-01-01T00:00:00Z"), gen("Elexisdb", "2020-01-01T00:00:00Z"),
        gen("elexisdb", "2026-11-21T03:15:00Z"), gen("elexisdb", "2026-11-20T03:15:00Z")};
    assert_int_equal(apply(g, 5, (struct retention_policy){.keep = 1}), 1);
    for (int i = 0; i < 3; i++)
        assert_string_equal(g[i].kept_by, "other type");
    assert_null(g[4].kept_by);
}

static void test_incomplete_does_not_count(void **state)
{
    (void)state;
    struct generation g[] = {gen("elexisdb", "2026-11-22T03:15:00Z"),
        gen("elexisdb", "2026-11-21T03:15:00Z"), gen("elexisdb", "2026-11-20T03:15:00Z"),
        gen("elexisdb", "2026-11-19T03:15:00Z")};
    g[0].complete = g[1].complete = false;
    assert_int_equal(apply(g, 4, (struct retention_policy){.keep = 2}), 0);
    assert_string_equal(g[0].kept_by, "incomplete");
    assert_string_equal(g[2].kept_by, "newest");
    assert_string_equal(g[3].kept_by, "keep");
}

static void test_failed_run_deletes_nothing(void **state)
{
    (void)state;
    struct generation g[] = {
        gen("elexisdb", "2026-11-22T03:15:00Z"), gen("elexisdb", "2026-11-21T03:15:00Z")};
    struct retention_policy p = {.keep = 1};
    assert_int_equal(retention_apply(g, 2, "elexisdb", &p, &cron_zone_utc, false), 0);
    assert_string_equal(g[1].kept_by, "failed run");
}

static void test_proven_stays(void **state)
{
    (void)state;
    struct generation g[] = {gen("elexisdb", "2026-11-22T03:15:00Z"),
        gen("elexisdb", "2026-11-21T03:15:00Z"), gen("elexisdb", "2026-11-20T03:15:00Z"),
        gen("elexisdb", "2026-11-19T03:15:00Z")};
    g[2].proven = g[3].proven = true;
    assert_int_equal(apply(g, 4, (struct retention_policy){.keep = 1}), 2);
    assert_string_equal(g[2].kept_by, "proven");
    assert_null(g[3].kept_by);
}

/* The doubled hour: the later one has the earlier name, the UTC time decides. */
static void test_sorted_by_utc(void **state)
{
    (void)state;
    struct generation g[] = {
        gen("elexisdb", "2026-10-25T02:30:00+02:00"), gen("elexisdb", "2026-10-25T02:30:00+01:00")};
    assert_int_equal(apply(g, 2, (struct retention_policy){.keep = 1}), 1);
    assert_null(g[0].kept_by);
    assert_string_equal(g[1].kept_by, "newest");
}

static void test_grandfather(void **state)
{
    (void)state;
    enum { N = 800 };
    struct generation g[N];
    setenv("TZ", "Europe/Zurich", 1);
    tzset();
    int64_t last = ms_of("2026-11-22T03:15:00+01:00");
    for (int i = 0; i < N; i++)
        g[i] = (struct generation){.type = "elexisdb",
            .started_ms = last - i * INT64_C(86400000),
            .ours = true,
            .complete = true};
    struct retention_policy p = {.keep = 3, .daily = 7, .weekly = 4, .monthly = 12, .yearly = 20};
    size_t gone = retention_apply(g, N, "elexisdb", &p, &cron_zone_local, true);
    unsigned daily = 0, weekly = 0, monthly = 0, yearly = 0;
    for (int i = 0; i < N; i++) {
        if (!g[i].kept_by)
            continue;
        daily += strcmp(g[i].kept_by, "daily") == 0;
        weekly += strcmp(g[i].kept_by, "weekly") == 0;
        monthly += strcmp(g[i].kept_by, "monthly") == 0;
        yearly += strcmp(g[i].kept_by, "yearly") == 0;
    }
    /* of seven days three are kept already; the weeks of 22, 15, 8 and 1 November: the first is the
     * newest, the next four periods overlap; the rest by hand from a calendar */
    assert_int_equal(daily, 4);
    assert_int_equal(weekly, 3);   /* Sundays 15, 8, 1 November; 22 is the newest */
    assert_int_equal(monthly, 11); /* the last day of October 2026 back to December 2025 */
    assert_int_equal(yearly, 1);   /* 2026: the newest; 2025: 31 December, monthly; 2024: yearly */
    assert_int_equal(gone, N - 3 - 4 - 3 - 11 - 1);
    /* running it on what is left changes nothing */
    struct generation left[N];
    size_t n = 0;
    for (int i = 0; i < N; i++)
        if (g[i].kept_by)
            left[n++] = g[i];
    assert_int_equal(retention_apply(left, n, "elexisdb", &p, &cron_zone_local, true), 0);
}

/* Three runs each, in the order in which they were made; what may go of a keep of one. */
static void test_clocks(void **state)
{
    (void)state;
    static const struct {
        const char *what, *at[3], *kept[3];
        const char *now;
        bool numbered;
        int future;
    } cases[] = {
        {"the clock goes right",
            {"2026-11-20T03:15:00Z", "2026-11-21T03:15:00Z", "2026-11-22T03:15:00Z"},
            {NULL, NULL, "newest"}, "2026-11-22T03:16:00Z", true, -1},
        {"it fell back ten years",
            {"2026-11-20T03:15:00Z", "2026-11-21T03:15:00Z", "2016-11-22T03:15:00Z"},
            {NULL, NULL, "newest"}, "2016-11-22T03:16:00Z", true, 0},
        {"it was ahead for a night",
            {"2026-11-20T03:15:00Z", "2036-11-21T03:15:00Z", "2026-11-22T03:15:00Z"},
            {NULL, NULL, "newest"}, "2026-11-22T03:16:00Z", true, 1},
        {"and nobody set it right",
            {"2026-11-20T03:15:00Z", "2036-11-21T03:15:00Z", "2036-11-22T03:15:00Z"},
            {NULL, NULL, "newest"}, "2036-11-22T03:16:00Z", true, -1},
        {"the same minute",
            {"2026-11-22T03:15:00Z", "2026-11-22T03:15:00Z", "2026-11-22T03:15:00Z"},
            {NULL, NULL, "newest"}, "2026-11-22T03:15:00Z", true, -1},
        {"from before there were numbers",
            {"2026-11-20T03:15:00Z", "2026-11-22T03:15:00Z", "2026-11-21T03:15:00Z"},
            {NULL, "newest", NULL}, "2026-11-22T03:16:00Z", false, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct generation g[3];
        for (int k = 0; k < 3; k++) {
            g[k] = gen("elexisdb", cases[i].at[k]);
            g[k].sequence = cases[i].numbered ? 7 + (uint64_t)k : 0;
        }
        apply(g, 3, (struct retention_policy){.keep = 1});
        for (int k = 0; k < 3; k++)
            if (!g[k].kept_by != !cases[i].kept[k] ||
                (g[k].kept_by && strcmp(g[k].kept_by, cases[i].kept[k]) != 0))
                fail_msg("%s: run %d is kept by %s", cases[i].what, k,
                    g[k].kept_by ? g[k].kept_by : "nothing");
        const struct generation *future = retention_future(g, 3, "elexisdb", ms_of(cases[i].now));
        if (future != (cases[i].future < 0 ? NULL : &g[cases[i].future]))
            fail_msg("%s: the future", cases[i].what);
    }
}

/* What others have made is neither counted nor removed, and stops nothing. */
static void test_only_ours(void **state)
{
    (void)state;
    struct generation g[] = {gen("elexisdb", "2026-11-19T03:15:00Z"),
        gen("elexisdb", "2026-11-20T03:15:00Z"), gen("elexisdb", "2036-11-21T03:15:00Z"),
        gen("elexisdb", "2026-11-18T03:15:00Z")};
    g[2].ours = g[3].ours = false;
    g[2].sequence = UINT64_MAX;
    g[2].proven = true;
    assert_int_equal(apply(g, 4, (struct retention_policy){.keep = 1}), 1);
    assert_null(g[0].kept_by);
    assert_string_equal(g[1].kept_by, "newest");
    assert_string_equal(g[2].kept_by, "foreign");
    assert_string_equal(g[3].kept_by, "foreign");
    assert_null(retention_future(g, 4, "elexisdb", ms_of("2026-11-21T03:15:00Z")));
    /* what this run has made stays even where its number were lost */
    g[0].just_made = true;
    assert_int_equal(apply(g, 4, (struct retention_policy){.keep = 1}), 0);
    assert_string_equal(g[0].kept_by, "just made");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keeps_the_newest),
        cmocka_unit_test(test_protected),
        cmocka_unit_test(test_bad_ones_push_nothing_out),
        cmocka_unit_test(test_many_of_one_day_push_no_other_out),
        cmocka_unit_test(test_exact_type),
        cmocka_unit_test(test_incomplete_does_not_count),
        cmocka_unit_test(test_failed_run_deletes_nothing),
        cmocka_unit_test(test_proven_stays),
        cmocka_unit_test(test_sorted_by_utc),
        cmocka_unit_test(test_grandfather),
        cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_only_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
