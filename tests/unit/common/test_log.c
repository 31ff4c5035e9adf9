#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "common/log_line.h"
#include "common/json_get.h"
#include "unit.h"

static int saved_stderr = -1, capture = -1;

static void begin(enum log_format format, enum log_level level)
{
    char name[] = "/tmp/elexgate-log-XXXXXX";

    unsetenv("JOURNAL_STREAM");
    capture = mkstemp(name);
    assert_true(capture >= 0);
    unlink(name);
    fflush(stderr);
    saved_stderr = dup(2);
    dup2(capture, 2);
    log_init("test", format, level);
}

/* What was logged since begin; malloc'ed. */
static char *end(void)
{
    off_t n = lseek(capture, 0, SEEK_END);
    char *text = xmalloc((size_t)n + 1);

    dup2(saved_stderr, 2);
    close(saved_stderr);
    assert_int_equal(pread(capture, text, (size_t)n, 0), n);
    close(capture);
    text[n] = '\0';
    return text;
}

/* Behind the time stamp, which has a fixed length. */
static const char *after_stamp(const char *line)
{
    assert_memory_equal(line, "ts=20", 5);
    assert_int_equal(line[3 + 24], ' ');
    return line + 3 + 25;
}

static void logfmt(void **state)
{
    (void)state;
    begin(LOG_LOGFMT, LOG_INFO);
    log_event(LOG_INFO, "session-end", LOG_U("session", 7), LOG_S("reason", "client closed"),
        LOG_S("none", NULL), LOG_I("n", -1), LOG_B("tls", true), LOG_D("load", 0.5),
        LOG_S("empty", ""), LOG_S("equals", "a=b"), LOG_S("path", "/run/x-1.sock"));
    char *out = end();
    assert_string_equal(after_stamp(out),
        "level=info program=test event=session-end session=7 reason=\"client closed\" n=-1 tls=true load=0.5 empty=\"\" equals=\"a=b\" path=/run/x-1.sock\n");
    free(out);
}

static void json(void **state)
{
    (void)state;
    begin(LOG_JSON, LOG_INFO);
    log_event(LOG_WARNING, "x", LOG_U("session", 7), LOG_S("reason", "a \"b\" \\ {\x1b[31m\n"),
        LOG_D("nan", NAN), LOG_B("no", false), LOG_S("gone", NULL));
    log_event(LOG_INFO, "bare");
    char *out = end();
    json_error_t je;
    json_t *o = json_loads(out, JSON_DISABLE_EOF_CHECK, &je);
    assert_non_null(o);
    assert_string_equal(json_get_str(o, "level"), "warning");
    assert_int_equal(json_get_int(o, "session"), 7);
    assert_string_equal(json_get_str(o, "reason"), "a \"b\" \\ {\x1b[31m\n");
    assert_true(json_is_null(json_object_get(o, "nan")));
    assert_true(json_is_false(json_object_get(o, "no")));
    assert_int_equal(json_object_size(o), 8);
    assert_non_null(strstr(out, "\"event\":\"bare\"}\n"));
    json_decref(o);
    free(out);
}

/* What a peer sends must not forge a line, reach the terminal, or make the log not UTF-8. */
static void hostile_values(void **state)
{
    static const struct {
        const char *value, *logfmt, *json;
    } cases[] = {
        {"a\nlevel=error event=forged", "\"a\\nlevel=error event=forged\"",
            "\"a\\nlevel=error event=forged\""},
        {"\x1b[2J", "\"\\u001b[2J\"", "\"\\u001b[2J\""},
        {"\x7f\t\r", "\"\\u007f\\t\\r\"", "\"\\u007f\\t\\r\""},
        {"caf\xE9", "\"caf\\xe9\"", "\"caf\\\\xe9\""},
        {"\xC2\x9B"
         "2J",
            "\"\\u009b2J\"", "\"\\u009b2J\""},
        {"\xE2\x80\xAE", "\"\\u202e\"", "\"\\u202e\""},
        {"M\xC3\xBCller", "\"M\xC3\xBCller\"", "\"M\xC3\xBCller\""},
        {"\\n", "\"\\\\n\"", "\"\\\\n\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(LOG_LOGFMT, LOG_INFO);
        log_event(LOG_INFO, "x", LOG_S("v", cases[i].value));
        char *out = end();
        assert_string_equal(strstr(out, "v=") + 2 + strlen(cases[i].logfmt), "\n");
        assert_memory_equal(strstr(out, "v=") + 2, cases[i].logfmt, strlen(cases[i].logfmt));
        free(out);
        begin(LOG_JSON, LOG_INFO);
        log_event(LOG_INFO, "x", LOG_S("v", cases[i].value));
        out = end();
        assert_memory_equal(strstr(out, "\"v\":") + 4, cases[i].json, strlen(cases[i].json));
        json_t *o = json_loads(out, 0, NULL);
        assert_non_null(o);
        json_decref(o);
        free(out);
    }
}

/* A line fits into one write to a pipe, whatever the values, and stays well-formed. */
static void long_values_are_cut(void **state)
{
    char big[20000];

    (void)state;
    for (size_t i = 0; i + 1 < sizeof big; i += 2)
        memcpy(big + i, "\xC3\xA4", 2);
    big[sizeof big - 1] = big[sizeof big - 2] = '\0';
    for (int format = LOG_LOGFMT; format <= LOG_JSON; format++) {
        begin((enum log_format)format, LOG_INFO);
        log_event(LOG_INFO, "x", LOG_S("a", big), LOG_S("b", big), LOG_S("c", big), LOG_S("d", big),
            LOG_S("e", big), LOG_U("last", 1));
        char *out = end();
        size_t n = strlen(out);
        assert_in_range(n, 3000, 4096);
        assert_int_equal(out[n - 1], '\n');
        assert_ptr_equal(strchr(out, '\n'), out + n - 1);
        assert_non_null(strstr(out, "...\""));
        assert_non_null(strstr(out, "last")); /* short fields still find room */
        if (format == LOG_JSON) {
            json_t *o = json_loads(out, 0, NULL);
            assert_non_null(o);
            json_decref(o);
        }
        free(out);
    }
}

static void levels(void **state)
{
    enum log_level level;

    (void)state;
    begin(LOG_LOGFMT, LOG_WARNING);
    log_event(LOG_INFO, "hidden");
    log_event(LOG_WARNING, "shown");
    log_set_level(LOG_DEBUG);
    log_event(LOG_DEBUG, "now-shown");
    char *out = end();
    assert_null(strstr(out, "hidden"));
    assert_non_null(strstr(out, "level=warning program=test event=shown\n"));
    assert_non_null(strstr(out, "level=debug program=test event=now-shown\n"));
    free(out);
    assert_true(log_level_parse("error", &level) && level == LOG_ERROR);
    assert_false(log_level_parse("Error", &level));
    assert_false(log_level_parse("", &level));
    assert_string_equal(log_level_name(LOG_DEBUG), "debug");
}

static void errors_and_arguments(void **state)
{
    struct err e = {0};
    int calls = 0;

    (void)state;
    err_set(&e, 5, "disk is on fire");
    begin(LOG_LOGFMT, LOG_ERROR);
    log_err(LOG_ERROR, "backup", &e, LOG_S("type", "elexisdb"));
    log_err(LOG_ERROR, "alone", &e);
    log_event(LOG_INFO, "not-evaluated", LOG_I("n", ++calls));
    char *out = end();
    assert_non_null(strstr(out, "event=backup error=\"disk is on fire\" type=elexisdb\n"));
    assert_non_null(strstr(out, "event=alone error=\"disk is on fire\"\n"));
    assert_int_equal(calls, 0);
    free(out);
}

static void journal(void **state)
{
    struct stat st;
    char stream[64];

    (void)state;
    begin(LOG_LOGFMT, LOG_DEBUG);
    assert_int_equal(fstat(2, &st), 0);
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_init("test", LOG_LOGFMT, LOG_DEBUG);
    log_event(LOG_ERROR, "a");
    log_event(LOG_DEBUG, "b");
    log_init("test", LOG_JSON, LOG_DEBUG);
    log_event(LOG_INFO, "c");
    /* Inherited, but stderr went elsewhere since. */
    setenv("JOURNAL_STREAM", "1:1", 1);
    log_init("test", LOG_LOGFMT, LOG_DEBUG);
    log_event(LOG_INFO, "d");
    unsetenv("JOURNAL_STREAM");
    char *out = end();
    assert_non_null(strstr(out, "<3>level=error program=test event=a\n"));
    assert_non_null(strstr(out, "\n<7>level=debug program=test event=b\n"));
    assert_non_null(
        strstr(out, "\n<6>{\"level\":\"info\",\"program\":\"test\",\"event\":\"c\"}\nts="));
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logfmt),
        cmocka_unit_test(json),
        cmocka_unit_test(hostile_values),
        cmocka_unit_test(long_values_are_cut),
        cmocka_unit_test(levels),
        cmocka_unit_test(errors_and_arguments),
        cmocka_unit_test(journal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
