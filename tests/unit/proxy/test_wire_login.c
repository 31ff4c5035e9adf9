#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "proxy/wire/login.h"

#define BASE (CAP_PROTOCOL_41 | CAP_SECURE_CONNECTION | CAP_PLUGIN_AUTH | CAP_CONNECT_ATTRS)

struct made {
    uint8_t p[2048];
    size_t n;
};

static void add(struct made *m, const void *data, size_t n)
{
    assert_true(m->n + n <= sizeof m->p);
    memcpy(m->p + m->n, data, n);
    m->n += n;
}

static void add_text(struct made *m, const char *text) /* with its length, up to 250 */
{
    uint8_t len = (uint8_t)strlen(text);
    add(m, &len, 1);
    add(m, text, len);
}

static struct made head(uint64_t caps)
{
    struct made m = {0};
    for (int i = 0; i < 4; i++)
        m.p[i] = (uint8_t)(caps >> (8 * i));
    m.p[7] = 1; /* packets up to 16 MiB */
    m.p[8] = 45;
    for (int i = 0; i < 4; i++)
        m.p[28 + i] = (uint8_t)(caps >> (32 + 8 * i));
    m.n = 32;
    return m;
}

static void add_attributes(struct made *m, const char *const *texts)
{
    struct made inner = {0};
    for (; *texts; texts++)
        add_text(&inner, *texts);
    assert_true(inner.n <= 250);
    uint8_t len = (uint8_t)inner.n;
    add(m, &len, 1);
    add(m, inner.p, inner.n);
}

static const char *const cli_attributes[] = {"_os", "Linux", "_client_name", "libmariadb",
    "_client_version", "3.3.19", "program_name", "mysql", NULL};

static struct made response(uint64_t caps)
{
    struct made m = head(caps);
    add(&m, "Jürg", 6);
    add(&m,
        "\x14"
        "01234567890123456789",
        21);
    if (caps & CAP_CONNECT_WITH_DB)
        add(&m, "elexis", 7);
    add(&m, "mysql_native_password", 22);
    add_attributes(&m, cli_attributes);
    return m;
}

static void parses_a_response(void **state)
{
    (void)state;
    struct login_names n;
    struct made m = response(BASE | CAP_CONNECT_WITH_DB);
    assert_int_equal(login_parse(m.p, m.n, BASE | CAP_CONNECT_WITH_DB, &n, NULL), 0);
    assert_string_equal(n.user, "Jürg");
    assert_string_equal(n.database, "elexis");
    assert_string_equal(n.plugin, "mysql_native_password");
    assert_string_equal(n.program, "mysql");
    static const char expected[] = "_os\0Linux\0_client_name\0libmariadb\0_client_version\0"
                                   "3.3.19\0program_name\0mysql";
    assert_int_equal(n.attributes_len, sizeof expected);
    assert_memory_equal(n.attributes, expected, sizeof expected);
    login_names_free(&n);
    assert_null(n.user);
}

static void three_forms_of_proof(void **state)
{
    (void)state;
    struct login_names n;
    static const struct {
        uint64_t caps;
        const char *proof;
        size_t len;
    } forms[] = {
        {CAP_SECURE_CONNECTION, "\x00", 1},
        {CAP_SECURE_CONNECTION,
            "\x03"
            "a\0b",
            4},
        {CAP_AUTH_LENENC | CAP_SECURE_CONNECTION,
            "\xfc\x04\0"
            "a\0bc",
            7},
        {0, "oldproof", 9},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        uint64_t caps = CAP_PROTOCOL_41 | CAP_CONNECT_WITH_DB | forms[i].caps;
        struct made m = head(caps);
        add(&m, "u", 2);
        add(&m, forms[i].proof, forms[i].len);
        add(&m, "db", 3);
        assert_int_equal(login_parse(m.p, m.n, caps, &n, NULL), 0);
        assert_string_equal(n.database, "db");
        assert_string_equal(n.plugin, "");
        assert_string_equal(n.program, "");
        assert_int_equal(n.attributes_len, 0);
        login_names_free(&n);
    }
}

static void the_program_s_name(void **state)
{
    (void)state;
    static const struct {
        const char *attributes[8];
        const char *program;
    } cases[] = {
        {{"_client_name", "libmariadb", "program_name", "Elexis"}, "Elexis"},
        {{"_client_name", "MySQL Connector/J", "_client_version", "8.0.22"},
            "MySQL Connector/J 8.0.22"},
        {{"_client_name", "pymysql"}, "pymysql"},
        {{"_client_version", "1"}, ""},
        {{"program_name", "", "_client_name", "x"}, "x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct login_names n;
        struct made m = head(BASE);
        add(&m, "u\0\0p", 5);
        add_attributes(&m, cases[i].attributes);
        assert_int_equal(login_parse(m.p, m.n, BASE, &n, NULL), 0);
        assert_string_equal(n.program, cases[i].program);
        login_names_free(&n);
    }
}

/* Cut off anywhere it fails or leaves out what is missing; what is there is right. */
static void truncated_at_every_offset(void **state)
{
    (void)state;
    uint64_t caps = BASE | CAP_CONNECT_WITH_DB;
    struct made m = response(caps);
    size_t must = 32 + 6 + 21;
    for (size_t cut = 0; cut < m.n; cut++) {
        struct login_names n = {0};
        struct err e = {0};
        uint8_t *exact = malloc(cut ? cut : 1); /* a sanitizer sees one byte too many */
        memcpy(exact, m.p, cut);
        int r = login_parse(exact, cut, caps, &n, &e);
        free(exact);
        if (cut < must) {
            assert_int_equal(r, -EPROTO);
            assert_null(n.user);
            assert_int_not_equal(e.text[0], 0);
        } else {
            assert_int_equal(r, 0);
            assert_string_equal(n.user, "Jürg");
            assert_memory_equal("elexis", n.database, strlen(n.database));
            assert_memory_equal("mysql_native_password", n.plugin, strlen(n.plugin));
        }
        login_names_free(&n);
    }
}

static void attributes_are_bounded(void **state)
{
    (void)state;
    static uint8_t big[LOGIN_PACKET_MAX];
    struct made m = head(BASE);
    add(&m, "u\0\0p", 5);
    memcpy(big, m.p, m.n);
    size_t n = m.n + 4, total = 0;
    while (total + 202 <= 65000) { /* keys of 100, values of 100 */
        big[n + total] = 100;
        memset(big + n + total + 1, 'k', 100);
        big[n + total + 101] = 100;
        memset(big + n + total + 102, 'v', 100);
        total += 202;
    }
    big[m.n] = 0xfd;
    big[m.n + 1] = (uint8_t)total;
    big[m.n + 2] = (uint8_t)(total >> 8);
    big[m.n + 3] = 0;
    struct login_names names;
    assert_int_equal(login_parse(big, n + total, BASE, &names, NULL), 0);
    assert_in_range(names.attributes_len, LOGIN_ATTRIBUTES_MAX - 202, LOGIN_ATTRIBUTES_MAX);
    assert_int_equal(names.attributes_len % 202, 0);
    login_names_free(&names);

    /* One that claims more than there is: what is there counts. */
    struct made liar = head(BASE);
    add(&liar, "u\0\0p\0", 5);
    add(&liar, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01k\x01v\xfe\xff\xff\xff\xff\xff\xff\xff\xff",
        22);
    assert_int_equal(login_parse(liar.p, liar.n, BASE, &names, NULL), 0);
    assert_int_equal(names.attributes_len, 4);
    login_names_free(&names);
}

static void attributes_of_no_length(void **state)
{
    (void)state;
    struct login_names n;
    struct made m = head(BASE);
    add(&m, "u\0\0p\0\xfb\x01k\x01v", 10);
    assert_int_equal(login_parse(m.p, m.n, BASE, &n, NULL), 0);
    assert_int_equal(n.attributes_len, 0);
    login_names_free(&n);
}

static void names_are_bounded(void **state)
{
    (void)state;
    struct made m = head(BASE);
    memset(m.p + m.n, 'u', 1000);
    m.n += 1000;
    add(&m, "\0\0p\0", 4);
    struct login_names n;
    assert_int_equal(login_parse(m.p, m.n, BASE, &n, NULL), 0);
    assert_int_equal(strlen(n.user), LOGIN_TEXT_MAX);
    login_names_free(&n);
}

static void change_user(void **state)
{
    (void)state;
    struct made m = {0};
    struct login_names n;
    add(&m, "\x11", 1);
    add(&m, "praxis", 7);
    add(&m, "\x02\0\x01", 3);
    add(&m, "lager", 6);
    add(&m, "\x2d\0", 2);
    add(&m, "client_ed25519", 15);
    add_attributes(&m, cli_attributes);
    assert_int_equal(login_parse_change_user(m.p, m.n, BASE, &n, NULL), 0);
    assert_string_equal(n.user, "praxis");
    assert_string_equal(n.database, "lager");
    assert_string_equal(n.plugin, "client_ed25519");
    assert_string_equal(n.program, "mysql");
    login_names_free(&n);

    /* charset, plugin and attributes may be missing */
    assert_int_equal(login_parse_change_user(m.p, 1 + 7 + 3 + 6, BASE, &n, NULL), 0);
    assert_string_equal(n.database, "lager");
    assert_string_equal(n.plugin, "");
    login_names_free(&n);
    for (size_t cut = 0; cut < 1 + 7 + 3; cut++)
        assert_int_equal(login_parse_change_user(m.p, cut, BASE, &n, NULL), -EPROTO);
}

static void first_packets(void **state)
{
    (void)state;
    struct login_head h;
    struct err e = {0};
    uint64_t caps = BASE | CAP_SSL | CAP_PROGRESS;
    struct made m = head(caps);
    assert_int_equal(login_first(m.p, m.n, &h, &e), 1);
    assert_true(h.caps == caps);
    assert_int_equal(h.max_packet, 1 << 24);
    assert_int_equal(h.charset, 45);

    m = response(BASE);
    assert_int_equal(login_first(m.p, m.n, &h, &e), 0);
    m = head(BASE | CAP_MYSQL); /* no extended ones from a MySQL client */
    m.p[28] = 0xff;
    assert_int_equal(login_first(m.p, m.n, &h, &e), 0);
    assert_true(h.caps == (BASE | CAP_MYSQL));

    for (size_t cut = 0; cut < 32; cut++)
        assert_int_equal(login_first(m.p, cut, &h, &e), -EPROTO);
    assert_int_equal(login_first((const uint8_t *)"GET / HTTP/1.1\r\n", 16, &h, &e), -EPROTO);
    assert_non_null(strstr(e.text, "HTTP"));
    m = response(CAP_MYSQL); /* no 4.1 */
    assert_int_equal(login_first(m.p, m.n, &h, &e), -EPROTO);
    assert_non_null(strstr(e.text, "4.1"));
}

static void foreign_protocols(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *what;
    } cases[] = {
        {"GET / HTTP/1.1\r\n", 16, "an HTTP request"},
        {"POST / HTTP/1.1\r\n", 17, "an HTTP request"},
        {"\x16\x03\x01\x02\x00\x01", 6, "a TLS ClientHello without SSLRequest"},
        {"SSH-2.0-OpenSSH_9.2", 19, "an SSH banner"},
        {"PROXY TCP4 ", 11, "a PROXY protocol header"},
        {"\r\n\r\n\0\r\nQUIT\n!", 13, "a PROXY protocol header"},
        {"\x20\0\0\x01\x85\xae", 6, NULL},
        {"GET", 3, NULL},
        {"\x16", 1, NULL},
        {"", 0, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *what = login_foreign((const uint8_t *)cases[i].bytes, cases[i].n);
        if (cases[i].what)
            assert_string_equal(what, cases[i].what);
        else
            assert_null(what);
    }
}

static void rewritten_for_a_plaintext_server(void **state)
{
    (void)state;
    uint64_t asked = BASE | CAP_SSL | CAP_COMPRESS | CAP_ZSTD | CAP_PROGRESS | CAP_CACHE_METADATA;
    struct login_head counts = {.caps = asked}, after;
    struct made m = response(BASE | CAP_SSL),
                before = m; /* the response forgets the extended ones */
    assert_int_equal(login_rewrite(m.p, m.n, &counts, NULL), 0);
    assert_int_equal(login_first(m.p, m.n, &after, NULL), 0);
    assert_true(after.caps == (BASE | CAP_PROGRESS | CAP_CACHE_METADATA));
    assert_memory_equal(m.p + 4, before.p + 4, 24);
    assert_memory_equal(m.p + 32, before.p + 32, m.n - 32);

    counts.caps = BASE | CAP_SSL | CAP_MYSQL;
    m = before;
    assert_int_equal(login_rewrite(m.p, m.n, &counts, NULL), 0);
    assert_int_equal(login_first(m.p, m.n, &after, NULL), 0);
    assert_true(after.caps == (BASE | CAP_MYSQL));
    assert_int_equal(login_rewrite(m.p, 31, &counts, NULL), -EPROTO);
}

static void the_server_s_packets(void **state)
{
    (void)state;
    uint16_t status = 4711;
    assert_int_equal(login_classify((const uint8_t *)"\0\0\0\2\0", 5), LOGIN_OK);
    assert_int_equal(login_classify((const uint8_t *)"\xff\x15\x04", 3), LOGIN_ERROR);
    assert_int_equal(login_classify((const uint8_t *)"\xfe"
                                                     "client_ed25519",
                         15),
        LOGIN_SWITCH);
    assert_int_equal(login_classify((const uint8_t *)"\x01\x04", 2), LOGIN_MORE);
    assert_int_equal(login_classify((const uint8_t *)"\x04Password:", 10), LOGIN_MORE);
    assert_int_equal(login_classify(NULL, 0), LOGIN_MORE);

    assert_true(login_ok_status((const uint8_t *)"\0\0\0\2\0\0\0", 7, &status));
    assert_int_equal(status, 2);
    assert_true(login_ok_status((const uint8_t *)"\0\xfc\1\1\xfd\1\1\1\3\1", 10, &status));
    assert_int_equal(status, 0x0103);
    status = 4711;
    for (size_t cut = 0; cut < 5; cut++)
        assert_false(login_ok_status((const uint8_t *)"\0\0\0\2\0", cut, &status));
    assert_false(login_ok_status((const uint8_t *)"\xff\0\0\2\0", 5, &status));
    assert_int_equal(status, 4711);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_a_response),
        cmocka_unit_test(three_forms_of_proof),
        cmocka_unit_test(the_program_s_name),
        cmocka_unit_test(truncated_at_every_offset),
        cmocka_unit_test(attributes_are_bounded),
        cmocka_unit_test(attributes_of_no_length),
        cmocka_unit_test(names_are_bounded),
        cmocka_unit_test(change_user),
        cmocka_unit_test(first_packets),
        cmocka_unit_test(foreign_protocols),
        cmocka_unit_test(rewritten_for_a_plaintext_server),
        cmocka_unit_test(the_server_s_packets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
