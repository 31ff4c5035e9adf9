/* What the overview complains about, and in which words. And dates, sizes and words for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/json_get.h"
#include "console/pages/problems.h"
#include "console/view/view.h"

static const char messages_text[] =
    "{\"p-proxy-away\": \"The gate does not run: Elexis cannot connect.\", \"a-proxy-away\": \"Start it with \\\"systemctl start elexgate-proxy\\\". If that does not help, \\\"journalctl -u elexgate-proxy\\\" says why.\", \"a-disk-low\": \"Delete old backups, or keep fewer generations under \\\"Schedule\\\".\", \"/backups\": \"Backups\"}";

static const char good_proxy[] =
    "{\"ok\":true,\"state\":\"open\",\"warnings\":[],\"certificate\":{\"not_after\":\"2027-11-23T00:00:00Z\",\"warnings\":[]}}";
static const char good_keeper[] = "{\"ok\":true,\"findings\":[]}";

/* A keeper that finds this. */
#define FINDS(code, area, level, text)                                                             \
    "{\"ok\":true,\"findings\":[{\"code\":\"" code "\",\"area\":\"" area "\",\"level\":\"" level   \
    "\",\"text\":\"" text "\",\"text_phrase\":[\"" text                                            \
    "\"],\"advice\":\"never\",\"advice_phrase\":[\"never\"]}]}"

/* The codes of the problems, with commas. change: "path" is set to the JSON value; NULL is that
 * there is no answer. */
static void expect(const char *proxy_text, const char *keeper_text, const char *wanted)
{
    json_t *proxy = proxy_text ? json_loads(proxy_text, 0, NULL) : NULL;
    json_t *keeper = keeper_text ? json_loads(keeper_text, 0, NULL) : NULL;
    json_t *messages = json_loads(messages_text, 0, NULL), *problem;
    assert_true((proxy || !proxy_text) && (keeper || !keeper_text) && messages);
    json_t *list = problems_find(proxy, keeper, messages, LANG_EN);
    char codes[400] = "";
    size_t i;
    json_array_foreach (list, i, problem) {
        if (i)
            strcat(codes, ",");
        strcat(codes, json_get_str(problem, "code"));
        strcat(codes, strcmp(json_get_str(problem, "level"), "bad") == 0 ? "!" : "");
    }
    assert_string_equal(codes, wanted);
    json_decref(list);
    json_decref(messages);
    json_decref(proxy);
    json_decref(keeper);
}

/* text with the first from replaced by to. */
static char *with(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    assert_non_null(at);
    return xasprintf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void proxy_case(const char *from, const char *to, const char *wanted)
{
    char *proxy = with(good_proxy, from, to);
    expect(proxy, good_keeper, wanted);
    free(proxy);
}

static void problems(void **state)
{
    (void)state;
    expect(good_proxy, good_keeper, "");
    expect(NULL, good_keeper, "proxy-away!");
    expect(good_proxy, NULL, "keeper-away!");
    proxy_case("\"open\"", "\"blocked\",\"reason\":\"x\"", "blocked!");
    proxy_case("\"warnings\":[],", "\"warnings\":[{\"code\":\"tls-profile-old\",\"text\":\"x\"}],",
        "warning");
    /* the keeper's verdict, as it is; nothing is judged again */
    expect(good_proxy, FINDS("disk-low", "disk", "bad", "x"), "disk-low!");
    expect(good_proxy, FINDS("no-schedule", "backup", "warn", "x"), "no-schedule");
    expect(NULL, FINDS("proxy-down", "proxy", "bad", "x"), "proxy-down!");
    /* dates of the certificate are the keeper's to tell, as long as it does */
    char *ending = with(good_proxy, "\"warnings\":[]}",
        "\"warnings\":[{\"code\":\"certificate-expires\",\"date\":true,\"text\":\"x\"},{\"code\":\"certificate\",\"text\":\"no name\"}]}");
    expect(ending, good_keeper, "warning");
    expect(ending, NULL, "keeper-away!,warning,warning");
    free(ending);
    /* while a restore runs, a closed gate is as it should be */
    char *blocked = with(good_proxy, "\"open\"", "\"blocked\""),
         *busy = with(good_keeper, "\"ok\"", "\"job\":{\"kind\":\"restore\"},\"ok\"");
    expect(blocked, busy, "blocked-job");
    free(blocked);
    free(busy);
}

static void assert_words(
    const char *keeper_text, enum lang lang, const char *text, const char *action, const char *href)
{
    json_t *messages = json_loads(messages_text, 0, NULL);
    json_t *keeper = json_loads(keeper_text, 0, NULL), *proxy = json_loads(good_proxy, 0, NULL);
    json_t *list = problems_find(proxy, keeper, messages, lang), *first = json_array_get(list, 0);
    assert_string_equal(json_get_str(first, "text"), text);
    assert_string_equal(json_get_str(first, "action"), action);
    assert_string_equal(json_get_str(first, "href"), href);
    json_decref(list);
    json_decref(proxy);
    json_decref(keeper);
    json_decref(messages);
}

static void words_of_a_problem(void **state)
{
    static const char low[] = FINDS("disk-low", "disk", "bad", "Too many connections.");
    (void)state;
    assert_words(low, LANG_DE, "Zu viele Verbindungen.",
        "Löschen Sie alte Sicherungen, oder behalten Sie unter «Zeitplan» weniger Generationen.",
        "/backups");
    assert_words(low, LANG_EN, "Too many connections.",
        "Delete old backups, or keep fewer generations under \"Schedule\".", "/backups");
    /* what the page knows no click for has the keeper's advice */
    assert_words(FINDS("new-code", "x", "warn", "Is it?"), LANG_EN, "Is it?", "never", "/log");
    assert_words(FINDS("new-code", "certificate", "warn", "The database does not answer."), LANG_DE,
        "Die Datenbank antwortet nicht.", "nie", "/certificates");
    assert_words(FINDS("no-schedule", "backup", "warn", "a"), LANG_EN, "A.", "never", "/schedule");
}

static const char *member(const json_t *o, const char *key)
{
    return json_get_str(o, key);
}

static void localised(void **state)
{
    static const char text[] =
        "{\"reason\":\"R\",\"reason_phrase\":[\"%s\",\"G\"],\"only_phrase\":[\"bleibt\"],\"size\":1500,\"wait_ms\":3000,\"at\":\"2026-11-22T21:46:56Z\",\"list\":[{\"words\":\"w\",\"words_phrase\":[\"Too many connections.\"]}],\"empty\":\"e\",\"empty_phrase\":[]}";
    json_t *de = json_loads(text, 0, NULL), *en = json_loads(text, 0, NULL);
    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    view_localise(de, LANG_DE);
    view_localise(en, LANG_EN);
    assert_string_equal(member(de, "reason"), "G");
    assert_string_equal(member(en, "reason"), "G");
    assert_null(member(de, "reason_phrase"));
    assert_null(member(en, "reason_phrase"));
    assert_string_equal(member(de, "empty"), "e");
    assert_string_equal(
        member(json_array_get(json_object_get(de, "list"), 0), "words"), "Zu viele Verbindungen.");
    assert_string_equal(member(de, "size_text"), "1,5 kB");
    assert_string_equal(member(en, "wait_text"), "3 s");
    assert_string_equal(member(de, "at_text"), "22.11.2026 21:46");
    assert_string_equal(member(en, "at_text"), "2026-11-22 21:46");
    assert_non_null(
        strstr(member(de, "at_ago"), clock_wall_ms() > INT64_C(1795380000000) ? "vor" : "in"));
    json_decref(de);
    json_decref(en);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(problems),
        cmocka_unit_test(words_of_a_problem), cmocka_unit_test(localised)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
