#include <stdbool.h>
#include <stdio.h>

#include "common/metrics_text.h"
#include "unit.h"

/* 2026-11-22T12:00:00Z */
#define NOW INT64_C(1795348800000)

static const char proxy_answer[] =
    "{\"ok\":true,\"program\":\"elexgate-proxy\",\"version\":\"0.1.0\",\"uptime_ms\":61500,\"state\":\"draining\",\"sessions\":7,\"logins_pending\":1,\"workers\":2,\"warnings\":[{}],\"idle\":{\"write_ms\":1500,\"statement_ms\":250,\"in_flight\":3,\"transactions\":2},\"totals\":{\"accepted\":8007199254740991,\"handshakes_ok\":5,\"handshakes_failed\":4,"
    "\"resumed\":2,\"tls13\":3,\"tls12\":1,\"tls_older\":1,\"logins_ok\":6,\"logins_failed\":8,\"bytes_in\":100,\"bytes_out\":200,\"statements_read\":11,\"statements_write\":12,\"refused_by\":{\"blocked\":3,\"od\\\"d\\\\\\n\":1}},\"loops\":[{\"name\":\"main\",\"queue\":0,\"lag_us\":0},{\"name\":\"worker-0\",\"queue\":4,\"lag_us\":2500}],"
    "\"backends\":[{\"name\":\"db1\",\"state\":\"down\",\"active\":false},{\"name\":\"db2\",\"state\":\"writable\",\"active\":true}],\"certificate\":{\"not_after\":\"2026-11-23T12:00:00.000Z\"}}";

static const char keeper_answer[] =
    "{\"ok\":true,\"program\":\"elexgate-keeper\",\"version\":\"0.1.0\",\"uptime_ms\":1000,\"state\":\"waiting\",\"free\":1099511627776,\"schedule\":{\"next\":\"2026-11-23T02:15:00.000Z\"},\"pending\":{\"due\":\"2026-11-22T11:59:00.000Z\"},\"last_backup\":{\"exit\":4,\"started\":\"2026-11-22T10:00:00.000Z\"},\"last_good_backup\":{\"exit\":0,\"started\":\"2026-11-22T02:00:00.000Z\","
    "\"ended\":\"2026-11-22T02:01:30.500Z\",\"archives\":[{\"type\":\"elexisdb\",\"size\":123456},{\"type\":\"documents\",\"size\":5}]},\"binlog\":{\"state\":\"following\",\"saved\":\"2026-11-22T11:59:58.000Z\"},\"last_drill\":{\"exit\":0,\"started\":\"2026-11-21T12:00:00.000Z\"}}";

static char *render(const char *proxy, const char *keeper)
{
    json_t *p = proxy ? json_loads(proxy, 0, NULL) : NULL;
    json_t *k = keeper ? json_loads(keeper, 0, NULL) : NULL;
    assert_true(!proxy || p);
    assert_true(!keeper || k);
    char *text = metrics_text_at(p, k, NOW);
    json_decref(p);
    json_decref(k);
    return text;
}

/* A whole line. */
static bool has(const char *text, const char *line)
{
    size_t n = strlen(line);
    for (const char *p = text; *p; p = strchr(p, '\n') + 1)
        if (strncmp(p, line, n) == 0 && p[n] == '\n')
            return true;
    return false;
}

static void check_lines(const char *text, const char *const *lines)
{
    for (; *lines; lines++)
        if (!has(text, *lines))
            fail_msg("\"%s\" is missing in\n%s", *lines, text);
}

static void proxy_values(void **state)
{
    static const char *const lines[] = {"elexgate_up{program=\"elexgate-proxy\"} 1",
        "elexgate_up{program=\"elexgate-keeper\"} 0",
        "elexgate_uptime_seconds{program=\"elexgate-proxy\"} 61.5",
        "elexgate_build_info{program=\"elexgate-proxy\",version=\"0.1.0\"} 1",
        "elexgate_gate_state{state=\"open\"} 0", "elexgate_gate_state{state=\"draining\"} 1",
        "elexgate_sessions 7", "elexgate_logins_pending 1", "elexgate_workers 2",
        "elexgate_warnings 1", "elexgate_connections_accepted_total 8007199254740991",
        "# TYPE elexgate_tls_handshakes_total counter",
        "elexgate_tls_handshakes_total{result=\"ok\"} 5",
        "elexgate_tls_handshakes_total{result=\"failed\"} 4",
        "elexgate_tls_versions_total{version=\"TLSv1.3\"} 3",
        "elexgate_tls_versions_total{version=\"TLSv1.2\"} 1",
        "elexgate_tls_versions_total{version=\"older\"} 1",
        "elexgate_logins_total{result=\"failed\"} 8",
        "elexgate_client_bytes_total{direction=\"out\"} 200",
        "elexgate_statements_total{kind=\"write\"} 12",
        "elexgate_idle_seconds{since=\"statement\"} 0.25",
        "elexgate_idle_seconds{since=\"write\"} 1.5", "elexgate_statements_in_flight 3",
        "elexgate_transactions_open 2", "elexgate_connections_refused_total{reason=\"blocked\"} 3",
        "elexgate_connections_refused_total{reason=\"od\\\"d\\\\\\n\"} 1",
        "elexgate_backend_up{backend=\"db1\"} 0", "elexgate_backend_up{backend=\"db2\"} 1",
        "elexgate_backend_in_use{backend=\"db1\"} 0",
        "elexgate_backend_writable{backend=\"db1\"} 0",
        "elexgate_backend_writable{backend=\"db2\"} 1",
        "elexgate_backend_in_use{backend=\"db2\"} 1", "elexgate_queue_depth{loop=\"worker-0\"} 4",
        "elexgate_loop_lag_seconds{loop=\"worker-0\"} 0.0025",
        "elexgate_certificate_not_after_timestamp_seconds 1795435200",
        "elexgate_certificate_expires_in_seconds 86400", NULL};
    _cleanup_free_ char *text = render(proxy_answer, NULL);
    (void)state;
    check_lines(text, lines);
    assert_null(strstr(text, "elexgate_backup"));
}

static void keeper_values(void **state)
{
    static const char *const lines[] = {"elexgate_up{program=\"elexgate-proxy\"} 0",
        "elexgate_keeper_state{state=\"waiting\"} 1", "elexgate_keeper_state{state=\"running\"} 0",
        "elexgate_backup_folder_free_bytes 1099511627776", "elexgate_backup_last_success 0",
        "elexgate_backup_last_success_timestamp_seconds 1795312800",
        "elexgate_backup_age_seconds 36000", "elexgate_backup_duration_seconds 90.5",
        "elexgate_backup_size_bytes{type=\"elexisdb\"} 123456",
        "elexgate_backup_size_bytes{type=\"documents\"} 5",
        "elexgate_backup_next_timestamp_seconds 1795400100", "elexgate_backup_waiting_seconds 60",
        "elexgate_drill_last_success 1", "elexgate_drill_age_seconds 86400", NULL};
    _cleanup_free_ char *text = render(NULL, keeper_answer);
    (void)state;
    check_lines(text, lines);
    assert_null(strstr(text, "elexgate_sessions"));
    assert_null(strstr(text, "elexgate_restore"));
}

static void a_restore_shows(void **state)
{
    static const char *const lines[] = {
        "elexgate_restore_blocked_seconds 30", "elexgate_restore_last_success 0", NULL};
    _cleanup_free_ char *text = render(NULL,
        "{\"ok\":true,\"job\":{\"kind\":\"restore\",\"blocked_since\":\"2026-11-22T11:59:30Z\"},\"last_restore\":{\"exit\":6}}");
    (void)state;
    check_lines(text, lines);
}

/* Each metric is described once, and all its samples follow at once: the format wants that. */
static void families_are_whole(void **state)
{
    _cleanup_free_ char *text = render(proxy_answer, keeper_answer);
    (void)state;
    char family[128] = "", seen[8192] = "";
    unsigned samples = 0;
    char *rest = text, *line;
    while ((line = strsep(&rest, "\n")) && *line) {
        if (strncmp(line, "# HELP ", 7) == 0) {
            size_t n = strcspn(line + 7, " ");
            char mark[130];
            snprintf(family, sizeof family, "%.*s", (int)n, line + 7);
            snprintf(mark, sizeof mark, "|%s|", family);
            if (strstr(seen, mark))
                fail_msg("%s is described twice", family);
            strncat(seen, mark, sizeof seen - strlen(seen) - 1);
        } else if (*line != '#') {
            size_t n = strcspn(line, "{ ");
            if (strlen(family) != n || strncmp(line, family, n) != 0)
                fail_msg("\"%s\" stands under %s", line, family);
            samples++;
        }
    }
    assert_true(samples > 40);
}

/* Nobody answers, or with something else than a status: down, and nothing is made up. */
static void nobody_answers(void **state)
{
    static const char *const answers[] = {
        NULL, "{\"ok\":false,\"error\":\"x\"}", "{}", "{\"sessions\":3}"};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        _cleanup_free_ char *text = render(answers[i], answers[i]);
        assert_true(has(text, "elexgate_up{program=\"elexgate-proxy\"} 0"));
        assert_true(has(text, "elexgate_up{program=\"elexgate-keeper\"} 0"));
        assert_null(strstr(text, "elexgate_sessions"));
    }
    _cleanup_free_ char *odd = render(
        "{\"ok\":true,\"sessions\":\"many\",\"totals\":[],\"certificate\":{\"not_after\":\"soon\"}}",
        "{\"ok\":true,\"last_backup\":null,\"pending\":null}");
    assert_true(has(odd, "elexgate_up{program=\"elexgate-proxy\"} 1"));
    assert_null(strstr(odd, "elexgate_sessions"));
    assert_null(strstr(odd, "elexgate_certificate"));
    assert_null(strstr(odd, "elexgate_backup_last_success"));
    assert_true(has(odd, "elexgate_backup_waiting_seconds 0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proxy_values),
        cmocka_unit_test(keeper_values),
        cmocka_unit_test(a_restore_shows),
        cmocka_unit_test(families_are_whole),
        cmocka_unit_test(nobody_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
