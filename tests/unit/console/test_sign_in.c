/* Accounts, sessions, throttling: who may come in, who is in, how often one may guess. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "common/file.h"
#include "console/who/accounts.h"
#include "console/who/sessions.h"
#include "console/who/throttle.h"
#include "people/totp.h"
#include "tests/unit/common/unit.h"

static char *folder;

static int setup(void **state)
{
    (void)state;
    folder = unit_make_dir();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unit_remove_dir(folder);
    return 0;
}

static struct accounts *open_accounts(void)
{
    struct accounts *a = NULL;
    struct err e = {0};
    if (accounts_open(folder, &a, &e) < 0)
        fail_msg("%s", e.text);
    return a;
}

static char *content(const char *name)
{
    char *path = xasprintf("%s/%s", folder, name), *text = NULL;
    size_t len;
    struct stat st;
    assert_int_equal(file_read(path, 100000, &text, &len, NULL), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    free(path);
    return text;
}

static void put(const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", folder, name);
    assert_int_equal(file_publish(path, text, strlen(text), 0600, NULL), 0);
    free(path);
}

static void an_account_lasts(void **state)
{
    struct accounts *a = open_accounts();
    enum role role = ROLE_NONE;
    struct err e = {0};
    (void)state;
    assert_true(accounts_empty(a));
    assert_int_equal(accounts_add(a, "Müller", ROLE_ADMIN, "a long password", true, &e), 0);
    assert_int_equal(accounts_add(a, "second", ROLE_ADMIN, "a long password", true, &e), -EEXIST);
    accounts_close(a);
    char *text = content("accounts.json");
    assert_non_null(strstr(text, "$argon2id$"));
    assert_null(strstr(text, "a long password"));
    free(text);
    a = open_accounts();
    assert_false(accounts_empty(a));
    assert_int_equal(accounts_check(a, "Müller", "a long password", &role, &e), 0);
    assert_int_equal(role, ROLE_ADMIN);
    assert_int_equal(accounts_check(a, "Müller", "a long passwort", &role, &e), 1);
    assert_int_equal(accounts_check(a, "nobody", "a long password", &role, &e), 1);
    assert_int_equal(accounts_check(a, "nobody", "nobody has this password", &role, &e), 1);
    accounts_close(a);
}

static void rules_of_accounts(void **state)
{
    struct accounts *a = open_accounts();
    struct err e = {0};
    (void)state;
    static const char *const bad[] = {
        "", "a b", "<b>", "a/b", "a\nb", "\xff", "12345678901234567890123456789012345678901"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(
            accounts_add(a, bad[i], ROLE_ADMIN, "a long password", false, &e), -EINVAL);
    assert_int_equal(accounts_add(a, "x", ROLE_ADMIN, "too short", false, &e), -ERANGE);
    assert_int_equal(accounts_add(a, "boss", ROLE_ADMIN, "a long password", false, &e), 0);
    assert_int_equal(accounts_add(a, "boss", ROLE_VIEWER, "a long password", false, &e), -EEXIST);
    assert_int_equal(accounts_add(a, "aid", ROLE_VIEWER, "a long password", false, &e), 0);
    assert_int_equal(accounts_remove(a, "boss", &e), -EPERM);
    assert_int_equal(accounts_set_role(a, "boss", ROLE_VIEWER, &e), -EPERM);
    assert_int_equal(accounts_set_role(a, "aid", ROLE_ADMIN, &e), 0);
    long before = accounts_generation(a, "boss");
    assert_int_equal(accounts_set_password(a, "boss", "another password", &e), 0);
    assert_int_not_equal(accounts_generation(a, "boss"), before);
    assert_int_equal(accounts_remove(a, "boss", &e), 0);
    assert_int_equal(accounts_remove(a, "boss", &e), -ENOENT);
    assert_int_equal(accounts_role(a, "boss"), ROLE_NONE);
    json_t *list = accounts_list(a);
    assert_int_equal(json_array_size(list), 1);
    assert_null(json_object_get(json_array_get(list, 0), "hash"));
    json_decref(list);
    accounts_close(a);
}

/* An empty list would let the next visitor set up the page anew. */
static void a_damaged_file_is_no_empty_list(void **state)
{
    static const char *const damaged[] = {"", "{", "{\"accounts\":[{\"name\":\"x\"}]}",
        "{\"accounts\":{}}", "{\"accounts\":[{\"name\":\"x\",\"hash\":\"y\",\"role\":\"king\"}]}"};
    (void)state;
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        struct accounts *a = NULL;
        struct err e = {0};
        put("accounts.json", damaged[i]);
        assert_int_equal(accounts_open(folder, &a, &e), -EBADMSG);
        assert_null(a);
    }
}

static struct sessions *open_sessions(void)
{
    struct sessions *s = NULL;
    assert_int_equal(sessions_open(folder, &s, NULL), 0);
    return s;
}

static char *name_of(struct sessions *s, const char *id, int64_t idle_ms, int64_t max_ms)
{
    long generation;
    return sessions_find(s, id, (struct session_times){idle_ms, max_ms}, true, &generation);
}

static void a_session_outlives_the_program(void **state)
{
    struct sessions *s = open_sessions();
    char id[TOKEN_LEN], key[TOKEN_LEN], *name;
    (void)state;
    strcpy(key, sessions_key(s));
    sessions_begin(s, "boss", 5, "::1", id);
    sessions_close(s);
    char *text = content("sessions.json");
    assert_null(strstr(text, id)); /* only its hash */
    assert_non_null(strstr(text, "boss"));
    free(text);
    s = open_sessions();
    assert_string_equal(sessions_key(s), key);
    name = name_of(s, id, 60000, 60000);
    assert_string_equal(name, "boss");
    free(name);
    assert_null(name_of(s, key, 60000, 60000));
    sessions_end(s, id);
    assert_null(name_of(s, id, 60000, 60000));
    sessions_close(s);
}

static void sessions_are_over(void **state)
{
    struct sessions *s = open_sessions();
    char first[TOKEN_LEN], second[TOKEN_LEN], *name;
    (void)state;
    sessions_begin(s, "a", 1, "::1", first);
    usleep(20000);
    assert_null(name_of(s, first, 5, 60000)); /* idle for too long */
    sessions_begin(s, "a", 1, "::1", first);
    usleep(20000);
    assert_null(name_of(s, first, 60000, 5)); /* old */
    sessions_begin(s, "a", 1, "::1", first);
    sessions_begin(s, "a", 1, "::1", second);
    sessions_end_all(s, "a", second);
    assert_null(name_of(s, first, 60000, 60000));
    name = name_of(s, second, 60000, 60000);
    assert_string_equal(name, "a");
    free(name);
    sessions_set_flash(s, second, json_string("once"));
    json_t *flash = sessions_take_flash(s, second);
    assert_string_equal(json_string_value(flash), "once");
    json_decref(flash);
    assert_null(sessions_take_flash(s, second));
    usleep(20000);
    sessions_tidy(s, (struct session_times){5, 60000});
    assert_null(name_of(s, second, 60000, 60000));
    sessions_close(s);
}

static void a_damaged_session_file_signs_all_out(void **state)
{
    (void)state;
    put("sessions.json", "{\"key\":\"short\",\"sessions\":{}}");
    struct sessions *s = open_sessions();
    assert_int_equal(strlen(sessions_key(s)), TOKEN_LEN - 1);
    sessions_close(s);
}

#define WHO(name, from)                                                                            \
    &(const struct throttle_who)                                                                   \
    {                                                                                              \
        name, from, NULL                                                                           \
    }

static void guessing_is_slow(void **state)
{
    struct throttle *t = throttle_create();
    uint64_t now = 1000;
    (void)state;
    for (int i = 0; i < 4; i++)
        throttle_failed(t, WHO("boss", "10.0.0.1"), now);
    assert_int_equal(throttle_wait(t, WHO("boss", "10.0.0.1"), now), 0);
    throttle_failed(t, WHO("boss", "10.0.0.1"), now);
    int64_t first = throttle_wait(t, WHO("boss", "10.0.0.1"), now);
    assert_true(first > 0);
    assert_int_equal(throttle_wait(t, WHO("boss", "10.0.0.2"), now), 0); /* the admin elsewhere */
    assert_true(
        throttle_wait(t, WHO("other", "10.0.0.1"), now) > 0); /* not another account from there */
    assert_int_equal(throttle_wait(t, WHO("boss", "10.0.0.1"), now + (uint64_t)first), 0);
    for (int i = 0; i < 40; i++)
        throttle_failed(t, WHO("boss", "10.0.0.1"), now);
    assert_int_equal(throttle_wait(t, WHO("x", "10.0.0.1"), now), 15 * 60 * 1000);
    assert_int_equal(throttle_wait(t, WHO("boss", "10.0.0.2"), now),
        60 * 1000); /* nobody is locked out for long */
    now += 2 * 60 * 60 * 1000;
    throttle_failed(t, WHO("boss", "10.0.0.1"), now); /* forgotten after an hour */
    assert_int_equal(throttle_wait(t, WHO("boss", "10.0.0.1"), now), 0);
    for (int i = 0; i < 10; i++)
        throttle_failed(t, WHO("boss", "10.0.0.1"), now);
    throttle_succeeded(t, WHO("boss", "10.0.0.1"));
    assert_int_equal(throttle_wait(t, WHO("boss", "10.0.0.1"), now), 0);
    throttle_free(t);
}

/* A household's IPv6 addresses are one; the same address in another form, too. */
static void a_network_counts_as_one(void **state)
{
    struct throttle *t = throttle_create();
    (void)state;
    for (int i = 0; i < 5; i++) {
        char address[40];
        snprintf(address, sizeof address, "2001:db8:1:2:%d::1", i);
        throttle_failed(t, WHO("boss", address), 1000);
    }
    assert_true(throttle_wait(t, WHO("x", "2001:db8:1:2:ffff::9"), 1000) > 0);
    assert_int_equal(throttle_wait(t, WHO("x", "2001:db8:1:3::1"), 1000), 0);
    for (int i = 0; i < 5; i++)
        throttle_failed(t, WHO("y", "192.0.2.9"), 1000);
    assert_true(throttle_wait(t, WHO("x", "::ffff:192.0.2.9"), 1000) > 0);
    throttle_free(t);
}

/* Whoever guesses cannot keep out somebody whose browser is known, not even from the same network;
 * and that browser is no way around the wait. */
static void nobody_locks_another_out(void **state)
{
    struct throttle *t = throttle_create();
    const struct throttle_who known = {"boss", "10.0.0.1", "a device"};
    (void)state;
    for (int i = 0; i < 100; i++)
        throttle_failed(t, WHO("boss", "10.0.0.1"), 1000);
    assert_true(throttle_wait(t, WHO("boss", "10.0.0.2"), 1000) > 0);
    assert_int_equal(throttle_wait(t, &known, 1000), 0);
    for (int i = 0; i < 5; i++)
        throttle_failed(t, &known, 1000);
    assert_true(throttle_wait(t, &known, 1000) > 0);
    throttle_free(t);
}

static void a_code_counts_once(void **state)
{
    struct accounts *a = open_accounts();
    char recovery[RECOVERY_CODES][RECOVERY_LEN], secret[TOTP_SECRET_LEN], typed[40];
    struct err e = {0};
    (void)state;
    assert_int_equal(accounts_add(a, "boss", ROLE_ADMIN, "a long password", true, &e), 0);
    assert_false(accounts_has_code(a, "boss"));
    assert_int_equal(accounts_check_code(a, "boss", "123456", &e), 1);
    assert_int_equal(accounts_set_code(a, "boss", totp_make(secret), 0, recovery, &e), 0);
    accounts_close(a);
    char *text = content("accounts.json");
    assert_null(strstr(text, recovery[0]));
    free(text);
    a = open_accounts();
    assert_true(accounts_has_code(a, "boss"));
    assert_int_equal(accounts_check_code(a, "boss", "", &e), 1);
    /* as from paper */
    snprintf(typed, sizeof typed, " %s ", recovery[3]);
    typed[1] = (char)toupper((unsigned char)typed[1]);
    assert_int_equal(accounts_check_code(a, "boss", typed, &e), 0);
    assert_int_equal(accounts_check_code(a, "boss", typed, &e), 1);
    assert_int_equal(accounts_check_code(a, "boss", recovery[4], &e), 0);
    assert_int_equal(accounts_drop_code(a, "boss", &e), 0);
    assert_int_equal(accounts_check_code(a, "boss", recovery[5], &e), 1);
    accounts_close(a);
}

/* More addresses than there is room for: the oldest give way, the newest are remembered. */
static void throttling_is_bounded(void **state)
{
    struct throttle *t = throttle_create();
    char address[32];
    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(address, sizeof address, "10.%u.%u.1", i >> 8, i & 255);
        throttle_failed(t, WHO("x", address), 1000 + i);
    }
    for (int i = 0; i < 5; i++)
        throttle_failed(t, WHO("y", address), 7000);
    assert_true(throttle_wait(t, WHO("z", address), 7000) > 0);
    throttle_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_account_lasts, setup, teardown),
        cmocka_unit_test_setup_teardown(rules_of_accounts, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_file_is_no_empty_list, setup, teardown),
        cmocka_unit_test_setup_teardown(a_session_outlives_the_program, setup, teardown),
        cmocka_unit_test_setup_teardown(sessions_are_over, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_session_file_signs_all_out, setup, teardown),
        cmocka_unit_test(guessing_is_slow),
        cmocka_unit_test(a_network_counts_as_one),
        cmocka_unit_test(nobody_locks_another_out),
        cmocka_unit_test_setup_teardown(a_code_counts_once, setup, teardown),
        cmocka_unit_test(throttling_is_bounded),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
