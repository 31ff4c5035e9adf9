#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include "proxy/wire/cidr.h"

static struct address v4(const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    assert_int_equal(inet_pton(AF_INET, text, &in.sin_addr), 1);
    return address_from((struct sockaddr *)&in);
}

static struct address v6(const char *text)
{
    struct sockaddr_in6 in = {.sin6_family = AF_INET6};
    assert_int_equal(inet_pton(AF_INET6, text, &in.sin6_addr), 1);
    return address_from((struct sockaddr *)&in);
}

static void contains(void **state)
{
    (void)state;
    static const struct {
        const char *net, *in, *out;
        bool six;
    } rows[] = {
        {"192.168.1.0/24", "192.168.1.255", "192.168.2.0", false},
        {"10.0.0.0/8", "10.255.0.1", "11.0.0.0", false},
        {"10.1.2.3", "10.1.2.3", "10.1.2.4", false},
        {"172.16.0.0/12", "172.31.255.255", "172.32.0.0", false},
        {"fd00::/8", "fdff::1", "fe00::1", true},
        {"::1", "::1", "::2", true},
        {"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct cidr c;
        struct err e = {0};
        assert_int_equal(cidr_parse(rows[i].net, &c, &e), 0);
        struct address in = rows[i].six ? v6(rows[i].in) : v4(rows[i].in);
        struct address out = rows[i].six ? v6(rows[i].out) : v4(rows[i].out);
        assert_true(cidr_contains(&c, &in));
        assert_false(cidr_contains(&c, &out));
    }
}

/* A dual-stack socket shows IPv4 clients as ::ffff:a.b.c.d: the same address. */
static void mapped_is_v4(void **state)
{
    (void)state;
    struct cidr c;
    struct err e;
    assert_int_equal(cidr_parse("192.168.1.0/24", &c, &e), 0);
    struct address mapped = v6("::ffff:192.168.1.9"), plain = v4("192.168.1.9");
    assert_memory_equal(&mapped, &plain, sizeof mapped);
    assert_true(cidr_contains(&c, &mapped));
    char text[ADDRESS_TEXT_MAX];
    assert_string_equal(address_text(&mapped, text), "192.168.1.9");
    struct address six = v6("2001:db8::1");
    assert_string_equal(address_text(&six, text), "2001:db8::1");
    assert_int_equal(cidr_parse("0.0.0.0/0", &c, &e), 0);
    assert_true(cidr_contains(&c, &plain));
    assert_false(cidr_contains(&c, &six));
}

static void every_octet_is_written(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 256; i++) {
        char want[ADDRESS_TEXT_MAX], text[ADDRESS_TEXT_MAX];
        snprintf(want, sizeof want, "%u.%u.10.%u", i, 255 - i, i / 3);
        struct address a = v4(want);
        assert_string_equal(address_text(&a, text), want);
    }
}

static void refuses_with_the_right_form(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"", "is no network"},
        {"praxis", "192.168.1.0/24"},
        {"1.2.3", "is no network"},
        {"1.2.3.4/", "0 to 32"},
        {"1.2.3.4/33", "0 to 32"},
        {"1.2.3.4/-1", "0 to 32"},
        {"1.2.3.4/ 8", "0 to 32"},
        {"::/129", "0 to 128"},
        {"192.168.1.7/24", "did you mean 192.168.1.0/24?"},
        {"fd00::1/8", "did you mean fd00::/8?"},
        {"999999999999999999999999999999999999999999999999999999999999", "is no network"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct cidr c;
        struct err e = {0};
        assert_int_equal(cidr_parse(rows[i].text, &c, &e), -EINVAL);
        assert_non_null(strstr(e.text, rows[i].words));
    }
}

static void other_families_are_the_zero_address(void **state)
{
    (void)state;
    struct sockaddr sa = {.sa_family = AF_UNIX};
    struct address a = address_from(&sa), zero = {0};
    assert_memory_equal(&a, &zero, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contains),
        cmocka_unit_test(mapped_is_v4),
        cmocka_unit_test(every_octet_is_written),
        cmocka_unit_test(refuses_with_the_right_form),
        cmocka_unit_test(other_families_are_the_zero_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
