/*
 * When a certificate is due, as a table over dates.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "certs/renew.h"

#define DAY ((time_t)86400)
#define T0  ((time_t)1800000000)

static struct renew_facts healthy(void)
{
    return (struct renew_facts){.now = T0,
        .not_before = T0,
        .not_after = T0 + 397 * DAY,
        .ca_not_after = T0 + 3650 * DAY,
        .have_ca = true,
        .have_ca_key = true,
        .ours = true};
}

static void boundary_is_30_days(void **state)
{
    (void)state;
    struct renew_facts f = healthy();
    assert_int_equal(renew_decide(&f), RENEW_LATER);
    f.now = f.not_after - 30 * DAY - 1;
    assert_int_equal(renew_decide(&f), RENEW_LATER);
    f.now = f.not_after - 30 * DAY;
    assert_int_equal(renew_decide(&f), RENEW_NOW);
    f.now = f.not_after + DAY;
    assert_int_equal(renew_decide(&f), RENEW_NOW);
}

static void short_lives_go_by_thirds(void **state)
{
    (void)state;
    struct renew_facts f = healthy();
    f.not_after = T0 + 6 * DAY;
    f.now = T0 + 4 * DAY - 1;
    assert_int_equal(renew_decide(&f), RENEW_LATER);
    f.now = T0 + 4 * DAY;
    assert_int_equal(renew_decide(&f), RENEW_NOW);
    /* A life of exactly 90 days falls under the 30 days, which is the same moment. */
    assert_int_equal(renew_due(T0, T0 + 90 * DAY), T0 + 60 * DAY);
    assert_int_equal(renew_due(T0, T0 + 90 * DAY - 3), T0 + 60 * DAY - 2);
}

static void who_cannot(void **state)
{
    (void)state;
    struct renew_facts f = healthy();
    f.now = f.not_after - DAY;
    f.have_ca_key = false;
    assert_int_equal(renew_decide(&f), RENEW_NO_CA_KEY);
    f.ours = false;
    assert_int_equal(renew_decide(&f), RENEW_NOT_OURS);
    f.ours = true;
    f.have_ca = false;
    assert_int_equal(renew_decide(&f), RENEW_NOT_OURS);
    f = healthy();
    f.now = f.not_after - DAY;
    f.ca_not_after = f.not_after; /* it was cut to the CA's end already */
    assert_int_equal(renew_decide(&f), RENEW_CA_EXPIRED);
    f.ca_not_after = f.now - 1;
    assert_int_equal(renew_decide(&f), RENEW_CA_EXPIRED);
    /* Nothing is due, so nothing is wrong yet. */
    f.now = T0;
    assert_int_equal(renew_decide(&f), RENEW_LATER);
}

static void alarm_steps(void **state)
{
    (void)state;
    static const struct {
        time_t left;
        enum renew_alarm step;
    } rows[] = {{397 * DAY, RENEW_ALARM_NONE}, {30 * DAY, RENEW_ALARM_NONE},
        {30 * DAY - 1, RENEW_ALARM_30}, {14 * DAY, RENEW_ALARM_30}, {14 * DAY - 1, RENEW_ALARM_14},
        {3 * DAY, RENEW_ALARM_14}, {3 * DAY - 1, RENEW_ALARM_3}, {0, RENEW_ALARM_3},
        {-1, RENEW_ALARM_EXPIRED}};
    time_t end = T0 + 397 * DAY;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(renew_alarm_at(T0, end, end - rows[i].left), rows[i].step);
    /* The steps never go back while time passes, also for a life of six days. */
    enum renew_alarm last = RENEW_ALARM_NONE;
    for (time_t t = T0; t < T0 + 7 * DAY; t += 600) {
        enum renew_alarm a = renew_alarm_at(T0, T0 + 6 * DAY, t);
        assert_true(a >= last);
        last = a;
    }
    assert_int_equal(last, RENEW_ALARM_EXPIRED);
    assert_int_equal(renew_alarm_at(T0, T0 + 6 * DAY, T0 + 3 * DAY), RENEW_ALARM_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(boundary_is_30_days),
        cmocka_unit_test(short_lives_go_by_thirds), cmocka_unit_test(who_cannot),
        cmocka_unit_test(alarm_steps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
