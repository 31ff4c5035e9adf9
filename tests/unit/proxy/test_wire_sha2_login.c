#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proxy/wire/login_plugin.h"
#include "proxy/wire/sha2_login.h"

#define NAME     "caching_sha2_password"
#define SCRAMBLE "abcdefghijklmnopqrst"
#define OTHER    "ABCDEFGHIJKLMNOPQRST"

static struct sha2_login begin(const char *plugin)
{
    struct sha2_login l;
    sha2_login_begin(&l, plugin, (const uint8_t *)SCRAMBLE);
    return l;
}

static void on_server(struct sha2_login *l, const char *payload, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    memcpy(copy, payload, n);
    sha2_login_on_server(l, copy, n);
    free(copy);
}
#define ON_SERVER(l, text) on_server(l, text, sizeof(text) - 1)

static void full_authentication(void **state)
{
    (void)state;
    struct sha2_login l = begin(NAME);
    ON_SERVER(&l, "\1\3");
    ON_SERVER(&l, "\x60\4"); /* of no known kind */
    assert_int_equal(l.step, SHA2_NONE);
    ON_SERVER(&l, "\1\4");
    assert_int_equal(l.step, SHA2_PASSWORD);
    assert_memory_equal(l.scramble, SCRAMBLE, SHA2_SCRAMBLE_LEN);
    ON_SERVER(&l, "\xfe" NAME "\0" OTHER "\0"); /* out of turn: it stays */
    assert_memory_equal(l.scramble, SCRAMBLE, SHA2_SCRAMBLE_LEN);
}

/* The same two bytes mean nothing with another plugin. */
static void other_plugins(void **state)
{
    (void)state;
    struct sha2_login l = begin("mysql_native_password");
    ON_SERVER(&l, "\1\4");
    assert_int_equal(l.step, SHA2_NONE);
    l = begin(NAME);
    ON_SERVER(&l, "\xfe"
                  "client_ed25519\0" OTHER OTHER);
    ON_SERVER(&l, "\1\4");
    assert_int_equal(l.step, SHA2_NONE);
    l = begin(NAME);
    ON_SERVER(&l, "\xfe" NAME "2\0" OTHER "\0");
    ON_SERVER(&l, "\1\4");
    assert_int_equal(l.step, SHA2_NONE);
}

static void a_switch_brings_its_scramble(void **state)
{
    (void)state;
    struct sha2_login l = begin("mysql_native_password");
    ON_SERVER(&l, "\xfe" NAME "\0" OTHER "\0");
    assert_memory_equal(l.scramble, OTHER, SHA2_SCRAMBLE_LEN);
    ON_SERVER(&l, "\1\4\0"); /* longer: something else */
    assert_int_equal(l.step, SHA2_NONE);
    ON_SERVER(&l, "\1\4");
    assert_int_equal(l.step, SHA2_PASSWORD);
}

/* An answer of another length is one that the server counts against us; so is none. */
static void what_each_plugin_takes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum login_plugin plugin;
        size_t fits, no_fit, farewell;
    } rows[] = {
        {"mysql_native_password", LOGIN_PLUGIN_NATIVE, 20, 19, 0},
        {"mysql_native_password", LOGIN_PLUGIN_NATIVE, 0, 21, 0},
        {"client_ed25519", LOGIN_PLUGIN_ED25519, 64, 0, 64},
        {"client_ed25519", LOGIN_PLUGIN_ED25519, 64, 65, 64},
        {NAME, LOGIN_PLUGIN_SHA2, 5, SIZE_MAX, 1},
        {"parsec", LOGIN_PLUGIN_PARSEC, 96, SIZE_MAX, 1},
        {"dialog", LOGIN_PLUGIN_OTHER, 5, SIZE_MAX, 0},
        {"client_ed2551", LOGIN_PLUGIN_OTHER, 5, SIZE_MAX, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char packet[64];
        struct sha2_login l = begin("mysql_native_password");
        assert_int_equal(l.plugin, LOGIN_PLUGIN_OTHER); /* until the server has said so */
        int n = snprintf(packet, sizeof packet, "\xfe%s%c%s", rows[i].name, 0, OTHER);
        on_server(&l, packet, (size_t)n);
        assert_int_equal(l.plugin, rows[i].plugin);
        assert_true(login_plugin_fits(l.plugin, rows[i].fits));
        assert_true(rows[i].no_fit == SIZE_MAX || !login_plugin_fits(l.plugin, rows[i].no_fit));
        assert_int_equal(login_plugin_farewell(l.plugin), rows[i].farewell);
    }
}

static void cut_short(void **state)
{
    (void)state;
    static const char whole[] = "\xfe" NAME "\0" OTHER;
    for (size_t n = 0; n < sizeof whole - 1; n++) {
        struct sha2_login l = begin("mysql_native_password");
        on_server(&l, whole, n);
        assert_memory_equal(l.scramble, SCRAMBLE, SHA2_SCRAMBLE_LEN);
        assert_int_equal(l.step, SHA2_NONE);
    }
}

static void key(void **state)
{
    (void)state;
    static const char packet[] = "\1-----BEGIN PUBLIC KEY-----\n";
    size_t len = 0;
    const char *pem = sha2_login_key((const uint8_t *)packet, sizeof packet - 1, &len);
    assert_ptr_equal(pem, packet + 1);
    assert_int_equal(len, sizeof packet - 2);
    assert_null(sha2_login_key((const uint8_t *)packet, 10, &len));
    assert_null(sha2_login_key((const uint8_t *)packet + 1, sizeof packet - 2, &len));
    assert_null(sha2_login_key((const uint8_t *)"\xff-----BEGIN PUBLIC", 17, &len));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(full_authentication),
        cmocka_unit_test(other_plugins), cmocka_unit_test(a_switch_brings_its_scramble),
        cmocka_unit_test(what_each_plugin_takes), cmocka_unit_test(cut_short),
        cmocka_unit_test(key)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
