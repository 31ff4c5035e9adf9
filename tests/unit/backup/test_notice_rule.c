#include <stdbool.h>
#include <stdio.h>

#include "../common/unit.h"
#include "backup/rules/notice_rule.h"
#include "common/utf8.h"
#include "common/json_get.h"
#include "common/phrase.h"

#define MIN  INT64_C(60000)
#define HOUR (60 * MIN)
#define DAY  (24 * HOUR)
#define T0   INT64_C(1795348800000)

static const char *const both[] = {"mail", "webhook", NULL};
static const char *const mail_only[] = {"mail", NULL};
static const char *const nobody[] = {NULL};

static bool see(json_t *state, int is, int grade, const char *const *channels, int64_t now)
{
    json_t *why = phrase_of("why");
    const struct notice_fact f = {.event = "backup-failed", .grade = grade, .detail = why};
    struct notice_fact facts[] = {f, {.event = "disk-low"}};
    facts[0].is = is == 0 ? NOTICE_UNKNOWN : is == 1 ? NOTICE_WELL : NOTICE_WRONG;
    bool changed = notice_rule_update(state, facts, 2, channels, DAY, now);
    json_decref(why);
    return changed;
}

static size_t waiting(const json_t *state)
{
    return json_array_size(json_object_get(state, "outbox"));
}

/* The message that is due, sent to everybody. */
static void check_sent(json_t *state, const char *what, int64_t now)
{
    json_t *m = notice_rule_due(state, now);
    assert_non_null(m);
    assert_string_equal(json_get_str(m, "state"), what);
    json_t *r = json_pack("{ssss}", "mail", "sent", "webhook", "sent");
    notice_rule_result(state, m, r, now);
    json_decref(r);
}

/* The border of the keeper's words lies in each byte of a character once. */
static void umlauts_at_the_border(void **s)
{
    static const char *const characters[] = {"\xC3\xBC", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    (void)s;
    for (size_t i = 0; i < 3; i++)
        for (size_t pad = 0; pad < 4; pad++) {
            char words[400], error[700] = "";
            memset(error, 'x', pad);
            while (strlen(error) + 5 < sizeof error)
                strcat(error, characters[i]);
            size_t n = utf8_format(words, sizeof words, "%s: %s", "2026-11-30T03:15:00Z", error);
            assert_true(n < sizeof words && n + strlen(characters[i]) >= sizeof words);
            json_t *said = phrase("%s", words);
            const struct notice_fact f = {
                .event = "backup-failed", .is = NOTICE_WRONG, .detail = said};
            json_t *state = json_object();
            assert_true(notice_rule_update(state, &f, 1, both, DAY, T0));
            const char *told = json_string_value(
                json_object_get(notice_rule_due(state, T0), "detail"));
            assert_non_null(told);
            assert_int_equal(strlen(told), n);
            assert_memory_equal(told + 22, error, n - 22);
            json_decref(said);
            json_decref(state);
        }
}

static void one_message_an_event(void **s)
{
    json_t *state = json_object();
    (void)s;
    assert_false(see(state, 1, 0, both, T0));
    assert_int_equal(waiting(state), 0);
    assert_true(see(state, 2, 0, both, T0));
    check_sent(state, "raised", T0);
    for (int64_t t = T0; t < T0 + DAY; t += HOUR) {
        assert_false(see(state, 2, 0, both, t));
        assert_false(see(state, 0, 0, both, t)); /* not known: as it was */
    }
    assert_int_equal(waiting(state), 0);
    assert_true(see(state, 2, 0, both, T0 + DAY));
    check_sent(state, "reminder", T0 + DAY);
    assert_true(see(state, 1, 0, both, T0 + DAY + HOUR));
    check_sent(state, "recovered", T0 + DAY + HOUR);
    assert_false(see(state, 1, 0, both, T0 + 2 * DAY));
    assert_null(notice_rule_due(state, T0 + 9 * DAY));
    json_decref(state);
}

static void worse_is_told_at_once(void **s)
{
    json_t *state = json_object();
    (void)s;
    see(state, 2, 0, both, T0);
    check_sent(state, "raised", T0);
    assert_true(see(state, 2, 1, both, T0 + MIN));
    check_sent(state, "raised", T0 + MIN);
    assert_false(see(state, 2, 0, both, T0 + 2 * MIN)); /* less grave: nothing new */
    assert_false(see(state, 2, 1, both, T0 + 3 * MIN));
    json_decref(state);
}

static void tried_again_later_and_later(void **s)
{
    json_t *state = json_object();
    json_t *down = json_pack("{ssss}", "mail", "sent", "webhook", "it answered with 503");
    (void)s;
    see(state, 2, 0, both, T0);
    int64_t now = T0, last = 0;
    for (int i = 0; i < 10; i++) {
        json_t *m = notice_rule_due(state, now);
        assert_non_null(m);
        notice_rule_result(state, m, down, now);
        /* whoever has it does not get it twice */
        const json_t *channels = json_object_get(m, "channels");
        assert_int_equal(json_array_size(channels), 1);
        assert_string_equal(json_string_value(json_array_get(channels, 0)), "webhook");
        int64_t pause = json_get_int(m, "next") - now;
        assert_true(pause >= last && pause >= MIN && pause <= HOUR);
        assert_null(notice_rule_due(state, now + pause - 1));
        last = pause;
        now += pause;
    }
    assert_int_equal(last, HOUR);
    notice_rule_result(state, notice_rule_due(state, now), NULL, now); /* it crashed: the same */
    assert_int_equal(waiting(state), 1);
    notice_rule_result(
        state, json_array_get(json_object_get(state, "outbox"), 0), down, T0 + 4 * DAY);
    assert_int_equal(waiting(state), 0); /* given up */
    json_decref(down);
    json_decref(state);
}

/* What nobody was told of need not be called off; what was told is. */
static void over_before_it_was_told(void **s)
{
    json_t *state = json_object();
    (void)s;
    see(state, 2, 0, both, T0);
    see(state, 1, 0, both, T0 + 1);
    assert_int_equal(waiting(state), 0);
    see(state, 2, 0, both, T0 + 2);
    json_t *half = json_pack("{ssss}", "mail", "sent", "webhook", "down");
    notice_rule_result(state, notice_rule_due(state, T0 + 2), half, T0 + 2);
    see(state, 1, 0, both, T0 + 3);
    assert_int_equal(waiting(state), 1);
    check_sent(state, "recovered", T0 + 3);
    json_decref(half);
    json_decref(state);
}

/* Each end that was not sent yet is still to be told when it begins and ends again. */
static void an_end_is_not_called_off(void **s)
{
    json_t *state = json_object();
    (void)s;
    see(state, 2, 0, both, T0);
    check_sent(state, "raised", T0);
    see(state, 1, 0, both, T0 + 1);
    assert_int_equal(waiting(state), 1); /* the end */
    see(state, 2, 0, both, T0 + 2);
    see(state, 1, 0, both, T0 + 3); /* nobody was told of this one */
    assert_int_equal(waiting(state), 1);
    check_sent(state, "recovered", T0 + 3);
    json_decref(state);
}

static void nobody_is_told(void **s)
{
    json_t *state = json_object();
    (void)s;
    assert_false(see(state, 2, 0, nobody, T0));
    assert_true(see(state, 2, 0, mail_only, T0 + MIN)); /* set later: told then */
    check_sent(state, "raised", T0 + MIN);
    assert_true(see(state, 2, 0, nobody, T0 + HOUR));
    assert_null(notice_rule_due(state, T0 + HOUR));
    json_decref(state);
}

static void bounded(void **s)
{
    json_t *state = json_object();
    (void)s;
    for (int i = 0; i < 200; i++)
        see(state, 2, i, both, T0 + i);
    assert_int_equal(waiting(state), NOTICE_OUTBOX_MAX);
    const json_t *m = json_array_get(json_object_get(state, "outbox"), NOTICE_OUTBOX_MAX - 1);
    assert_int_equal(json_get_int(m, "born"), T0 + 199);
    m = json_array_get(json_object_get(state, "outbox"), 0); /* the oldest gave way */
    assert_int_equal(json_get_int(m, "born"), T0 + 200 - NOTICE_OUTBOX_MAX);
    json_decref(state);
}

/* A state that somebody edited, and texts that are no UTF-8. */
static void odd_state(void **s)
{
    (void)s;
    json_t *state = json_loads(
        "{\"active\":{\"backup-failed\":7},\"outbox\":[3,{\"channels\":\"x\"}]}", 0, NULL);
    see(state, 2, 5, both, T0);
    see(state, 1, 0, both, T0 + 1);
    for (int i = 0; i < 10 && waiting(state) > 0; i++) {
        json_t *m = notice_rule_due(state, T0 + i);
        if (m)
            notice_rule_result(state, m, NULL, T0 + i + 4 * DAY);
    }
    json_decref(state);
    state = json_object();
    json_t *said = phrase("%s", "\xff\xfe");
    const struct notice_fact f = {.event = "disk-low", .is = NOTICE_WRONG, .detail = said};
    assert_true(notice_rule_update(state, &f, 1, both, 0, T0));
    assert_int_equal(waiting(state), 1);
    json_decref(said);
    json_decref(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(umlauts_at_the_border),
        cmocka_unit_test(one_message_an_event),
        cmocka_unit_test(worse_is_told_at_once),
        cmocka_unit_test(tried_again_later_and_later),
        cmocka_unit_test(over_before_it_was_told),
        cmocka_unit_test(an_end_is_not_called_off),
        cmocka_unit_test(nobody_is_told),
        cmocka_unit_test(bounded),
        cmocka_unit_test(odd_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
