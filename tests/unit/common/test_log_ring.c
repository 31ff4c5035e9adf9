#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json_lines.h"
#include "common/log_ring.h"
#include "common/json_get.h"
#include "unit.h"

static int start(void **state)
{
    (void)state;
    log_init("tester", LOG_LOGFMT, LOG_DEBUG);
    log_ring_start();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    log_ring_stop();
    return 0;
}

static json_t *ask(const char *request)
{
    json_t *q = json_loads(request, 0, NULL), *answer = log_ring_answer("tester", q);
    json_decref(q);
    return answer;
}

static const json_t *line(const json_t *answer, size_t i)
{
    return json_array_get(json_object_get(answer, "lines"), i);
}

static size_t count(const json_t *answer)
{
    return json_array_size(json_object_get(answer, "lines"));
}

static void assert_field(const json_t *line, const char *key, const char *value)
{
    const char *is = json_get_str(line, key);
    assert_string_equal(is ? is : "(none)", value);
}

static void fields_and_order(void **state)
{
    (void)state;
    log_event(LOG_INFO, "first", LOG_S("text", "Zürich \"x\"\n"), LOG_I("n", -5));
    log_event(LOG_WARNING, "second", LOG_S("error", "no room"));
    log_event(LOG_DEBUG, "third");
    json_t *a = ask("{}");
    assert_int_equal(count(a), 3);
    assert_int_equal(json_get_int(a, "next"), 3);
    assert_field(line(a, 0), "event", "first");
    assert_field(line(a, 0), "text", "Zürich \"x\"\n");
    assert_int_equal(json_get_int(line(a, 0), "n"), -5);
    assert_int_equal(json_get_int(line(a, 0), "seq"), 1);
    assert_int_equal(strlen(json_get_str(line(a, 0), "time")), 24);
    assert_null(json_object_get(line(a, 0), "ts"));
    assert_field(line(a, 1), "text", "no room");
    assert_field(line(a, 1), "level", "warning");
    assert_field(line(a, 2), "text", "");
    json_decref(a);
}

static void after_and_level_and_limit(void **state)
{
    (void)state;
    for (int i = 1; i <= 10; i++)
        log_event(i % 2 ? LOG_INFO : LOG_ERROR, "e", LOG_I("i", i));
    json_t *a = ask("{\"after\":7}");
    assert_int_equal(count(a), 3);
    assert_int_equal(json_get_int(line(a, 0), "i"), 8);
    assert_null(json_object_get(a, "more"));
    json_decref(a);
    a = ask("{\"after\":10}");
    assert_int_equal(count(a), 0);
    assert_int_equal(json_get_int(a, "next"), 10);
    json_decref(a);
    a = ask("{\"level\":\"error\",\"limit\":2}"); /* the newest two of them */
    assert_int_equal(count(a), 2);
    assert_int_equal(json_get_int(line(a, 0), "i"), 8);
    assert_int_equal(json_get_int(line(a, 1), "i"), 10);
    json_decref(a);
    a = ask("{\"after\":0,\"limit\":4}");
    assert_int_equal(count(a), 4);
    assert_int_equal(json_get_int(a, "next"), 4);
    assert_true(json_get_true(a, "more"));
    json_decref(a);
}

static void forgets_and_says_so(void **state)
{
    (void)state;
    for (int i = 1; i <= LOG_RING_LINES + 500; i++)
        log_event(LOG_INFO, "e", LOG_I("i", i));
    json_t *a = ask("{\"after\":3,\"limit\":5}");
    assert_int_equal(json_get_int(line(a, 0), "i"), 501);
    assert_true(json_get_true(a, "missed"));
    json_decref(a);
    a = ask("{\"limit\":2000}");
    assert_int_equal(count(a), 2000);
    assert_int_equal(json_get_int(line(a, 1999), "i"), LOG_RING_LINES + 500);
    json_decref(a);
    a = ask("{\"after\":99999,\"limit\":1}"); /* the program was started anew */
    assert_true(json_get_true(a, "restarted"));
    assert_null(json_object_get(a, "missed"));
    assert_int_equal(json_get_int(line(a, 0), "i"), 501);
    json_decref(a);
}

/* However long its lines are: the answer goes through the control protocol. */
static void an_answer_is_bounded(void **state)
{
    (void)state;
    char text[1001];
    memset(text, 'x', 1000);
    text[1000] = '\0';
    for (int i = 0; i < LOG_RING_LINES; i++)
        log_event(LOG_INFO, "e", LOG_S("text", text), LOG_S("a", text), LOG_S("b", text));
    json_t *a = ask("{\"limit\":2000}");
    size_t len = 0;
    char *l = json_line(a, &len);
    assert_true(len < JSON_LINE_MAX && count(a) > 50);
    assert_int_equal(json_get_int(a, "next"), LOG_RING_LINES); /* the newest, not the oldest */
    free(l);
    json_decref(a);
    a = ask("{\"after\":0,\"limit\":2000}");
    assert_true(json_get_true(a, "more"));
    assert_int_equal(json_get_int(a, "next"), count(a));
    json_decref(a);
}

static void bad_questions(void **state)
{
    (void)state;
    static const char *const bad[] = {"{\"after\":-1}", "{\"after\":\"x\"}", "{\"limit\":0}",
        "{\"limit\":2001}", "{\"limit\":\"all\"}", "{\"level\":\"loud\"}", "{\"level\":5}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        json_t *a = ask(bad[i]);
        assert_true(json_is_false(json_object_get(a, "ok")));
        assert_field(a, "code", "EINVAL");
        json_decref(a);
    }
    json_t *a = ask("{\"after\":null,\"limit\":null,\"level\":null}");
    assert_true(json_get_true(a, "ok"));
    json_decref(a);
}

static void *writer(void *arg)
{
    for (int i = 0; i < 3000; i++)
        log_event(LOG_INFO, "thread", LOG_S("name", arg), LOG_I("i", i));
    return NULL;
}

static void several_threads(void **state)
{
    (void)state;
    pthread_t t[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, writer, (void *)(uintptr_t) "w"), 0);
    for (int i = 0; i < 20; i++)
        json_decref(ask("{\"limit\":50}"));
    for (size_t i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    json_t *a = ask("{\"limit\":1}");
    assert_int_equal(json_get_int(a, "next"), 12000);
    json_decref(a);
}

/* A process that ends and its successor. */
static void begin_again(const char *path)
{
    log_ring_stop();
    log_ring_start();
    log_event(LOG_INFO, "early"); /* before it is known where the file lies */
    log_ring_keep(path);
}

static void a_restart_forgets_nothing(void **state)
{
    (void)state;
    char folder[] = "/tmp/elexgate-log-ring-XXXXXX", path[64], before[80];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/recent.log", folder);
    snprintf(before, sizeof before, "%s.1", path);
    log_ring_keep(path);
    log_event(LOG_INFO, "one", LOG_S("text", "Zürich"));
    log_event(LOG_DEBUG, "two"); /* is for now only */
    log_event(LOG_ERROR, "three");
    begin_again(path);
    json_t *a = ask("{}");
    assert_int_equal(count(a), 3);
    assert_field(line(a, 0), "text", "Zürich");
    assert_int_equal(json_get_int(line(a, 1), "seq"), 3);
    assert_field(line(a, 2), "event", "early");
    assert_int_equal(json_get_int(a, "next"), 4);
    json_decref(a);
    a = ask("{\"after\":3}"); /* whoever follows goes on where it was */
    assert_int_equal(count(a), 1);
    assert_null(json_object_get(a, "restarted"));
    assert_null(json_object_get(a, "missed"));
    json_decref(a);
    /* a line that a crash has cut, and others that are none */
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_true(dprintf(fd, "9 {\"level\":\"info\",\"ev\nx\n{}\n10 {\"level\":7}\n") > 0);
    close(fd);
    begin_again(path);
    a = ask("{}");
    assert_int_equal(count(a), 4);
    assert_int_equal(json_get_int(a, "next"), 5);
    json_decref(a);
    /* two files of a bounded size, and what is in both is known */
    for (int i = 0; i < 12000; i++)
        log_event(LOG_INFO, "much", LOG_S("text", "so that a file is full after a while"));
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size <= (off_t)LOG_RING_FILE_MAX + 1000 && (st.st_mode & 0777) == 0600);
    assert_int_equal(stat(before, &st), 0);
    assert_true(st.st_size <= (off_t)LOG_RING_FILE_MAX + 1000);
    begin_again(path);
    a = ask("{\"limit\":2}");
    assert_int_equal(json_get_int(a, "next"), 12006);
    assert_field(line(a, 0), "event", "much");
    json_decref(a);
    a = ask("{\"after\":5}");
    assert_true(json_get_true(a, "missed"));
    json_decref(a);
    unlink(path);
    unlink(before);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fields_and_order, start, stop),
        cmocka_unit_test_setup_teardown(after_and_level_and_limit, start, stop),
        cmocka_unit_test_setup_teardown(forgets_and_says_so, start, stop),
        cmocka_unit_test_setup_teardown(an_answer_is_bounded, start, stop),
        cmocka_unit_test_setup_teardown(bad_questions, start, stop),
        cmocka_unit_test_setup_teardown(several_threads, start, stop),
        cmocka_unit_test_setup_teardown(a_restart_forgets_nothing, start, stop),
    };
    int quiet = open(
        "/dev/null", O_WRONLY | O_CLOEXEC); /* the log itself is not what is looked at */
    if (quiet < 0 || dup2(quiet, STDERR_FILENO) < 0)
        return 1;
    close(quiet);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
