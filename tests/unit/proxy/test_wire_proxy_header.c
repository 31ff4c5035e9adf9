#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include "proxy/wire/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static void v4(void **state)
{
    (void)state;
    uint8_t out[PROXY_HEADER_MAX];
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(40000)},
                       local = {.sin_family = AF_INET, .sin_port = htons(3312)};
    inet_pton(AF_INET, "192.168.1.20", &peer.sin_addr);
    inet_pton(AF_INET, "192.168.1.1", &local.sin_addr);
    /* doc/proxy-protocol.txt, 2.2: 0x21 = version 2, PROXY; 0x11 = TCP over IPv4; 12 bytes follow
     */
    static const char right[] = SIGNATURE
        "\x21\x11\x00\x0c\xc0\xa8\x01\x14\xc0\xa8\x01\x01\x9c\x40\x0c\xf0";
    assert_int_equal(proxy_header(out, (struct sockaddr *)&peer, (struct sockaddr *)&local), 28);
    assert_memory_equal(out, right, 28);

    /* The same pair as a dual-stack socket shows it. */
    struct sockaddr_in6 peer6 = {.sin6_family = AF_INET6, .sin6_port = htons(40000)},
                        local6 = {.sin6_family = AF_INET6, .sin6_port = htons(3312)};
    inet_pton(AF_INET6, "::ffff:192.168.1.20", &peer6.sin6_addr);
    inet_pton(AF_INET6, "::ffff:192.168.1.1", &local6.sin6_addr);
    assert_int_equal(proxy_header(out, (struct sockaddr *)&peer6, (struct sockaddr *)&local6), 28);
    assert_memory_equal(out, right, 28);
}

static void v6(void **state)
{
    (void)state;
    uint8_t out[PROXY_HEADER_MAX];
    struct sockaddr_in6 peer = {.sin6_family = AF_INET6, .sin6_port = htons(1)},
                        local = {.sin6_family = AF_INET6, .sin6_port = htons(2)};
    inet_pton(AF_INET6, "fd00::2", &peer.sin6_addr);
    inet_pton(AF_INET6, "fd00::1", &local.sin6_addr);
    assert_int_equal(proxy_header(out, (struct sockaddr *)&peer, (struct sockaddr *)&local), 52);
    assert_memory_equal(out, SIGNATURE "\x21\x21\x00\x24", 16);
    assert_memory_equal(out + 16, &peer.sin6_addr, 16);
    assert_memory_equal(out + 32, &local.sin6_addr, 16);
    assert_memory_equal(out + 48, "\x00\x01\x00\x02", 4);
}

static void unknown_is_local(void **state)
{
    (void)state;
    uint8_t out[PROXY_HEADER_MAX];
    struct sockaddr unix_peer = {.sa_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET};
    assert_int_equal(proxy_header(out, &unix_peer, &unix_peer), 16);
    assert_memory_equal(out, SIGNATURE "\x20\x00\x00\x00", 16);
    assert_int_equal(proxy_header(out, (struct sockaddr *)&in, &unix_peer), 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v4), cmocka_unit_test(v6), cmocka_unit_test(unknown_is_local)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
