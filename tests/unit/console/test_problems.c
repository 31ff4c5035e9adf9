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

#define NOW INT64_C(1795400000000) /* 2026-11-23T02:13:20Z */

static const char messages_text[] =
    "{\"p-proxy-away\":{\"de\":\"Tor weg\",\"en\":\"gate away\"},\"a-proxy-away\":{\"de\":\"starten\",\"en\":\"start\"},\"p-disk\":{\"de\":\"nur {free}\",\"en\":\"only {free}\"},\"/backups\":{\"de\":\"Sicherungen\",\"en\":\"Backups\"}}";

static const char good_proxy[] =
    "{\"ok\":true,\"state\":\"open\",\"warnings\":[],\"certificate\":{\"not_after\":\"2027-11-23T00:00:00Z\",\"warnings\":[]}}";
static const char good_keeper[] =
    "{\"ok\":true,\"free\":500000000000,\"schedule\":{\"next\":\"2026-11-24T03:15:00Z\"},\"last_backup\":{\"exit\":0,\"started\":\"2026-11-22T03:15:00Z\"},\"last_good_backup\":{\"exit\":0,\"started\":\"2026-11-22T03:15:00Z\"},\"last_drill\":{\"exit\":0},\"witnesses\":{}}";

/* The codes of the problems, with commas. change: "path" is set to the JSON value; NULL is that
 * there is no answer. */
static void expect(const char *proxy_text, const char *keeper_text, const char *wanted)
{
    json_t *proxy = proxy_text ? json_loads(proxy_text, 0, NULL) : NULL;
    json_t *keeper = keeper_text ? json_loads(keeper_text, 0, NULL) : NULL;
    json_t *messages = json_loads(messages_text, 0, NULL), *problem;
    assert_true((proxy || !proxy_text) && (keeper || !keeper_text) && messages);
    json_t *list = problems_find(proxy, keeper, messages, "en", NOW);
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

static void keeper_case(const char *from, const char *to, const char *wanted)
{
    char *keeper = with(good_keeper, from, to);
    expect(good_proxy, keeper, wanted);
    free(keeper);
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
    proxy_case("2027-11-23", "2026-12-10", "certificate-soon");
    proxy_case("2027-11-23", "2026-11-25", "certificate-soon!");
    proxy_case("2027-11-23", "2026-11-01", "certificate-over!");
    proxy_case("\"warnings\":[],", "\"warnings\":[{\"code\":\"tls-profile-old\",\"text\":\"x\"}],",
        "warning");
    keeper_case("\"last_backup\":{\"exit\":0", "\"last_backup\":{\"exit\":5", "backup-failed!");
    keeper_case("\"last_good_backup\":{\"exit\":0,\"started\":\"2026-11-22",
        "\"last_good_backup\":{\"exit\":0,\"started\":\"2026-11-01", "backup-old!");
    keeper_case("\"last_drill\":{\"exit\":0}", "\"last_drill\":{\"exit\":6}", "drill-failed!");
    keeper_case("\"last_drill\":{\"exit\":0}", "\"last_drill\":null", "not-proven");
    keeper_case("{\"next\":\"2026-11-24T03:15:00Z\"}", "{\"next\":null}", "no-schedule");
    keeper_case("500000000000", "1000000", "disk!");
    keeper_case("\"witnesses\":{}", "\"witnesses\":{\"server_words\":\"x\"}", "blind");
    /* while a restore runs, a closed gate is as it should be */
    char *blocked = with(good_proxy, "\"open\"", "\"blocked\""),
         *busy = with(good_keeper, "\"ok\"", "\"job\":{\"kind\":\"restore\"},\"ok\"");
    expect(blocked, busy, "blocked-job");
    free(blocked);
    free(busy);
}

static void words_of_a_problem(void **state)
{
    json_t *messages = json_loads(messages_text, 0, NULL);
    char *text = with(good_keeper, "500000000000", "1500000000");
    json_t *keeper = json_loads(text, 0, NULL), *proxy = json_loads(good_proxy, 0, NULL);
    json_t *list = problems_find(proxy, keeper, messages, "de", NOW),
           *first = json_array_get(list, 0);
    (void)state;
    assert_string_equal(json_get_str(first, "text"), "nur 1,5 GB");
    assert_string_equal(json_get_str(first, "href"), "/backups");
    assert_string_equal(json_get_str(first, "link"), "Sicherungen");
    json_decref(list);
    json_decref(proxy);
    json_decref(keeper);
    json_decref(messages);
    free(text);
}

static void sizes_and_durations(void **state)
{
    static const struct {
        int64_t n;
        const char *de, *en;
    } sizes[] = {{0, "0 B", "0 B"}, {999, "999 B", "999 B"}, {1000, "1,0 kB", "1.0 kB"},
        {9949, "9,9 kB", "9.9 kB"}, {12345, "12 kB", "12 kB"}, {999600, "1,0 MB", "1.0 MB"},
        {INT64_C(1500000000), "1,5 GB", "1.5 GB"}},
      durations[] = {{0, "0 ms", "0 ms"}, {999, "999 ms", "999 ms"}, {1000, "1 s", "1 s"},
          {119000, "119 s", "119 s"}, {600000, "10 min", "10 min"}, {7200000, "2 h", "2 h"},
          {15000000, "4 h 10 min", "4 h 10 min"}, {INT64_C(864000000), "10 Tage", "10 days"}};
    char buf[40];
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_string_equal(view_bytes(sizes[i].n, "de", buf, sizeof buf), sizes[i].de);
        assert_string_equal(view_bytes(sizes[i].n, "en", buf, sizeof buf), sizes[i].en);
    }
    for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
        assert_string_equal(view_duration(durations[i].n, "de", buf, sizeof buf), durations[i].de);
        assert_string_equal(view_duration(durations[i].n, "en", buf, sizeof buf), durations[i].en);
    }
}

static const char *member(const json_t *o, const char *key)
{
    return json_get_str(o, key);
}

static void localised(void **state)
{
    static const char text[] =
        "{\"reason\":\"R\",\"reason_de\":\"G\",\"only_de\":\"bleibt\",\"size\":1500,\"wait_ms\":3000,\"at\":\"2026-11-22T21:46:56Z\",\"list\":[{\"words\":\"w\",\"words_de\":\"v\"}],\"empty\":\"e\",\"empty_de\":\"\"}";
    json_t *de = json_loads(text, 0, NULL), *en = json_loads(text, 0, NULL);
    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    view_localise(de, "de");
    view_localise(en, "en");
    assert_string_equal(member(de, "reason"), "G");
    assert_string_equal(member(en, "reason"), "R");
    assert_null(member(de, "reason_de"));
    assert_null(member(en, "reason_de"));
    assert_string_equal(member(de, "empty"), "e");
    assert_string_equal(member(json_array_get(json_object_get(de, "list"), 0), "words"), "v");
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
        cmocka_unit_test(words_of_a_problem), cmocka_unit_test(sizes_and_durations),
        cmocka_unit_test(localised)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
