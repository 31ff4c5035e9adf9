#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/audit.h"
#include "common/file.h"
#include "common/json_get.h"
#include "unit.h"

static char *dir, *path;

static int setup(void **state)
{
    (void)state;
    dir = unit_make_dir();
    path = xasprintf("%s/audit.log", dir);
    audit_init("test");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    audit_stop();
    free(path);
    unit_remove_dir(dir);
    return 0;
}

/* The objects in the file, which all must be JSON. */
static json_t *lines(const char *file)
{
    _cleanup_free_ char *text = NULL;
    size_t len;
    assert_int_equal(file_read(file, 1 << 26, &text, &len, NULL), 0);
    json_t *all = json_array();
    char *rest = text, *line;
    while ((line = strsep(&rest, "\n")) && *line) {
        json_t *o = json_loads(line, 0, NULL);
        if (!o)
            fail_msg("no JSON: %s", line);
        json_array_append_new(all, o);
    }
    return all;
}

static const char *get(const json_t *all, size_t i, const char *key)
{
    return json_get_str(json_array_get(all, i), key);
}

static void a_line_an_event(void **state)
{
    (void)state;
    audit_use(path);
    audit_event("login", LOG_S("user", "anna \"x\"\n{"), LOG_S("peer", "\xff\xfe\x41"),
        LOG_S("none", NULL), LOG_U("n", 7), LOG_I("i", -1), LOG_B("yes", true), LOG_D("d", 0.5));
    audit_stop();
    json_t *all = lines(path);
    assert_int_equal(json_array_size(all), 1);
    assert_string_equal(get(all, 0, "event"), "login");
    assert_string_equal(get(all, 0, "program"), "test");
    assert_string_equal(get(all, 0, "user"), "anna \"x\"\n{");
    assert_string_equal(get(all, 0, "peer"), "\\xff\\xfeA");
    assert_null(json_object_get(json_array_get(all, 0), "none"));
    assert_non_null(get(all, 0, "time"));
    json_decref(all);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0137, 0);
}

/* What is there stays there; a program that starts again goes on below. */
static void appends(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        audit_use(path);
        audit_event("start", LOG_I("i", i));
        audit_stop();
    }
    json_t *all = lines(path);
    assert_int_equal(json_array_size(all), 3);
    json_decref(all);
}

static void rotated_away(void **state)
{
    (void)state;
    _cleanup_free_ char *old = xasprintf("%s-20261122", path);
    audit_use(path);
    audit_event("before");
    audit_stop();
    assert_int_equal(rename(path, old), 0);
    audit_use(path);
    audit_event("after");
    audit_use(path); /* a second reload changes nothing */
    audit_event("more");
    audit_stop();
    json_t *first = lines(old), *second = lines(path);
    assert_int_equal(json_array_size(first), 1);
    assert_int_equal(json_array_size(second), 2);
    assert_string_equal(get(second, 1, "event"), "more");
    json_decref(first);
    json_decref(second);
}

static void off_is_off(void **state)
{
    (void)state;
    audit_event("nothing");
    audit_use(NULL);
    audit_event("nothing");
    json_t *s = audit_status();
    assert_true(json_is_null(s));
    json_decref(s);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void wait_status(bool good, json_int_t lost)
{
    for (int i = 0; i < 500; i++) {
        json_t *s = audit_status();
        bool fits = json_get_true(s, "good") == good && json_get_int(s, "lost") == lost;
        json_decref(s);
        if (fits)
            return;
        usleep(10000);
    }
    fail_msg("the status never became good=%d lost=%lld", good, (long long)lost);
}

/* A folder that is not there: told, counted, and once it is there the log says what is missing. */
static void no_folder(void **state)
{
    (void)state;
    _cleanup_free_ char *sub = xasprintf("%s/sub", dir), *file = xasprintf("%s/audit.log", sub);
    audit_use(file);
    audit_event("one");
    audit_event("two");
    wait_status(false, 2);
    assert_int_equal(mkdir(sub, 0700), 0);
    audit_use(file);
    audit_event("three");
    audit_stop();
    json_t *all = lines(file);
    assert_int_equal(json_array_size(all), 2);
    assert_string_equal(get(all, 0, "event"), "lines-lost");
    assert_int_equal(json_get_int(json_array_get(all, 0), "lines"), 2);
    assert_string_equal(get(all, 1, "event"), "three");
    json_decref(all);
}

/* A file that cannot grow stands for a full disk: a line goes in in part, the next ones not at all;
 * afterwards every whole line is JSON again. */
static void full_disk(void **state)
{
    (void)state;
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 150;
    audit_use(path);
    audit_event("fits");
    wait_status(true, 0);
    for (int i = 0; i < 500 && access(path, F_OK) < 0; i++)
        usleep(10000);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    audit_event("half",
        LOG_S("text",
            "a line that is too long for what is left of the disk, and the rest of it is not written any more"));
    wait_status(false, 1);
    audit_event("lost");
    wait_status(false, 2);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    audit_event("again");
    wait_status(true, 2);
    audit_stop();
    _cleanup_free_ char *text = NULL;
    size_t len;
    assert_int_equal(file_read(path, 1 << 20, &text, &len, NULL), 0);
    unsigned good = 0, bad = 0;
    char *rest = text, *line;
    while ((line = strsep(&rest, "\n")) && *line) {
        json_t *o = json_loads(line, 0, NULL);
        o ? good++ : bad++;
        json_decref(o);
    }
    assert_int_equal(good, 3); /* fits, lines-lost, again */
    assert_int_equal(bad, 1);
}

/* Lines that come together go in together, and of those that do not fit each is counted. */
static void a_burst(void **state)
{
    (void)state;
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    audit_use(path);
    for (int i = 0; i < 3000; i++)
        audit_event("burst", LOG_I("i", i));
    audit_stop();
    json_t *all = lines(path);
    assert_int_equal(json_array_size(all), 3000);
    for (size_t i = 0; i < 3000; i++)
        assert_int_equal(json_get_int(json_array_get(all, i), "i"), i);
    json_decref(all);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    small.rlim_cur = (rlim_t)st.st_size + 120; /* one more, of about 80 */
    audit_use(path);
    wait_status(true, 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (int i = 0; i < 4; i++)
        audit_event("late", LOG_I("i", i));
    wait_status(false, 3);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    audit_event("again");
    wait_status(true, 3);
    audit_stop();
    _cleanup_free_ char *text = NULL;
    size_t len;
    assert_int_equal(file_read(path, 1 << 20, &text, &len, NULL), 0);
    const char *torn = strstr(text, "\"i\":2999}\n");
    assert_non_null(torn);
    assert_non_null(strstr(torn, "\"event\":\"late\",\"i\":0}\n"));
    assert_non_null(strstr(torn, "\n{\"time\":"));
    assert_non_null(strstr(torn, "\"event\":\"lines-lost\",\"lines\":3}\n"));
    assert_non_null(strstr(torn, "\"event\":\"again\"}\n"));
    assert_null(strstr(torn, "\"i\":1}"));
}

/* A peer's text of any length makes one line, and a line is JSON. */
static void long_values_are_cut(void **state)
{
    (void)state;
    _cleanup_free_ char *text = xmalloc(100001);
    memset(text, 'x', 100000);
    text[100000] = 0;
    struct log_field all[14];
    static const char *const keys[] = {
        "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"};
    for (size_t i = 0; i < 14; i++)
        all[i] = LOG_S(keys[i], text);
    audit_use(path);
    audit_write("long", all, 14);
    audit_stop();
    json_t *there = lines(path);
    assert_int_equal(json_array_size(there), 1);
    const char *first = get(there, 0, "a"), *twelfth = get(there, 0, "l");
    assert_int_equal(strlen(first), 4096 + 3);
    assert_string_equal(first + 4096, "...");
    assert_string_equal(twelfth, first);
    json_decref(there);
}

static void a_link_is_refused(void **state)
{
    (void)state;
    _cleanup_free_ char *target = unit_write(dir, "target", "", 0, 0600);
    assert_int_equal(symlink(target, path), 0);
    audit_use(path);
    audit_event("one");
    wait_status(false, 1);
    struct stat st;
    assert_int_equal(stat(target, &st), 0);
    assert_int_equal(st.st_size, 0);
}

static char *stamp_of(int months_ago)
{
    time_t now = time(NULL);
    struct tm tm;
    assert_non_null(gmtime_r(&now, &tm));
    int m = 12 * (tm.tm_year + 1900) + tm.tm_mon - months_ago;
    return xasprintf("%04d-%02d-15T08:00:00.000Z", m / 12, m % 12 + 1);
}

static char *rotated_name(void)
{
    time_t now = time(NULL);
    struct tm tm;
    assert_non_null(gmtime_r(&now, &tm));
    return xasprintf("%s-%04d%02d%02d", path, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}

static void write_text(const char *file, const char *text)
{
    assert_int_equal(file_publish(file, text, strlen(text), 0640, NULL), 0);
}

static size_t count(const char *file)
{
    json_t *all = lines(file);
    size_t n = json_array_size(all);
    json_decref(all);
    return n;
}

/* Nobody but the program itself: no signal, no logrotate. */
static void a_month_that_is_over_gets_its_own_file(void **state)
{
    (void)state;
    static const struct {
        int months_ago;
        bool rotated;
    } rows[] = {{0, false}, {2, true}, {14, true}};
    _cleanup_free_ char *there = rotated_name();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        _cleanup_free_ char *stamp = stamp_of(rows[i].months_ago);
        _cleanup_free_ char *text = xasprintf("{\"time\":\"%s\",\"event\":\"login\"}\n", stamp);
        write_text(path, text);
        audit_use(path);
        audit_event("login", LOG_S("user", "anna"));
        audit_stop();
        assert_int_equal(access(there, F_OK) == 0, rows[i].rotated);
        assert_int_equal(count(path), rows[i].rotated ? 1 : 2);
        if (rows[i].rotated) {
            assert_int_equal(count(there), 1);
            assert_int_equal(unlink(there), 0);
        }
    }
}

/* Nothing is overwritten, and what is not ours is not moved. */
static void only_its_own_file_is_rotated(void **state)
{
    (void)state;
    _cleanup_free_ char *there = rotated_name(), *stamp = stamp_of(3);
    _cleanup_free_ char *old = xasprintf("{\"time\":\"%s\"}\n", stamp);
    write_text(path, old);
    write_text(there, "{\"kept\":true}\n");
    audit_use(path);
    audit_event("login", LOG_S("user", "anna"));
    audit_stop();
    assert_int_equal(count(there), 1);
    assert_int_equal(count(path), 2);
    assert_int_equal(unlink(there), 0);
    write_text(path, "# somebody's notes\n");
    audit_use(path);
    audit_event("login", LOG_S("user", "anna"));
    audit_stop();
    assert_int_equal(access(there, F_OK), -1);
}

int main(void)
{
    signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_an_event, setup, teardown),
        cmocka_unit_test_setup_teardown(appends, setup, teardown),
        cmocka_unit_test_setup_teardown(rotated_away, setup, teardown),
        cmocka_unit_test_setup_teardown(off_is_off, setup, teardown),
        cmocka_unit_test_setup_teardown(no_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(a_burst, setup, teardown),
        cmocka_unit_test_setup_teardown(long_values_are_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(a_link_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_month_that_is_over_gets_its_own_file, setup, teardown),
        cmocka_unit_test_setup_teardown(only_its_own_file_is_rotated, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
