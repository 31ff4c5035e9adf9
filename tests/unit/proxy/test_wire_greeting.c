#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "proxy/wire/greeting.h"

#define SCRAMBLE "abcdefghijklmnopqrst"

/* What mariadbd 10.11.19 sends: capabilities fe f7 ff 81, extended 3d 00 00 00. */
static const char fixed_part[] = "\x2a\x01\x00\x00"
                                 "abcdefgh\0"
                                 "\xfe\xf7\x2d\x02\x00\xff\x81\x15"
                                 "\0\0\0\0\0\0"
                                 "\x3d\x00\x00\x00"
                                 "ijklmnopqrst\0"
                                 "mysql_native_password";
#define CAPS UINT64_C(0x3d81fff7fe)

static size_t make(uint8_t *packet, const char *version)
{
    size_t n = PACKET_HEADER;
    packet[n++] = 10;
    memcpy(packet + n, version, strlen(version) + 1);
    n += strlen(version) + 1;
    memcpy(packet + n, fixed_part, sizeof fixed_part);
    n += sizeof fixed_part;
    packet_header(packet, (uint32_t)(n - PACKET_HEADER), 0);
    return n;
}

static void parses_a_real_one(void **state)
{
    (void)state;
    uint8_t packet[GREETING_MAX];
    struct greeting g;
    struct err e = {0};
    size_t n = make(packet, "5.5.5-10.11.19-MariaDB");
    assert_int_equal(greeting_parse(packet + PACKET_HEADER, n - PACKET_HEADER, &g, &e), 0);
    assert_string_equal(g.version, "5.5.5-10.11.19-MariaDB");
    assert_int_equal(g.thread_id, 298);
    assert_true(g.caps == CAPS);
    assert_int_equal(g.charset, 45);
    assert_int_equal(g.status, 2);
    assert_memory_equal(g.scramble, SCRAMBLE, 20);
    assert_string_equal(g.plugin, "mysql_native_password");
}

static void mysql_has_no_extended_capabilities(void **state)
{
    (void)state;
    uint8_t packet[GREETING_MAX];
    struct greeting g;
    size_t n = make(packet, "8.0.36");
    packet[PACKET_HEADER + 1 + 7 + 13] |= 1; /* CAP_MYSQL */
    assert_int_equal(greeting_parse(packet + PACKET_HEADER, n - PACKET_HEADER, &g, NULL), 0);
    assert_true(g.caps == (UINT64_C(0x81fff7ff)));
}

static void a_plugin_without_nul(void **state)
{
    (void)state;
    uint8_t packet[GREETING_MAX];
    struct greeting g;
    size_t n = make(packet, "10.0");
    assert_int_equal(greeting_parse(packet + PACKET_HEADER, n - PACKET_HEADER - 1, &g, NULL), 0);
    assert_string_equal(g.plugin, "mysql_native_password");
}

static void truncated_at_every_offset(void **state)
{
    (void)state;
    uint8_t packet[GREETING_MAX], out[GREETING_MAX];
    size_t n = make(packet, "5.5.5-10.11.19-MariaDB"), out_len = 4711;
    size_t plugin = strlen("mysql_native_password") + 1;
    for (size_t cut = 0; cut < n - PACKET_HEADER - plugin; cut++) {
        struct greeting g = {.thread_id = 4711};
        struct err e = {0};
        assert_int_equal(greeting_parse(packet + PACKET_HEADER, cut, &g, &e), -EPROTO);
        assert_int_not_equal(e.text[0], 0);
        assert_int_equal(g.thread_id, 4711); /* untouched */

        uint8_t copy[GREETING_MAX];
        memcpy(copy, packet, n);
        packet_header(copy, (uint32_t)cut, 0);
        struct greeting_change change = {.offer_tls = true};
        assert_int_equal(
            greeting_rewrite(copy, PACKET_HEADER + cut, &change, out, &out_len, &e), -EPROTO);
        assert_int_equal(out_len, 4711);
    }
}

static void foreign_servers_are_named(void **state)
{
    (void)state;
    struct greeting g;
    struct err e = {0};
    static const char refused[] = "\xff\x10\x04Too many connections";
    assert_int_equal(greeting_parse((const uint8_t *)refused, sizeof refused - 1, &g, &e), -EPROTO);
    assert_non_null(strstr(e.text, "1040"));
    assert_non_null(strstr(e.text, "Too many connections"));
    assert_int_equal(greeting_parse((const uint8_t *)"SSH-2.0-x", 9, &g, &e), -EPROTO);
    assert_int_equal(greeting_parse((const uint8_t *)"", 0, &g, &e), -EPROTO);

    static const uint8_t without[] = {0x80, 0x02, 0x82}; /* 4.1, secure connection, both */
    for (size_t i = 0; i < sizeof without; i++) {
        uint8_t packet[GREETING_MAX];
        size_t n = make(packet, "4.0.1");
        packet[PACKET_HEADER + 1 + 6 + 14] &= (uint8_t)~without[i];
        assert_int_equal(
            greeting_parse(packet + PACKET_HEADER, n - PACKET_HEADER, &g, &e), -EPROTO);
        assert_non_null(strstr(e.text, "4.1"));
    }
}

static void rewritten(const char *version, const char *announce, bool tls, const char *expected)
{
    uint8_t packet[GREETING_MAX], out[GREETING_MAX];
    size_t n = make(packet, version), out_len;
    struct greeting before, after;
    struct greeting_change change = {.offer_tls = tls, .announce = announce};
    packet[3] = 5;
    assert_int_equal(greeting_rewrite(packet, n, &change, out, &out_len, NULL), 0);
    assert_int_equal(packet_length(out), out_len - PACKET_HEADER);
    assert_int_equal(out[3], 5);
    assert_int_equal(greeting_parse(packet + PACKET_HEADER, n - PACKET_HEADER, &before, NULL), 0);
    assert_int_equal(greeting_parse(out + PACKET_HEADER, out_len - PACKET_HEADER, &after, NULL), 0);
    assert_string_equal(after.version, expected);
    uint64_t may_change = CAP_SSL | CAP_COMPRESS | CAP_ZSTD;
    assert_true((after.caps | may_change) == (before.caps | may_change));
    assert_int_equal((after.caps & CAP_SSL) != 0, tls);
    assert_false(after.caps & (CAP_COMPRESS | CAP_ZSTD));
    assert_int_equal(after.thread_id, before.thread_id);
    assert_int_equal(after.charset, before.charset);
    assert_int_equal(after.status, before.status);
    assert_memory_equal(after.scramble, before.scramble, 20);
    assert_string_equal(after.plugin, before.plugin);
}

/* Its drivers ask a MySQL that calls itself 5.6 for what it has lost. */
static void a_mysql_keeps_its_own_text(void **state)
{
    (void)state;
    static const char *const versions[] = {"8.0.36", "9.1.0", "5.7.44-log"};
    for (size_t i = 0; i < 3; i++) {
        uint8_t packet[GREETING_MAX], out[GREETING_MAX];
        size_t n = make(packet, versions[i]), out_len;
        struct greeting g;
        const struct greeting_change change = {.offer_tls = true, .announce = "elexis"};
        packet[PACKET_HEADER + 1 + strlen(versions[i]) + 1 + 13] |= 1; /* CAP_MYSQL */
        assert_int_equal(greeting_rewrite(packet, n, &change, out, &out_len, NULL), 0);
        assert_int_equal(greeting_parse(out + PACKET_HEADER, out_len - PACKET_HEADER, &g, NULL), 0);
        assert_string_equal(g.version, versions[i]);
    }
}

static void announces_what_was_asked_for(void **state)
{
    (void)state;
    static const char *const server = "5.5.5-10.11.19-MariaDB";
    rewritten(server, NULL, true, server);
    rewritten(server, "server", false, server);
    rewritten(server, "elexis", true, "5.6.51-10.11.19-MariaDB");
    rewritten("11.8.3-MariaDB", "elexis", true, "5.6.51-11.8.3-MariaDB");
    rewritten(server, "8.0.0", true, "8.0.0");
    rewritten(server, "", true, "");
}

static void limits(void **state)
{
    (void)state;
    uint8_t packet[2 * GREETING_MAX], out[GREETING_MAX];
    char version[GREETING_VERSION_MAX + 1];
    size_t out_len;
    struct err e = {0};
    memset(version, 'v', sizeof version);
    version[GREETING_VERSION_MAX] = '\0';
    size_t n = make(packet, "10.11");
    struct greeting_change change = {.announce = version};
    assert_int_equal(greeting_rewrite(packet, n, &change, out, &out_len, &e), -EINVAL);
    n = make(packet, version);
    change.announce = NULL;
    assert_int_equal(greeting_rewrite(packet, n, &change, out, &out_len, &e), -EPROTO);

    version[GREETING_VERSION_MAX - 1] = '\0';
    n = make(packet, version);
    assert_int_equal(greeting_rewrite(packet, n, &change, out, &out_len, &e), 0);
    change.announce = "elexis"; /* the prefix would not fit */
    assert_int_equal(greeting_rewrite(packet, n, &change, out, &out_len, &e), -EINVAL);
    change.announce = NULL;
    assert_int_equal(greeting_rewrite(packet, n - 1, &change, out, &out_len, &e), -EPROTO);
    assert_int_equal(greeting_rewrite(packet, n + 1, &change, out, &out_len, &e), -EPROTO);
    memset(packet + n - 22, 'p', 200); /* a plugin's name without end */
    assert_int_equal(
        greeting_parse(packet + PACKET_HEADER, n + 150, &(struct greeting){0}, &e), -EPROTO);
    assert_int_equal(greeting_rewrite(packet, 3, &change, out, &out_len, &e), -EPROTO);

    n = make(packet, "10.11");
    memset(packet + n, 0, GREETING_MAX); /* an unknown tail that is too long to pass on */
    packet_header(packet, (uint32_t)(n + GREETING_MAX - 200 - PACKET_HEADER), 0);
    assert_int_equal(
        greeting_rewrite(packet, n + GREETING_MAX - 200, &change, out, &out_len, &e), 0);
    packet_header(packet, (uint32_t)(n + GREETING_MAX - 50 - PACKET_HEADER), 0);
    assert_int_equal(
        greeting_rewrite(packet, n + GREETING_MAX - 50, &change, out, &out_len, &e), -EPROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_a_real_one),
        cmocka_unit_test(mysql_has_no_extended_capabilities),
        cmocka_unit_test(a_plugin_without_nul),
        cmocka_unit_test(truncated_at_every_offset),
        cmocka_unit_test(foreign_servers_are_named),
        cmocka_unit_test(announces_what_was_asked_for),
        cmocka_unit_test(a_mysql_keeps_its_own_text),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
